"""Settings tried on grouped folds: held-out accuracy of the frozen and of the fine-tuned network, one JSON line a fold.

    python benchmarks/peers/preset_search.py DIR --weights FILE --preset best --set mixup=0.2 --folds 5 --only 0,1

Each fold is tested once by a network that has not seen it; a part of the other folds chooses the best epoch. What is
chosen by these figures is chosen by the held-out images, so confirm a choice on folds of another `--fold-seed`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit import model
from batikkit.config import TrainConfig, load_config
from batikkit.inputs import Split, load_split
from batikkit.prepared import load_dataset
from batikkit.split import SPLITS, SplitRow, fold_rows
from batikkit.trainer import Phase, Trainer, predict_keras


class _Watched(Trainer):
    """A trainer that tests the network at the end of each phase."""

    test: Split
    accuracy: dict[str, float]

    def _fit_phase(self, number: int, phase: Phase) -> None:
        super()._fit_phase(number, phase)
        right = predict_keras(self.net, self.test.pixels).argmax(axis=1) == self.test.labels
        self.accuracy[phase.name] = float(right.mean())


@contextlib.contextmanager
def _silent(_description: str) -> Iterator[Any]:
    yield lambda *_: None


def run_fold(
    rows: tuple[SplitRow, ...], pixels: NDArray[np.uint8], truth: NDArray[np.int64], config: TrainConfig, weights: str
) -> dict[str, Any]:
    """Trains on one fold's split; `pixels` and `truth` are those of all rows, in order."""
    splits = {}
    for name in SPLITS:
        chosen = [i for i, row in enumerate(rows) if row.split == name]
        splits[name] = Split(pixels[chosen], truth[chosen])
    net = model.build_model(config, classes=int(truth.max()) + 1, weights=weights)
    with tempfile.TemporaryDirectory() as folder:
        trainer = _Watched(net, config, splits["train"], splits["validation"], run=Path(folder), bar=_silent)
        trainer.test, trainer.accuracy = splits["test"], {}
        started = time.perf_counter()
        trainer.fit()
    return {
        **{name: round(value, 4) for name, value in trainer.accuracy.items()},
        "n": len(splits["test"].labels),
        "train_accuracy": round(trainer.progress.history[-1]["accuracy"], 3),
        "val_accuracy": [
            round(max(h["val_accuracy"] for h in trainer.progress.history if h["phase"] == phase), 3)
            for phase in sorted({h["phase"] for h in trainer.progress.history})
        ],
        "epochs": len(trainer.progress.history),
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--preset", default="best")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", default="", help="folds to run, such as 0,1 (all)")
    parser.add_argument("--fold-seed", type=int, default=0)
    asked = parser.parse_args()
    config = load_config(asked.preset, overrides=asked.overrides)
    data = load_dataset(asked.folder)
    samples, labels = data.dataset.samples, data.dataset.labels
    results = []
    with tempfile.TemporaryDirectory() as folder:
        everything = load_split(asked.folder, samples, labels, config.image_size, Path(folder) / "all.npy", None)
        for fold in [int(f) for f in asked.only.split(",") if f] or range(asked.folds):
            rows = fold_rows(samples, folds=asked.folds, fold=fold, ratios=config.ratios, seed=asked.fold_seed)
            result = run_fold(rows, everything.pixels, everything.labels, config, asked.weights)
            results.append(result)
            print(json.dumps({"preset": asked.preset, "set": asked.overrides, "fold": fold, **result}), flush=True)
    for name in ("head", "fine-tune"):
        found = [r[name] for r in results if name in r]
        if found:
            spread = f" +- {np.std(found, ddof=1):.1%}" if len(found) > 1 else ""
            print(f"{asked.preset} {' '.join(asked.overrides)} {name}: mean {np.mean(found):.1%}{spread}", flush=True)


if __name__ == "__main__":
    main()
