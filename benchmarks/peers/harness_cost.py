"""What the bench's own loop costs: its p50 against a bare loop around `invoke()` on the same interpreter.

    python benchmarks/peers/harness_cost.py export/float32.tflite

Blocks of both loops alternate, so that heat and other programs hit both alike; the figures are pooled medians.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from batikkit.tflite.file import read_tflite
from batikkit.tflite.interpreters import find_runtime
from batikkit.tflite.runtime import LoadedModel, load_verified
from batikkit_benchmarks.worker import Job, measure

BLOCKS = 60


def bare_block(model: LoadedModel, runs: int) -> list[float]:
    """The least a benchmark can do: read the clock, invoke, read the clock."""
    times, invoke, clock = [], model.invoke, time.perf_counter_ns
    for _ in range(runs):
        start = clock()
        invoke()
        times.append((clock() - start) / 1e6)
    return times


def harness_block(model: LoadedModel, images: np.ndarray, runs: int) -> list[float]:
    """The loop that `batikkit bench` runs in its worker, real input written before every run."""
    job = Job(
        model=str(model.path), runtime=model.runtime, threads=1, warmup=2, min_runs=runs, min_seconds=0, pack=None,
        pictures=[], photographs=None, decoders=1, scores="", cpus=[], decode_cpus=[],
    )  # fmt: skip
    return measure(model, images, job, io.BytesIO()).latency_ms


def _ratio(one: list[float], other: list[float], percent: int) -> float:
    return float(np.percentile(one, percent) / np.percentile(other, percent))


def compare(path: Path, *, runs_per_block: int, blocks: int = BLOCKS) -> dict[str, float]:
    """Pooled medians [ms] of both loops and their ratio; the 10th percentiles show the same on a busy machine.

    `noise` and `noise_p10` are by how much the bare loop differs from itself, every other block against the rest: what
    a ratio is good for.
    """
    read_tflite(path)
    model = load_verified(path, runtime=find_runtime(), threads=1)
    images = np.random.default_rng(0).integers(0, 256, (8, *model.input.shape[1:]), np.uint8)
    model.write(model.prepare(images[0]))
    bare_block(model, 10)
    halves: tuple[list[float], list[float]] = ([], [])
    harness: list[float] = []
    for block in range(blocks):
        for side in (("bare", "harness"), ("harness", "bare"))[block % 2]:
            if side == "bare":
                halves[block // 2 % 2].extend(bare_block(model, runs_per_block))
            else:
                harness += harness_block(model, images, runs_per_block)
    bare = halves[0] + halves[1]
    bare_ms, harness_ms = statistics.median(bare), statistics.median(harness)
    return {
        "bare_p50_ms": bare_ms,
        "harness_p50_ms": harness_ms,
        "ratio": harness_ms / bare_ms,
        "ratio_p10": _ratio(harness, bare, 10),
        "noise": abs(_ratio(*halves, 50) - 1),
        "noise_p10": abs(_ratio(*halves, 10) - 1),
        "runs": len(bare),
    }


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(json.dumps({"file": name, **compare(Path(name), runs_per_block=10)}))
