"""Which score tells what is none of the motifs, on grouped folds: real strangers, unknown batik, motifs left out.

    python benchmarks/peers/strangers.py DIR --weights FILE --strangers DIR --unknown CLOTHS

The frozen network of `--preset` and a solved head. For each score: how well it ranks test photographs above the others
(AUROC), and how many others are named where the limit leaves 90 % of the validation photographs named. Strangers come
from a folder, drawn kinds from `batikkit.assets.strangers`; a motif left out is one that training never saw, in turn.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from batikkit.assets.strangers import CHECKING, CHOOSING, draw_foreign
from batikkit.config import load_config
from batikkit.data.prepared import Grouping, load_dataset
from batikkit.data.split import fold_rows
from batikkit.images import load_pixels
from batikkit.intervals import accuracy_interval
from batikkit.network import model
from batikkit.network.texture import best_texture
from batikkit.picture_files import find_pictures
from batikkit.settings import TrainConfig
from batikkit.training import convex
from batikkit.training.features import FrozenFeatures
from batikkit.training.others import fit_other
from batikkit.training.views import draw_views

Floats = NDArray[np.float64]
Score = Callable[[Floats], Floats]
KEPT = 0.90


class Pictures:
    """The preset's network, frozen, and what it says of pictures."""

    def __init__(self, config: TrainConfig, weights: str) -> None:
        net = model.build_model(config, classes=2, weights=weights)
        self.config, self._layer = config, model.pooled_layer(net)
        self._extract = FrozenFeatures.of(net, (self._layer,))

    def features(self, pixels: NDArray[np.uint8], *, view: int | None = None) -> Floats:
        """[N, D] of uint8 [N, S, S, 3], plain or as a view of the training."""
        found = []
        for start in range(0, len(pixels), 32):
            index = np.arange(start, min(start + 32, len(pixels)))
            shown = pixels[index].astype(np.float32)
            if view is not None:
                shown = draw_views(pixels[index], config=self.config, view=view, indices=index)
            found.append(self._extract(shown)[self._layer])
        return np.concatenate(found).astype(np.float64)

    def of(self, paths: list[Path]) -> Floats:
        """The same of picture files."""
        return self.features(np.stack([load_pixels(path, self.config.image_size) for path in paths]))


def solve(seen: Floats, labels: NDArray[np.int64], checked: Floats, truth: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Kernel and bias of the head with the penalty that validation likes best, motifs of equal weight."""
    classes = int(labels.max()) + 1
    scaling = convex.scaling_of(float(len(seen)), seen.sum(axis=0), np.square(seen).sum(axis=0))
    weights = (1 / np.bincount(labels))[labels] / classes
    targets = 0.9 * np.eye(classes)[labels] + 0.1 / classes
    loss = convex.softmax_loss(
        scaling.scaled(seen.astype(np.float32)), targets.astype(np.float32), weights.astype(np.float32)
    )
    size, flat, best = seen.shape[1] * classes, np.zeros((seen.shape[1] + 1) * classes), (np.inf, None)
    for penalty in convex.penalties(6):
        flat = convex.minimize(convex.with_penalty(loss, penalty, kernel_size=size), flat)
        kernel, bias = scaling.unscaled(*convex.split(flat, seen.shape[1], classes))
        value = convex.cross_entropy(checked @ kernel + bias, truth)
        best = min(best, (value, (kernel, bias)), key=lambda pair: pair[0])
    assert best[1] is not None
    return best[1]


def scores_of(seen: Floats, labels: NDArray[np.int64], checked: Floats, truth: NDArray[np.int64]) -> dict[str, Score]:
    """Each score, larger for what looks more like a known motif."""
    kernel, bias = solve(seen, labels, checked, truth)
    other = fit_other(seen, checked, kernel, bias)
    middle, scale = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    unit = _unit((seen - middle) / scale)
    whitened = seen @ other.projection + other.offset
    centres = np.stack([whitened[labels == motif].mean(axis=0) for motif in range(int(labels.max()) + 1)])
    within = np.cov((whitened - centres[labels]).T) + 0.1 * np.eye(whitened.shape[1])
    precision = np.linalg.inv(within)

    def motif_scores(features: Floats) -> Floats:
        return features @ kernel + bias

    def largest(logits: Floats) -> Floats:
        return np.exp(logits.max(axis=1) - _log_sum(logits))

    def nearest_mean(features: Floats) -> Floats:
        apart = (features @ other.projection + other.offset)[:, None] - centres
        return -np.einsum("nkd,de,nke->nk", apart, precision, apart).min(axis=1)

    def with_other(features: Floats) -> Floats:
        motifs, foreign = motif_scores(features), other.score(features)
        best = np.exp(motifs.max(axis=1) - _log_sum(np.column_stack([motifs, foreign])))
        return np.where(foreign > motifs.max(axis=1), best - 1, best)  # "other" is never named

    return {
        "largest probability": lambda f: largest(motif_scores(f)),
        "energy": lambda f: _log_sum(motif_scores(f)),
        "5 nearest neighbours, cosine": lambda f: np.sort(_unit((f - middle) / scale) @ unit.T)[:, -5:].mean(axis=1),
        "distance to the nearest motif's mean": nearest_mean,
        "distance to the middle": lambda f: -other.squared_distance(f),
        '"other" in the softmax (batikkit)': with_other,
    }


def _unit(values: Floats) -> Floats:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def _log_sum(logits: Floats) -> Floats:
    top = logits.max(axis=1)
    return np.asarray(top + np.log(np.exp(logits - top[:, None]).sum(axis=1)))


def auroc(known: Floats, strange: Floats) -> float:
    """Share of pairs in which the known one scores higher; ties count half."""
    order = np.sort(strange)
    below, level = np.searchsorted(order, known), np.searchsorted(order, known, side="right")
    return float(np.mean((below + level) / 2) / len(strange))


def _show(found: dict[str, dict[str, list[float]]], pooled: dict[str, list[NDArray[np.bool_]]]) -> None:
    columns = list(next(iter(found.values())))
    print("| score | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, values in found.items():
        cells = [f"{np.mean(values[c]):.3f}" if c.endswith("AUROC") else f"{np.mean(values[c]):.1%}" for c in columns]
        print(f"| {name} | " + " | ".join(cells) + " |")
    for name, parts in pooled.items():
        low, high = accuracy_interval(np.mean(parts, axis=0) > 0.5)
        print(f"{name}: strangers named by most folds, {low:.1%} to {high:.1%} (95 %)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--preset", default="best")
    parser.add_argument("--strangers", type=Path, required=True)
    parser.add_argument("--unknown", type=Path, help="folder with truth.csv (path, cloth, edit): batik of other motifs")
    parser.add_argument("--unknown-motifs", default="buketan,semen")
    parser.add_argument("--left-out", type=int, default=5, help="folds on which motifs are left out in turn")
    asked = parser.parse_args()
    pictures = Pictures(load_config(asked.preset), asked.weights)
    config = pictures.config
    data = load_dataset(asked.folder, grouping=Grouping(texture=best_texture(asked.weights), parts=5))
    samples = data.dataset.samples
    pixels = np.stack([load_pixels(asked.folder / sample.path, config.image_size) for sample in samples])
    plain, drawn = pictures.features(pixels), pictures.features(pixels, view=0)
    labels = np.array([data.dataset.labels.index(sample.label) for sample in samples], np.int64)
    strange = {"strangers": pictures.of(list(find_pictures(asked.strangers)))}
    if asked.unknown:
        with (asked.unknown / "truth.csv").open(encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["edit"] == "none"]
        wanted = asked.unknown_motifs.split(",")
        paths = [asked.unknown / row["path"] for row in rows if row["cloth"].rsplit("-", 1)[0] in wanted]
        strange["unknown motifs"] = pictures.of(paths)
    for name, kinds in (("drawn, choosing", CHOOSING), ("drawn, checking", CHECKING)):
        strange[name] = pictures.features(draw_foreign(kinds, per_kind=40, size=config.image_size, seed=0))
    greys = [np.full((config.image_size, config.image_size, 3), grey, np.uint8) for grey in (255, 200, 128, 60, 0)]
    strange["flat"] = pictures.features(np.stack(greys))
    blurred = [Image.fromarray(p).filter(ImageFilter.GaussianBlur(config.image_size / 12)) for p in pixels[::8]]
    strange["blurred"] = pictures.features(np.stack([np.asarray(image) for image in blurred]))

    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    pooled: dict[str, list[NDArray[np.bool_]]] = defaultdict(list)
    for fold in range(5):
        rows_ = fold_rows(samples, folds=5, fold=fold, ratios=config.ratios, seed=0)
        split = np.array([row.split for row in rows_])
        train, check, test = (split == name for name in ("train", "validation", "test"))
        seen, seen_labels = np.concatenate([plain[train], drawn[train]]), np.tile(labels[train], 2)
        for name, score in scores_of(seen, seen_labels, plain[check], labels[check]).items():
            known, limit = score(plain[test]), float(np.quantile(score(plain[check]), 1 - KEPT))
            found[name]["known named"].append(float(np.mean(known >= limit)))
            for kind, features in strange.items():
                values = score(features)
                found[name][f"{kind}: AUROC"].append(auroc(known, values))
                found[name][f"{kind}: named"].append(float(np.mean(values >= limit)))
                if kind == "strangers":
                    pooled[name].append(values >= limit)
        for motif in range(len(data.dataset.labels)) if fold < asked.left_out else ():
            kept, out = labels != motif, test & (labels == motif)
            if not out.any():
                continue
            renamed = labels - (labels > motif)
            fewer = np.concatenate([plain[train & kept], drawn[train & kept]])
            parts = (np.tile(renamed[train & kept], 2), plain[check & kept], renamed[check & kept])
            for name, score in scores_of(fewer, *parts).items():
                found[name]["motif left out: AUROC"].append(auroc(score(plain[test & kept]), score(plain[out])))
        print(f"fold {fold + 1} of 5", flush=True)
    _show(found, pooled)


if __name__ == "__main__":
    main()
