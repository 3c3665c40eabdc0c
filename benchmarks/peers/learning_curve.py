"""How well `data check --learning` foretells what more photographs bring: half of them are left out and foretold.

    python benchmarks/peers/learning_curve.py batik10 --weights mobilenet_v2.h5 --seeds 5

The curve is fitted on one half of the cloths alone. It says how well those photographs would be read once the others
are there too; then the others are added, and the same photographs are read. With `--motif` the same is done for one
motif after the other: half of its cloths are left out, all of the others stay.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from batikkit.data import learning
from batikkit.data.features import features_of
from batikkit.data.grouping import inspect_set
from batikkit.data.layout import read_layout
from batikkit.data.smoother import deal_folds, embed, one_hot
from batikkit.network.frozen import best_describer
from batikkit.network.texture import best_texture


def read_with_all(points, truth, cloth, evaluated, *, repeats=6, folds=10):
    """Accuracy of the judged photographs, learned from all photographs of other folds."""
    targets, right = one_hot(truth, truth.max() + 1), np.zeros(len(truth))
    for repeat in range(repeats):
        fold_of = deal_folds(cloth.tolist(), folds, seed=1000 + repeat)
        for fold in range(folds):
            inside = fold_of != fold
            right[~inside] += learning.answers(points, truth, targets, inside, ~inside) == truth[~inside]
    return float(right[evaluated] @ learning.equal_motifs(truth[evaluated]) / repeats)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--first", type=int, default=10, help="seeds 0 to 4 chose the power")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--motif", action="store_true")
    parser.add_argument("--powers", default=str(learning.POWER))
    options = parser.parse_args(argv)
    layout = read_layout(options.folder)
    inspected = inspect_set(
        options.folder, list(layout.motif_of), label_of=layout.motif_of.__getitem__,
        texture=best_texture(options.weights),
    )  # fmt: skip
    describer = best_describer(options.weights)
    assert describer is not None, "name a network with --weights"
    features = features_of(options.folder, inspected.inspections, describer)
    names = [layout.motif_of[item.path] for item in inspected.inspections]
    motifs = sorted(set(names))
    truth, cloth = np.array([motifs.index(name) for name in names]), inspected.cloths
    everything, powers = embed(features), [float(power) for power in options.powers.split(",")]
    errors: dict[float, list[float]] = {power: [] for power in powers}
    for seed in range(options.first, options.first + options.seeds):
        rng = np.random.default_rng(seed)
        for motif in range(len(motifs)) if options.motif else (None,):
            theirs = np.unique(cloth if motif is None else cloth[truth == motif])
            if len(theirs) < 12:
                continue
            out = np.isin(cloth, rng.permutation(theirs)[: len(theirs) // 2])
            out &= True if motif is None else truth == motif
            kept = np.flatnonzero(~out)
            half = learning._Set(
                embed(features[kept]), truth[kept], cloth[kept], one_hot(truth[kept], len(motifs)), seed
            )
            counts, right = learning._curve(half, motif)
            accuracies = [float(one @ learning.equal_motifs(truth[kept])) for one in right]
            evaluated = np.isin(np.arange(len(truth)), kept)
            actual = read_with_all(everything, truth, cloth, evaluated)
            grown = counts[-1] * (len(truth) if motif is None else (truth == motif).sum())
            grown /= len(kept) if motif is None else (truth[kept] == motif).sum()
            for power in powers:
                height, slope = learning.fitted(counts, accuracies, power=power)
                told = height - slope * grown**-power
                errors[power].append(100 * (told - actual))
                what = "all" if motif is None else motifs[motif]
                print(f"seed {seed} {what}: {100 * accuracies[-1]:.1f} % with half, "
                      f"told {100 * told:.1f}, is {100 * actual:.1f} (power {power})", flush=True)  # fmt: skip
    for power, found in errors.items():
        print(f"power {power}: mean error {np.mean(found):+.2f}, mean size {np.mean(np.abs(found)):.2f}, "
              f"largest {np.max(np.abs(found)):.2f} points of {len(found)}")  # fmt: skip


if __name__ == "__main__":
    main()
