"""Wrong labels planted in a set, and how many of them `data check --wrong-labels` finds.

    python benchmarks/peers/wrong_labels.py batik10 --weights mobilenet_v2.h5 --seeds 5

In each round a share of the photographs gets another motif's label, in a table beside the photographs in one flat
folder, whose names tell nothing. What is found is compared with what was planted. Photographs that are listed though
nothing was planted on them count as mistakes, also where their own label is wrong. The limit from which labels are
doubted is set by `data check` itself, on the labels it is given, wrong ones and all.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from batikkit.data.check import Closer, check_folder
from batikkit.data.layout import read_layout
from batikkit.data.prepared import Grouping
from batikkit.network.frozen import best_describer
from batikkit.network.texture import best_texture


@dataclass(frozen=True)
class Round:
    seed: int
    planted: int
    listed: int
    found: int
    corrected: int

    @property
    def recall(self) -> float:
        return self.found / self.planted

    @property
    def precision(self) -> float:
        return self.found / max(self.listed, 1)


def plant(labels: dict[str, str], *, share: float, seed: int, kind: str) -> dict[str, str]:
    """`other`: each chosen photograph gets any other motif; `exchange`: pairs of them exchange their motifs."""
    rng = random.Random(f"wrong labels {seed}")
    chosen = rng.sample(sorted(labels), round(share * len(labels)))
    motifs = sorted(set(labels.values()))
    if kind == "other":
        return {name: rng.choice([motif for motif in motifs if motif != labels[name]]) for name in chosen}
    planted: dict[str, str] = {}
    while len(chosen) > 1:
        one = chosen.pop()
        other = next((name for name in chosen if labels[name] != labels[one]), None)
        if other is not None:
            chosen.remove(other)
            planted |= {one: labels[other], other: labels[one]}
    return planted


def evaluate(root: Path, truth: dict[str, str], planted: dict[str, str], weights: str, seed: int) -> Round:
    labels = truth | planted
    (root / "labels.csv").write_text("path,label\n" + "".join(f"{name},{labels[name]}\n" for name in sorted(labels)))
    closer = Closer(labels=True, describer=best_describer(weights))
    report = check_folder(root, Grouping(texture=best_texture(weights)), closer=closer)
    assert report.doubted is not None
    listed = {Path(doubt.path).name: doubt.suggested for doubt in report.doubted.doubts}
    found = planted.keys() & listed.keys()
    right = sum(listed[name] == truth[name] for name in found)
    return Round(seed, len(planted), len(listed), len(found), right)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--first", type=int, default=10, help="seeds 50 to 61 chose the limit")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--kind", choices=("other", "exchange"), default="other")
    options = parser.parse_args(argv)
    layout = read_layout(options.folder)
    with tempfile.TemporaryDirectory() as place:
        root, truth = Path(place) / "photos", {}
        (root / "images").mkdir(parents=True)
        for number, (path, motif) in enumerate(layout.motif_of.items()):
            name = f"{number:05d}{Path(path).suffix}"
            try:
                os.link(options.folder / path, root / "images" / name)
            except OSError:
                shutil.copy(options.folder / path, root / "images" / name)
            truth[name] = motif
        rounds = []
        for seed in range(options.first, options.first + options.seeds):
            planted = plant(truth, share=options.share, seed=seed, kind=options.kind)
            rounds.append(evaluate(root, truth, planted, options.weights, seed))
            print(json.dumps(rounds[-1].__dict__), flush=True)
    total = [sum(getattr(one, name) for one in rounds) for name in ("planted", "listed", "found", "corrected")]
    print(f"| planted | listed | found | recall % | precision % | right motif named % |\n|{'---:|' * 6}")
    print(f"| {total[0]} | {total[1]} | {total[2]} | {100 * total[2] / total[0]:.1f} | {100 * total[2] / total[1]:.1f} "
          f"| {100 * total[3] / total[2]:.1f} |")  # fmt: skip
    print("each seed: " + ", ".join(f"{one.recall:.0%} at {one.precision:.0%}" for one in rounds))


if __name__ == "__main__":
    main()
