"""What copies and cloths do to a published accuracy: one model on three kinds of split of the same photographs.

The model is the cheap and strong one: ImageNet MobileNetV2 features, frozen, computed once per image, and a linear
head on top (ridge regression to the classes; its strength is chosen on the training part by leave-one-out). The
splits of a seed keep nothing apart, copies, or whole cloths; the first two have exactly the same number of images of
each class in each part. `--rotations` adds the quarter turns of every photograph as files of their own, which is how
many public batik sets were enlarged before they were split.

    python benchmarks/peers/leak.py DIR [DIR ...] --weights mobilenet_v2_1.0_no_top.h5 --seeds 30
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from batikkit.config import TrainConfig
from batikkit.console import progress
from batikkit.data.dataset import Dataset
from batikkit.data.grouping import by_cloth, groups_per_class
from batikkit.data.leaks import find_leaks
from batikkit.data.prepared import Grouping, load_dataset
from batikkit.data.split import SplitRow, assign_splits
from batikkit.images import load_pixels, load_rgb
from batikkit.network.texture import best_texture

RATIOS = (0.7, 0.2, 0.1)
TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def features_of(dataset: Dataset, weights: Path, image_size: int) -> NDArray[np.float32]:
    """float32 [N, 1280]: pooled features of every sample."""
    from batikkit.network.model import build_model
    from batikkit.training.features import FrozenFeatures

    model = build_model(TrainConfig(image_size=image_size), classes=len(dataset.labels), weights=weights)
    pooling = next(layer.name for layer in model.layers if "Pooling" in type(layer).__name__)
    frozen = FrozenFeatures.of(model, (pooling,))
    parts = []
    with progress("features") as advance:
        for start in range(0, len(dataset.samples), 64):
            chunk = dataset.samples[start : start + 64]
            pixels = np.stack([load_pixels(dataset.file(sample), image_size) for sample in chunk])
            parts.append(frozen(pixels.astype(np.float32))[pooling])
            advance(start + len(chunk), len(dataset.samples))
    return np.concatenate(parts)


def shuffled(rows: tuple[SplitRow, ...], seed: int) -> tuple[SplitRow, ...]:
    """The same number of images of each class in each part, dealt without regard to groups."""
    rng = np.random.default_rng(seed)
    split_of: dict[int, str] = {}
    for label in sorted({row.sample.label for row in rows}):
        members = [index for index, row in enumerate(rows) if row.sample.label == label]
        for index, other in zip(members, rng.permutation(members), strict=True):
            split_of[index] = rows[other].split
    return tuple(SplitRow(row.sample, split_of[index]) for index, row in enumerate(rows))


def test_accuracy(rows: tuple[SplitRow, ...], features: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    part = np.array([row.split for row in rows])
    head = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=np.logspace(2, 5, 7)))
    head.fit(features[part == "train"], truth[part == "train"])
    return float((head.predict(features[part == "test"]) == truth[part == "test"]).mean())


def interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean and its 95 % bootstrap interval over seeds."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (10_000, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def compare(root: Path, name: str, weights: Path, image_size: int, seeds: int) -> dict[str, object]:
    copies = load_dataset(root, grouping=Grouping(unit="copy", texture=best_texture(weights)), cache=False).dataset
    cloths = by_cloth(copies.samples)
    features = features_of(copies, weights, image_size)
    index = copies.class_index()
    truth = np.array([index[sample.label] for sample in copies.samples])
    # A set of one cloth a motif cannot test on another.
    units = {"copies": copies.samples, **({"cloths": cloths} if min(groups_per_class(cloths).values()) >= 3 else {})}
    figures: dict[str, list[float]] = {kind: [] for kind in ("random", *units, "leaking", "tested")}
    for seed in range(seeds):
        splits = {unit: assign_splits(samples, ratios=RATIOS, seed=seed) for unit, samples in units.items()}
        splits["random"] = shuffled(splits["copies"], seed)
        for kind, rows in splits.items():
            figures[kind].append(test_accuracy(rows, features, truth))
        random = [SplitRow(sample, row.split) for sample, row in zip(cloths, splits["random"], strict=True)]
        figures["leaking"].append(sum(leak.split == "test" for leak in find_leaks(random)))
        figures["tested"].append(sum(row.split == "test" for row in random))
    groups = [len({sample.group for sample in samples}) for samples in (copies.samples, cloths)]
    return {"name": name, "images": len(truth), "copies_apart": groups[0], "cloths_apart": groups[1], **figures}


def table_row(result: dict[str, object]) -> str:
    random, copies, *cloths = (
        np.array(result[key], dtype=np.float64) * 100 for key in ("random", "copies", "cloths") if key in result
    )
    shown = []
    for values in (random, copies, *cloths, *(random - other for other in cloths)):
        mean, low, high = interval(values)
        shown.append(f"{mean:.1f} ({low:.1f} to {high:.1f})")
    shown += ["one cloth a motif", ""] if not cloths else []
    share = 100 * np.sum(result["leaking"]) / np.sum(result["tested"])
    counts = f"{result['images']} | {result['copies_apart']} | {result['cloths_apart']} | {share:.0f} %"
    return f"| {result['name']} | {counts} | " + " | ".join(shown) + " |"


def with_rotations(root: Path, out: Path) -> None:
    """Every photograph and its three quarter turns, as JPEG files."""
    dataset = load_dataset(root, cache=False).dataset
    for sample in dataset.samples:
        image = load_rgb(dataset.file(sample))
        for quarter, turn in enumerate(TURNS):
            path = out / Path(sample.path).with_suffix(f".{90 * quarter}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            (image if turn is None else image.transpose(turn)).save(path, quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--rotations", nargs="*", type=Path, default=[], help="also these, each photograph four times")
    parser.add_argument("--weights", type=Path, required=True, help="MobileNetV2 alpha 1.0, no top (.h5)")
    parser.add_argument("--image-size", type=int, default=288)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    fixed = (options.weights, options.image_size, options.seeds)
    columns = ("images", "photographs", "cloths", "tests seen", "random %", "copies apart %", "cloths apart %", "gap")
    print("| set | " + " | ".join(columns) + " |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        jobs = [(folder, folder.name) for folder in options.folders]
        for folder in options.rotations:
            turned = Path(scratch) / folder.name
            with_rotations(folder, turned)
            jobs.append((turned, f"{folder.name}, each photograph in 4 rotations"))
        for folder, name in jobs:
            results.append(compare(folder, name, *fixed))
            print(table_row(results[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
