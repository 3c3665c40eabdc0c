"""Which photographs show one cloth, and what a test figure is worth that does not know: batikkit against the usual.

For a folder whose cloths are known (`--truth`, a CSV file with the columns path and cloth) it prints for each way of
grouping its photographs: the share of all pairs of one cloth that lie in one group (recall), the share of grouped pairs
that show one cloth (precision), and the accuracy on the split that batikkit makes of these groups, beside that on the
split of the true cloths. The model is that of `leak.py`, frozen features and a linear head. Ways:

* batikkit with a network's first layers, and without any network;
* perceptual hashes: pHash of the `imagehash` package, at most 8 differing bits in any of 8 orientations, transitively;
* truth: the cloths of the file.

With `--turned` it also prints, for a folder `MOTIF/NAME_rotDEGREES.jpg` whose motifs are one cloth each, how many
groups of copies and how many cloths are found.

    python benchmarks/peers/cloths.py DIR --truth truth.csv --weights mobilenet_v2_1.0_no_top.h5 --seeds 5
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
from leak import RATIOS, features_of, interval, test_accuracy
from numpy.typing import NDArray
from PIL import Image

from batikkit.console import note
from batikkit.data.cloth_look import Texture
from batikkit.data.dataset import Sample
from batikkit.data.duplicates import UnionFind
from batikkit.data.prepared import Grouping, PreparedData, load_dataset
from batikkit.data.split import assign_splits
from batikkit.errors import InputError
from batikkit.images import load_rgb
from batikkit.network.texture import best_texture

HASH_BITS = 8
_QUARTERS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


@dataclass(frozen=True)
class Way:
    """A way of grouping, and the set grouped so: `Sample.cloth` is what was found, `Sample.group` what is split by."""

    name: str
    samples: tuple[Sample, ...]
    remark: str = ""


@dataclass(frozen=True)
class Result:
    """A line of the table; accuracies are one per seed, 0..1."""

    name: str
    found: int
    recall: float
    precision: float
    accuracy: tuple[float, ...]
    gap: tuple[float, ...]
    remark: str


def by_batikkit(prepared: PreparedData, texture: Texture) -> Way:
    remark = "" if prepared.unit == "cloth" else "too few cloths: split by copies"
    return Way(f"batikkit, {texture.name}", prepared.dataset.samples, remark)


def by_hashes(root: Path, samples: Sequence[Sample]) -> Way:
    """Single linkage, as the usual recipe has it."""
    turns = [_turns(load_rgb(root / sample.path)) for sample in samples]
    bits = np.array([[imagehash.phash(image).hash.ravel() for image in images] for images in turns])
    sets = UnionFind(len(samples))
    for index, own in enumerate(bits):
        near = (own[:, None] != bits[None, :, 0]).sum(axis=2).min(axis=0) <= HASH_BITS
        for other in np.flatnonzero(near).tolist():
            sets.union(index, other)
    return grouped(f"pHash, {HASH_BITS} bits, 8 ways", samples, sets.roots().tolist())


def _turns(image: Image.Image) -> list[Image.Image]:
    both = (image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    return [turned for one in both for turned in (one, *(one.transpose(quarter) for quarter in _QUARTERS))]


def grouped(name: str, samples: Sequence[Sample], keys: Sequence[object]) -> Way:
    """Groups named as batikkit names them, after content: equal groups are dealt alike."""
    digests: dict[object, str] = {}
    for sample, key in zip(samples, keys, strict=True):
        digests[key] = min(digests.get(key, sample.sha256), sample.sha256)
    names = [digests[key][:16] for key in keys]
    return Way(name, tuple(dataclasses.replace(s, group=n, cloth=n) for s, n in zip(samples, names, strict=True)))


def read_truth(file: Path, samples: Sequence[Sample]) -> list[str]:
    """The cloth of each sample."""
    with file.open(newline="", encoding="utf-8") as stream:
        cloth_of = {row["path"]: row["cloth"] for row in csv.DictReader(stream)}
    strangers = [sample.path for sample in samples if sample.path not in cloth_of]
    if strangers:
        raise InputError(f"{file} lacks {len(strangers)} photographs, such as {strangers[0]}: name their cloths")
    return [cloth_of[sample.path] for sample in samples]


def pairs_found(found: Sequence[str], truth: Sequence[str]) -> tuple[float, float]:
    """Recall and precision over pairs of photographs; a precision of nothing is 1."""
    pair = np.triu_indices(len(truth), 1)
    same, together = ((np.array(keys)[:, None] == np.array(keys))[pair] for keys in (truth, found))
    right = int((same & together).sum())
    return right / max(int(same.sum()), 1), right / max(int(together.sum()), 1) if together.any() else 1.0


def accuracies(samples: Sequence[Sample], features: NDArray[np.float32], seeds: int) -> NDArray[np.float64]:
    """Of the test parts of `seeds` splits by `Sample.group`."""
    motifs = np.unique([sample.label for sample in samples], return_inverse=True)[1].astype(np.int64)
    splits = (assign_splits(samples, ratios=RATIOS, seed=seed) for seed in range(seeds))
    return np.array([test_accuracy(rows, features, motifs) for rows in splits])


def compare(root: Path, truth: Path, weights: Path, seeds: int, image_size: int) -> list[Result]:
    textures = [best_texture(weights), best_texture("none")]
    prepared = [load_dataset(root, grouping=Grouping(texture=texture), cache=False) for texture in textures]
    ways = [by_batikkit(*both) for both in zip(prepared, textures, strict=True)]
    samples = ways[0].samples
    cloths = read_truth(truth, samples)
    ways += [by_hashes(root, samples), grouped("truth", samples, cloths)]
    features = features_of(prepared[0].dataset, weights, image_size)
    honest = accuracies(ways[-1].samples, features, seeds)
    results = []
    for way in ways:
        found = [sample.cloth for sample in way.samples]
        own = honest if way is ways[-1] else accuracies(way.samples, features, seeds)
        gap = tuple((own - honest).tolist())
        results.append(
            Result(way.name, len(set(found)), *pairs_found(found, cloths), tuple(own.tolist()), gap, way.remark)
        )
    return results


def table_row(result: Result) -> str:
    shown = []
    for values in (result.accuracy, result.gap):
        mean, low, high = (100 * value for value in interval(np.array(values)))
        shown.append(f"{mean:.1f} ({low:.1f} to {high:.1f})")
    pairs = f"{result.recall:.1%} | {result.precision:.1%} | {result.found}"
    return f"| {result.name} | {pairs} | {' | '.join(shown)} | {result.remark} |"


def turned_row(root: Path, texture: Texture) -> str:
    """Groups of copies and cloths found, and whether they are those that names tell."""
    prepared = load_dataset(root, grouping=Grouping("copy", texture=texture), cache=False)
    samples = prepared.dataset.samples
    names = [re.sub(r"_rot\d+", "", sample.path) for sample in samples]
    counts = []
    for found, told in (([s.group for s in samples], names), ([s.cloth for s in samples], [s.label for s in samples])):
        exact = pairs_found(found, told) == (1.0, 1.0)
        counts.append(f"{len(set(found))} of {len(set(told))}{', all right' if exact else ', NOT the same'}")
    motifs = len(prepared.dataset.labels)
    return f"| {texture.name} | {len(samples)} | {motifs} | {' | '.join(counts)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--truth", type=Path, required=True, help="CSV file with the columns path and cloth")
    parser.add_argument("--weights", type=Path, required=True, help="MobileNetV2 alpha 1.0, no top (.h5)")
    parser.add_argument("--turned", type=Path, help="also count the groups of MOTIF/NAME_rotDEGREES.jpg")
    parser.add_argument("--image-size", type=int, default=288)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = compare(options.folder, options.truth, options.weights, options.seeds, options.image_size)
    print("| groups by | pairs found | right | groups | accuracy % | above truth's, points | |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for result in results:
        print(table_row(result), flush=True)
    if options.turned:
        print("\n| described by | images | motifs | groups of copies | cloths |")
        print("|---|---:|---:|---:|---:|")
        for weights in (str(options.weights), "none"):
            print(turned_row(options.turned, best_texture(weights)), flush=True)
    if options.json:
        options.json.write_text(json.dumps([dataclasses.asdict(result) for result in results]))
        note(f"wrote {options.json}")


if __name__ == "__main__":
    main()
