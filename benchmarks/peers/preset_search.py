"""Settings tried on grouped folds: held-out accuracy of the frozen and of the fine-tuned network, one JSON line a fold.

    python benchmarks/peers/preset_search.py DIR --weights FILE --preset best --set mixup=0.2 --folds 5 --only 0,1

Each fold is tested once by a network that has not seen it; a part of the other folds chooses the best epoch. What is
chosen by these figures is chosen by the held-out images, so confirm a choice on folds of another `--fold-seed`.

The frozen features are computed once for all folds, and kept in `--keep` for further calls with the same augmentation.
Each line names the test photographs that the last phase got wrong; `--against FILE`, an earlier call's lines, pairs
both settings photograph by photograph on the folds that they share.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.config import load_config
from batikkit.data.dataset import Sample
from batikkit.data.prepared import Grouping, load_dataset
from batikkit.data.split import SPLITS, SplitRow, fold_rows
from batikkit.network import model
from batikkit.network.model import predict_keras
from batikkit.network.texture import best_texture
from batikkit.paired import mcnemar_p, paired_drop, paired_drop_interval
from batikkit.settings import TrainConfig
from batikkit.training.distributed import Workers
from batikkit.training.features import FrozenFeatures, fill_features, new_features
from batikkit.training.feeds import reserve
from batikkit.training.inputs import Features, Inputs, Split, load_split
from batikkit.training.loop import fit
from batikkit.training.schedule import phases
from batikkit.training.views import draw_views

AllFeatures = dict[str, tuple[NDArray[np.float16], NDArray[np.float16]]]
_DECIDE_VIEWS = ("seed", "image_size", "alpha", "rotation", "zoom", "shift", "crop_min", "flips", "quarter_turns",
                 "brightness", "contrast", "saturation", "recolour", "views", "network", "taps")  # fmt: skip


class _Known(Inputs):
    """Inputs whose frozen features are parts of all photographs'.

    `everything`: layer -> float16 ([views, N, ...], [1, N, ...]), augmented and plain; `chosen`: indices by split.
    """

    everything: AllFeatures
    chosen: dict[str, NDArray[np.intp]]

    def reserve(self, net: Any, views: Mapping[str, int]) -> None:  # noqa: ARG002
        for cut, count in views.items():
            augmented, plain = self.everything[cut]
            self._features[cut] = Features(
                augmented[:count, self.chosen["train"]], plain[:, self.chosen["validation"]], drawn=count
            )


def all_features(pixels: NDArray[np.uint8], config: TrainConfig, weights: str, keep: Path) -> AllFeatures:
    """Frozen features of every photograph, augmented and plain, for both phases."""
    net = model.build_model(config, classes=2, weights=weights)
    cut = model.cut_layer(net, frozen_layers=config.frozen_layers)
    head = model.pooled_layer(net)
    layers = (head, cut) if cut else (head,)
    key = [getattr(config, name) for name in _DECIDE_VIEWS] + [layers, weights, hashlib.sha256(pixels).hexdigest()]
    folder = keep / hashlib.sha256(repr(key).encode()).hexdigest()[:12]
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        extract = FrozenFeatures.of(net, layers)

        def augmented(view: int, indices: NDArray[np.intp]) -> NDArray[np.float32]:
            return draw_views(pixels[indices], config=config, view=view, indices=indices)

        def plain(_view: int, indices: NDArray[np.intp]) -> NDArray[np.float32]:
            return pixels[indices].astype(np.float32)

        for name, draw, views in (("views", augmented, config.views), ("plain", plain, 1)):
            rooms = {
                layer: new_features(folder, f"{name}-{layer}", shape, count=len(pixels), views=views)
                for layer, shape in extract.shapes.items()
            }
            fill_features(rooms, extract, draw, views=range(views))
        (folder / "done").touch()
    return {
        layer: (np.load(folder / f"views-{layer}.npy", "r"), np.load(folder / f"plain-{layer}.npy", "r"))
        for layer in layers
    }


def known_inputs(
    net: Any,
    config: TrainConfig,
    everything: Split,
    features: AllFeatures,
    chosen: dict[str, NDArray[np.intp]],
    folder: Path,
) -> Inputs:
    """What a fold's training is fed: parts of the features that all folds share."""
    splits = {name: Split(everything.pixels[index], everything.labels[index]) for name, index in chosen.items()}
    inputs = _Known(config, splits["train"], splits["validation"], cache=folder, cache_bytes=0)
    inputs.everything, inputs.chosen = features, chosen
    reserve(net, inputs, first=0, engine="cached", workers=Workers())
    return inputs


def run_fold(
    rows: tuple[SplitRow, ...], everything: Split, features: AllFeatures, config: TrainConfig, weights: str
) -> dict[str, Any]:
    """Trains on one fold's split; `everything` and `features` are those of all rows, in order."""
    chosen = {name: np.flatnonzero([row.split == name for row in rows]) for name in SPLITS}
    net = model.build_model(config, classes=int(everything.labels.max()) + 1, weights=weights)
    accuracy: dict[str, float] = {}
    test = Split(everything.pixels[chosen["test"]], everything.labels[chosen["test"]])
    with tempfile.TemporaryDirectory() as folder:
        inputs = known_inputs(net, config, everything, features, chosen, Path(folder))
        started, plan = time.perf_counter(), phases(config)
        for state in fit(net, inputs):
            if state.epoch == 0:  # a phase is over, and the network holds the best weights
                right = predict_keras(net, test.pixels).argmax(axis=1) == test.labels
                accuracy[plan[state.phase - 1].name] = round(float(right.mean()), 4)
                wrong = [rows[index].sample.path for index in chosen["test"][~right]]
    history = state.history
    return {
        **accuracy,
        "n": len(test.labels),
        "wrong": wrong,
        "train_accuracy": round(history[-1].accuracy, 3),
        "val_accuracy": [
            round(max(h.val_accuracy for h in history if h.phase == phase), 3)
            for phase in sorted({h.phase for h in history})
        ],
        "epochs": len(history),
        "seconds": round(time.perf_counter() - started, 1),
    }


def paired(ours: Sequence[Mapping[str, Any]], earlier: Path, groups: Mapping[str, str], deal: Any) -> str:
    """How far settings lead those of earlier lines on the photographs that both were tested with.

    Args:
        ours: A result for each fold.
        earlier: JSON lines of another call.
        groups: Photograph -> its cloth.
        deal: (fold, seed) -> that fold's rows.
    """
    lines = [json.loads(line) for line in earlier.read_text().splitlines() if line.startswith("{")]
    before = {(line["fold"], line["fold_seed"]): set(line["wrong"]) for line in lines}
    right: tuple[list[bool], list[bool]] = ([], [])
    cloths: list[str] = []
    for result in ours:
        key = result["fold"], result["fold_seed"]
        if key not in before:
            continue
        for path in (row.sample.path for row in deal(*key) if row.split == "test"):
            right[0].append(path not in before[key])
            right[1].append(path not in set(result["wrong"]))
            cloths.append(groups[path])
    was, now = (np.array(part) for part in right)
    low, high = paired_drop_interval(now, was, groups=cloths)
    return (
        f"against {earlier.name}, n = {len(was)}: {paired_drop(now, was):+.1f} points ({low:+.1f} to {high:+.1f}), "
        f"only now right {int((now & ~was).sum())}, only before {int((was & ~now).sum())}, "
        f"p = {mcnemar_p(now, was, groups=cloths):.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--preset", default="best")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", default="", help="folds to run, such as 0,1 (all)")
    parser.add_argument("--unit", default="cloth", help="what never crosses folds: cloth or copy")
    parser.add_argument("--look-weights", help="MobileNetV2 no-top file that tells cloths apart (that of --weights)")
    parser.add_argument("--fold-seed", type=int, default=0)
    parser.add_argument("--against", type=Path, help="an earlier call's lines, to be paired with")
    parser.add_argument("--keep", type=Path, help="folder for frozen features (temporary)")
    asked = parser.parse_args()
    config = load_config(asked.preset, overrides=asked.overrides)
    data = load_dataset(
        asked.folder,
        grouping=Grouping(
            unit=asked.unit, texture=best_texture(asked.look_weights or asked.weights), parts=asked.folds
        ),
    )
    samples, labels = data.dataset.samples, data.dataset.labels
    results = []
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "all.npy"
        everything = load_split(asked.folder, samples, labels, size=config.image_size, store=store)
        features = all_features(everything.pixels, config, asked.weights, asked.keep or Path(folder))
        deal = functools.partial(_deal, samples, asked.folds, config)
        for fold in [int(f) for f in asked.only.split(",") if f] or range(asked.folds):
            result = run_fold(deal(fold, asked.fold_seed), everything, features, config, asked.weights)
            known = {"preset": asked.preset, "set": asked.overrides, "fold": fold, "fold_seed": asked.fold_seed}
            results.append({**known, **result})
            print(json.dumps(results[-1]), flush=True)
    for name in ("head", "fine-tune"):
        found = [r[name] for r in results if name in r]
        if found:
            spread = f" +- {np.std(found, ddof=1):.1%}" if len(found) > 1 else ""
            print(f"{asked.preset} {' '.join(asked.overrides)} {name}: mean {np.mean(found):.1%}{spread}", flush=True)
    if asked.against:
        print(paired(results, asked.against, {sample.path: sample.group for sample in samples}, deal), flush=True)


def _deal(samples: tuple[Sample, ...], folds: int, config: TrainConfig, fold: int, seed: int) -> tuple[SplitRow, ...]:
    return fold_rows(samples, folds=folds, fold=fold, ratios=config.ratios, seed=seed)


if __name__ == "__main__":
    main()
