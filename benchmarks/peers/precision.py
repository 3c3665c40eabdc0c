"""Fine-tuning in bfloat16 beside float32: the same split, the same cached features, the same steps, on several seeds.

    python benchmarks/peers/precision.py DIR --weights FILE --preset small-data --seeds 0,1,2
    python benchmarks/peers/precision.py --steps 12 --preset paper --set image_size=160

Both start from one extraction and one head, so that what differs is the arithmetic. Prints a line per training with the
accuracies of the float32 network that comes out, and how often the two name the same motif. Processor time is what
to look at on a machine that does other work meanwhile. With `--steps` nothing is trained: steps on made-up features, of
both precisions in turn, are timed.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.config import load_config
from batikkit.data.prepared import load_dataset
from batikkit.data.split import of_split
from batikkit.network import model
from batikkit.training.distributed import Workers
from batikkit.training.engine import Engine
from batikkit.training.feeds import reserve
from batikkit.training.inputs import Inputs, load_split
from batikkit.training.loop import fit

PRECISIONS = ("float32", "bfloat16")


def compare(asked: argparse.Namespace, seed: int, cache: Path) -> None:
    """Both precisions on one seed's split."""
    config = load_config(asked.preset, overrides=("early_stopping_patience=0", *asked.settings), seed=seed)
    data = load_dataset(asked.folder, ratios=config.ratios, seed=seed)
    labels = data.dataset.labels
    train, validation, test = (
        load_split(asked.folder, of_split(data.rows, part), labels, size=config.image_size, store=cache / f"{part}.npy")
        for part in ("train", "validation", "test")
    )
    shared = Inputs(config, train, validation, cache=cache, cache_bytes=8_000_000_000)
    net = model.build_model(config, classes=len(labels), weights=asked.weights)
    reserve(net, shared, first=0, engine="cached", workers=Workers())
    begun = net.get_weights()
    answers: dict[str, NDArray[np.int64]] = {}
    for precision in PRECISIONS:
        net.set_weights(begun)
        inputs = copy.copy(shared)  # the same features, already extracted the second time
        inputs.config = dataclasses.replace(config, precision=precision)
        tuned, spent, last = [], 0.0, 0.0
        for state in fit(net, inputs):
            now = time.process_time()
            if state.history[-1].phase == 2:
                tuned.append(state.history[-1])
                spent += now - last if len(tuned) > 1 else 0.0  # the first one traces the step
            last = now
        truth = np.concatenate([validation.labels, test.labels])
        named = np.concatenate([model.predict_keras(net, split.pixels).argmax(1) for split in (validation, test)])
        answers[precision] = named
        told = {
            "precision": precision,
            "seed": seed,
            "processor_s_per_epoch": round(spent / max(len(tuned) - 1, 1), 2),
            "seconds_per_epoch": round(float(np.median([epoch.seconds for epoch in tuned[1:]])), 2),
            "train_loss": round(tuned[-1].loss, 4),
            "val_loss": round(tuned[-1].val_loss, 4),
            "best_val_loss": round(min(epoch.val_loss for epoch in tuned), 4),
            "validation": round(float(np.mean((named == truth)[: len(validation.labels)])), 4),
            "test": round(float(np.mean((named == truth)[len(validation.labels) :])), 4),
            "n": [len(validation.labels), len(test.labels)],
        }
        print(json.dumps(told), flush=True)
    same = answers["float32"] == answers["bfloat16"]
    print(json.dumps({"seed": seed, "agreement": round(float(np.mean(same)), 4), "n": len(same)}), flush=True)


def time_steps(asked: argparse.Namespace) -> None:
    """Processor milliseconds an image, of steps and of validation passes."""
    config = load_config(asked.preset, overrides=asked.settings)
    net = model.build_model(config, classes=10, weights=asked.weights)
    model.unfreeze_above(net, frozen_layers=config.frozen_layers, batch_norm_frozen=config.batch_norm_frozen)
    start = model.cut_layer(net, frozen_layers=config.frozen_layers) or net.layers[0].name
    rng, count = np.random.default_rng(0), config.batch_size
    fed = rng.normal(size=(count, *net.get_layer(start).output.shape[1:])).astype(np.float32)
    targets = np.eye(10, dtype=np.float32)[rng.integers(0, 10, count)]
    even = np.full(count, 1 / count, np.float32)
    engines = {kind: Engine(net, start=start, config=config, precision=kind) for kind in PRECISIONS}
    spent: dict[str, list[tuple[float, float]]] = {kind: [] for kind in PRECISIONS}
    for step in range(asked.steps + 3):
        for kind, engine in engines.items():
            begun = time.process_time()
            engine.train(fed, targets, weights=even, learning_rate=1e-5, key=(0, step))
            trained = time.process_time()
            engine.logits(fed)
            if step >= 3:  # the first ones trace and warm up
                spent[kind].append((trained - begun, time.process_time() - trained))
    medians = {kind: np.median(times, axis=0) * 1e3 / count for kind, times in spent.items()}
    for kind, (trained, validated) in medians.items():
        print(json.dumps({"precision": kind, "step_ms": round(trained, 2), "validation_ms": round(validated, 2)}))
    ratios = medians["float32"] / medians["bfloat16"]
    print(json.dumps({"settings": asked.settings, "step": round(ratios[0], 2), "validation": round(ratios[1], 2)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--weights", default="none")
    parser.add_argument("--steps", type=int, default=0, help="time so many steps instead")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    asked = parser.parse_args()
    if asked.steps:
        time_steps(asked)
        return
    for seed in asked.seeds.split(","):
        with tempfile.TemporaryDirectory() as cache:
            compare(asked, int(seed), Path(cache))


if __name__ == "__main__":
    main()
