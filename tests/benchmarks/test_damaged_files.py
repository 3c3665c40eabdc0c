"""Whatever is in a `.tflite` file, the process that looks at it lives and says one clear line."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from batikkit.errors import InputError
from batikkit.tflite.probe import Prober

# A seeded part in every test run; docs/bench.md says how to run all of it.
MUTATIONS = int(os.environ.get("BATIKKIT_MUTATIONS", "1200"))
TIME_LIMIT_S = 20.0


def structure(content: bytes) -> np.ndarray:
    """Offsets of everything but weights, int64 [K]: tables, shapes, scales, names, metadata."""
    model = schema.Model.GetRootAs(content)
    outside = np.ones(len(content), bool)
    for index in range(model.BuffersLength()):
        weights = model.Buffers(index).DataAsNumpy()
        if not isinstance(weights, int) and len(weights) > 64:
            start = weights.__array_interface__["data"][0] - np.frombuffer(content, np.uint8).ctypes.data
            outside[start : start + len(weights)] = False
    return np.flatnonzero(outside)


def place(rng: np.random.Generator, tables: np.ndarray, end: int) -> int:
    """Half of all hits go where damage is not just another weight."""
    return min(int(rng.choice(tables)), end - 1) if rng.random() < 0.5 else int(rng.integers(0, end))


def mutate(content: bytes, tables: np.ndarray, index: int, rng: np.random.Generator) -> bytes:
    """The index-th of five kinds of damage in turn: cut, flipped bits, random bytes, a wild number, all random."""
    damaged = bytearray(content)
    kind = index % 5
    if kind == 0:
        return bytes(damaged[: int(rng.integers(0, len(content)))])
    if kind == 1:
        for _ in range(int(rng.integers(1, 9))):
            damaged[place(rng, tables, len(content))] ^= 1 << int(rng.integers(0, 8))
    elif kind == 2:
        start, length = place(rng, tables, len(content) - 64), int(rng.integers(1, 64))
        damaged[start : start + length] = rng.bytes(length)
    elif kind == 3:
        start = place(rng, tables, len(content) - 4) // 4 * 4
        wild = int(rng.choice([0, 1, -1, 2**31 - 1, -(2**31), 65536]))
        damaged[start : start + 4] = wild.to_bytes(4, "little", signed=True)
    else:
        damaged = bytearray(rng.bytes(int(rng.integers(8, 5000))))
        damaged[4:8] = b"TFL3"
    return bytes(damaged)


@pytest.mark.slow
def test_thousands_of_damaged_files_neither_kill_nor_hang(shared_export: Path, tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for variant, count in (("int8", MUTATIONS * 3 // 4), ("float16", MUTATIONS // 4)):
        original = (shared_export / f"{variant}.tflite").read_bytes()
        tables, rng = structure(original), np.random.default_rng(20260101)
        with Prober(time_limit_s=TIME_LIMIT_S) as prober:
            prober.probe(shared_export / f"{variant}.tflite")
            for index in range(count):
                file = tmp_path / "damaged.tflite"
                file.write_bytes(mutate(original, tables, index, rng))
                start = time.monotonic()
                outcomes[_outcome(prober, file)] += 1
                slowest = max(slowest, time.monotonic() - start)
    print(f"{dict(outcomes)}, slowest {slowest:.2f} s")
    assert sum(outcomes.values()) == MUTATIONS
    # A crash or a hang that the child survives for us is still a hole in the verification.
    assert outcomes["crashed the child"] == 0
    assert outcomes["hung the child"] == 0
    assert outcomes["refused"] > 0.38 * MUTATIONS, "what was cut, and what is all random: two in five"
    assert outcomes["harmless"] > 0, "flipped weights are still a sound file"
    # A replacement child has to start after a crash or a hang; allow for that and for a slow machine.
    assert slowest < 2 * TIME_LIMIT_S


def _outcome(prober: Prober, file: Path) -> str:
    try:
        prober.probe(file)
    except InputError as error:
        line = str(error)
        assert line.startswith(str(file)) or str(file) in line, line
        assert "\n" not in line
        assert len(line) < 600
        if "crashes the runtime" in line:
            return "crashed the child"
        if "did not finish" in line:
            return "hung the child"
        return "refused"
    return "harmless"
