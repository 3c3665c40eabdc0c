"""Fine-tuning in bfloat16 beside float32: the same split, the same cached features, the same steps, on several seeds.

    python benchmarks/peers/precision.py DIR --weights FILE --preset small-data --seeds 0,1,2

Both start from one extraction and one head, so that what differs is the arithmetic. Prints a line per training with the
accuracies of the float32 network that comes out, and how often the two name the same motif. Processor time is what
to look at on a machine that does other work meanwhile.
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
from batikkit.training.feeds import reserve
from batikkit.training.inputs import Inputs, load_split
from batikkit.training.loop import fit


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
    for precision in ("float32", "bfloat16"):
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    asked = parser.parse_args()
    for seed in asked.seeds.split(","):
        with tempfile.TemporaryDirectory() as cache:
            compare(asked, int(seed), Path(cache))


if __name__ == "__main__":
    main()
