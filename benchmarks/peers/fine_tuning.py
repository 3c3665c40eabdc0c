"""Fine-tuning from a solved head, and how much of it to keep: held-out accuracy and loss for parts of the way, by fold.

    python benchmarks/peers/fine_tuning.py DIR --weights FILE --only 0,1,2 [--rate 1e-4] [--lower-rate 0.1] [--pull 10]

The frozen network's head is solved as the preset does; what lies above the cut is then trained at a small rate. The
weights between both, of which 0 is the frozen network and 1 the tuned one, are tried as they are (interpolation,
Wortsman et al. 2022). `--pull` draws the weights back to where they began (L2-SP, Li et al. 2018), `--lower-rate` is
what the rates of the layers below the tap are multiplied by. A JSON line a fold, validation figures beside the test's:
what is chosen is to be chosen by validation.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from preset_search import AllFeatures, all_features, known_inputs

from batikkit.config import load_config
from batikkit.data.prepared import Grouping, load_dataset
from batikkit.data.split import SPLITS, fold_rows
from batikkit.network import model
from batikkit.network.texture import best_texture
from batikkit.settings import TrainConfig
from batikkit.training import convex
from batikkit.training.distributed import Workers
from batikkit.training.engine import Engine
from batikkit.training.inputs import Split, load_split
from batikkit.training.loop import fit
from batikkit.training.precision import precision_for
from batikkit.training.schedule import Phase, rate_at
from batikkit.training.targets import image_weights, mix, one_hot, smooth

WAY = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Fold:
    """One fold's photographs by part, and what the frozen network says of all of them."""

    features: AllFeatures
    labels: NDArray[np.int64]
    chosen: dict[str, NDArray[np.intp]]

    def truth(self, part: str) -> NDArray[np.int64]:
        """Its labels."""
        return self.labels[self.chosen[part]]


def solve(
    net: Any, config: TrainConfig, everything: Split, features: AllFeatures, chosen: dict[str, NDArray[np.intp]]
) -> None:
    """Gives the network the head that a run of the preset would have."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in fit(net, known_inputs(net, config, everything, features, chosen, Path(folder))):
            pass


def tune(net: Any, fold: Fold, config: TrainConfig, cut: str, *, lower_rate: float, pull: float, seed: int) -> Engine:
    """Trains what lies above the cut; the engine's averages are the result."""
    views = fold.features[cut][0]
    precision = precision_for(config, workers=Workers(), known=())
    engine = Engine(net, start=cut, config=config, precision=precision)
    names = [layer.name for layer in net.layers]
    border = min((names.index(name) for name in config.taps), default=0)
    variables = [(v, names.index(v.name.split("/")[0]) < border, v.numpy()) for v in net.trainable_variables]
    truth, index, classes = fold.truth("train"), fold.chosen["train"], int(net.output.shape[1])
    importance = image_weights(truth, classes, balanced=config.class_weights)
    phase = Phase("fine-tune", config.phase2_epochs, config.phase2_learning_rate, len(views))
    steps = -(-len(truth) // config.batch_size)
    for epoch in range(config.phase2_epochs):
        order = np.random.default_rng((seed, epoch)).permutation(len(truth))
        for step in range(steps):
            some = order[step * config.batch_size :][: config.batch_size]
            rng = np.random.default_rng((seed, epoch, step))
            fed = np.stack([views[(epoch + i) % len(views), index[i]] for i in some]).astype(np.float32)
            targets, weights = one_hot(truth[some], classes), importance[some] / importance[some].sum()
            if config.mixup:
                share = rng.beta(config.mixup, config.mixup)
                fed, targets, weights = mix(fed, targets, weights, share=share, partners=rng.permutation(len(some)))
            rate = rate_at(config, phase, at=epoch + step / steps, scale=1.0)
            before = [v.numpy() if lower else None for v, lower, _ in variables] if lower_rate != 1 else None
            targets = smooth(targets, config.label_smoothing)
            engine.train(fed, targets, weights=weights, learning_rate=rate, key=(epoch, step))
            for number, (variable, lower, start) in enumerate(variables):
                if before and lower:
                    variable.assign(before[number] + lower_rate * (variable.numpy() - before[number]))
                if pull:
                    variable.assign_sub(rate * pull * (variable.numpy() - start))
    return engine


def along_the_way(net: Any, fold: Fold, config: TrainConfig, cut: str, ends: list[dict[str, Any]]) -> dict[str, Any]:
    """Accuracy and mean loss [nats] on validation and test images along the way."""
    found: dict[str, Any] = {"at": WAY}
    engine = Engine(net, start=cut, config=config)
    for part in ("validation", "test"):
        shown, truth = fold.features[cut][1][0, fold.chosen[part]].astype(np.float32), fold.truth(part)
        right, loss = [], []
        for at in WAY:
            model.put_weights(net, {name: (1 - at) * ends[0][name] + at * ends[1][name] for name in ends[0]})
            logits = np.concatenate([engine.logits(shown[s : s + 64]) for s in range(0, len(shown), 64)])
            right.append(round(float((logits.argmax(axis=1) == truth).mean()), 4))
            loss.append(round(convex.cross_entropy(logits, truth), 4))
        found |= {f"{part}_accuracy": right, f"{part}_loss": loss}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lower-rate", type=float, default=1.0)
    parser.add_argument("--pull", type=float, default=0.0)
    parser.add_argument("--only", default="0,1,2,3,4")
    parser.add_argument("--fold-seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for frozen features (temporary)")
    asked = parser.parse_args()
    usual = {"phase2_learning_rate": asked.rate, "phase2_epochs": asked.epochs, "weight_average": 0.98, "mixup": 0.4,
             "schedule": "cosine", "warmup_epochs": 1.0}  # fmt: skip
    config = load_config("best", overrides=asked.overrides, changes=usual)
    data = load_dataset(asked.folder, grouping=Grouping(texture=best_texture(asked.weights), parts=5))
    samples, results = data.dataset.samples, []
    with tempfile.TemporaryDirectory() as folder:
        everything = load_split(
            asked.folder, samples, data.dataset.labels, size=config.image_size, store=Path(folder) / "all.npy"
        )
        features = all_features(everything.pixels, config, asked.weights, asked.keep or Path(folder))
        net = model.build_model(config, classes=len(data.dataset.labels), weights=asked.weights)
        start = net.get_weights()
        cut = model.cut_layer(net, frozen_layers=config.frozen_layers)
        assert cut
        for number in map(int, asked.only.split(",")):
            rows = fold_rows(samples, folds=5, fold=number, ratios=config.ratios, seed=asked.fold_seed)
            chosen = {part: np.flatnonzero([row.split == part for row in rows]) for part in SPLITS}
            fold, started = Fold(features, everything.labels, chosen), time.perf_counter()
            net.set_weights(start)
            solve(net, dataclasses.replace(config, phase2_epochs=0), everything, features, chosen)
            model.unfreeze_above(net, frozen_layers=config.frozen_layers, batch_norm_frozen=True)
            ends = [model.read_weights(model.learned(net))]
            engine = tune(net, fold, config, cut, lower_rate=asked.lower_rate, pull=asked.pull, seed=number)
            with engine.averaged():
                ends.append(model.read_weights(model.learned(net)))
            found = along_the_way(net, fold, dataclasses.replace(config, weight_average=0.0), cut, ends)
            results.append(found)
            seconds = round(time.perf_counter() - started)
            print(json.dumps({"fold": number, "n": len(fold.truth("test")), **found, "seconds": seconds}), flush=True)
    means = {key: np.mean([found[key] for found in results], axis=0).round(4).tolist() for key in results[0]}
    print(json.dumps({"mean": True, **means}))


if __name__ == "__main__":
    main()
