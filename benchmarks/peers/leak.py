"""What copies do to a published accuracy: one model on a random and on a grouped split of the same photographs.

The model is the cheap and strong one: ImageNet MobileNetV2 features, frozen, computed once per image, and a linear
head on top (ridge regression to the classes; its strength is chosen on the training part by leave-one-out). Both
splits of a seed have exactly the same number of images of each class in each part; only whether copies may cross
differs. `--rotations` adds the quarter turns of every photograph as files of their own, which is how many public batik
sets were enlarged before they were split.

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
from batikkit.data.leaks import find_leaks
from batikkit.data.prepared import load_dataset
from batikkit.data.split import SplitRow, assign_splits
from batikkit.images import load_pixels, load_rgb

RATIOS = (0.7, 0.2, 0.1)
TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def features_of(dataset: Dataset, weights: Path, image_size: int) -> NDArray[np.float32]:
    """float32 [N, 1280]: pooled features of every sample."""
    from batikkit.network.model import build_model
    from batikkit.training.features import FrozenFeatures

    model = build_model(TrainConfig(image_size=image_size), classes=len(dataset.labels), weights=weights)
    pooling = next(layer.name for layer in model.layers if "Pooling" in type(layer).__name__)
    frozen = FrozenFeatures(model, (pooling,))
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
    dataset = load_dataset(root, cache=False).dataset
    features = features_of(dataset, weights, image_size)
    index = dataset.class_index()
    truth = np.array([index[sample.label] for sample in dataset.samples])
    figures: dict[str, list[float]] = {"random": [], "grouped": [], "leaking": [], "tested": []}
    for seed in range(seeds):
        grouped = assign_splits(dataset.samples, ratios=RATIOS, seed=seed)
        random = shuffled(grouped, seed)
        assert not find_leaks(grouped)
        figures["grouped"].append(test_accuracy(grouped, features, truth))
        figures["random"].append(test_accuracy(random, features, truth))
        figures["leaking"].append(sum(leak.split == "test" for leak in find_leaks(random)))
        figures["tested"].append(sum(row.split == "test" for row in random))
    groups = len({sample.group for sample in dataset.samples})
    return {"name": name, "images": len(truth), "groups": groups, "seeds": seeds, **figures}


def table_row(result: dict[str, object]) -> str:
    random, grouped = (np.array(result[key], dtype=np.float64) * 100 for key in ("random", "grouped"))
    shown = []
    for values in (random, grouped, random - grouped):
        mean, low, high = interval(values)
        shown.append(f"{mean:.1f} ({low:.1f} to {high:.1f})")
    share = 100 * np.sum(result["leaking"]) / np.sum(result["tested"])
    return f"| {result['name']} | {result['images']} | {result['groups']} | {share:.0f} % | " + " | ".join(shown) + " |"


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
    print("| set | images | independent | test images with a copy | random split % | grouped split % | gap |")
    print("|---|---:|---:|---:|---:|---:|---:|")
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
