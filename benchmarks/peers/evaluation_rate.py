"""How near evaluation on photographs comes to the bare rate of `invoke()`: decoding should cost next to nothing.

    python benchmarks/peers/evaluation_rate.py photographs/ export/float32.tflite export/int8.tflite

Rounds of both alternate on the same interpreter; the figures are medians over the rounds.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from batikkit.data.photographs import SWITCH_INTERVAL_S, decoded_ahead, find_photographs
from batikkit.tflite.runtime import LoadedModel, open_model
from batikkit_benchmarks.host import read_host
from batikkit_benchmarks.targets import open_target

ROUNDS, IMAGES = 8, 150


def bare_rate(model: LoadedModel) -> float:
    """Runs per second of the network alone."""
    start = time.perf_counter()
    for _ in range(IMAGES):
        model.invoke()
    return IMAGES / (time.perf_counter() - start)


def evaluation_rate(model: LoadedModel, files: list[str], *, decoders: int) -> float:
    """Photographs per second from file to probabilities, as `batikkit bench --data` evaluates."""
    start = time.perf_counter()
    side = model.input.shape[1]
    for value in decoded_ahead(files, image_size=side, prepare=model.prepare, decoders=decoders):
        model.write(value)
        model.invoke()
        model.scores()
    return len(files) / (time.perf_counter() - start)


def compare(file: Path, root: Path) -> dict[str, float | str]:
    """Medians of both rates over all rounds, and of their quotient within each round."""
    found = find_photographs(root, open_target(file).labels)
    chosen = np.random.default_rng(0).permutation(len(found.names))[:IMAGES]
    files = [found.files[index] for index in chosen]
    model = open_model(file)
    decoders = read_host().usable_cores
    rates = [(bare_rate(model), evaluation_rate(model, files, decoders=decoders)) for _ in range(ROUNDS)]
    return {
        "file": str(file),
        "bare_per_s": statistics.median(bare for bare, _ in rates),
        "evaluated_per_s": statistics.median(evaluated for _, evaluated in rates),
        "share": statistics.median(evaluated / bare for bare, evaluated in rates),
    }


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    for name in sys.argv[2:]:
        print(json.dumps(compare(Path(name), Path(sys.argv[1]))))
