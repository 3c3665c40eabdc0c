"""How well a quantized file does beside its float original, on the same photographs: drop, agreement, size, latency."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.paired import paired_drop
from batikkit.tflite.file import read_tflite
from batikkit.tflite.interpreters import find_runtime
from batikkit.tflite.runtime import load_verified

TIMED_RUNS = 20
WORKERS = 2


@dataclass(frozen=True, eq=False)
class Jury:
    """Photographs that training did not see, what they show, and what the float network says of them.

    Attributes:
        images: uint8 [N, S, S, 3]; the photographs as they are, then their views, `photographs` at a time.
        labels: int64 [N].
        reference: float32 [N, C].
        photographs: How many of the images are photographs; the others are the same ones turned and mirrored.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    reference: NDArray[np.float32]
    photographs: int

    def plain(self) -> Jury:
        """Without the views, for files too slow for them."""
        n = self.photographs
        return Jury(self.images[:n], self.labels[:n], self.reference[:n], n)


def summon(float32: bytes, images: NDArray[np.uint8], labels: NDArray[np.int64], *, turns: bool, mirrors: bool) -> Jury:
    """A jury of photographs uint8 [N, S, S, 3], in every view that the network was trained to take for the same motif.

    Validation sets are small: of 80 photographs, one is more than a point. Views are no new photographs, but each is
    one more decision that rounding may turn over, so they tell files apart that agree on the photographs as they are.

    Args:
        float32: The float file, whose answers are the reference.
        images: The photographs.
        labels: int64 [N].
        turns: Add quarter turns; `mirrors`: add mirror images.
    """
    views = [images]
    if mirrors:
        views.append(images[:, :, ::-1])
    if turns:
        views = [np.rot90(view, quarter, axes=(1, 2)) for quarter in range(4) for view in views]
    seen = np.ascontiguousarray(np.concatenate(views))
    with _file(float32) as path:
        reference = _answers(path, seen)
    return Jury(seen, np.tile(labels, len(views)), reference, len(images))


@dataclass(frozen=True)
class Figures:
    """One file's figures.

    Attributes:
        n: Photographs times views.
        drop_pp: Accuracy lost on them [percentage points].
        agreement: Share of photographs on which file and float network name the same motif (0..1).
        mean_difference: Of a probability (0..1); tells files apart long before they change an answer.
        latency_ms: Median of one thread on this machine, which is no proxy for a phone.
        integer_only: No floating type beyond the declared output.
    """

    n: int
    accuracy: float
    drop_pp: float
    agreement: float
    mean_difference: float
    largest_difference: float
    size_bytes: int
    latency_ms: float
    integer_only: bool


def evaluate(content: bytes, jury: Jury) -> Figures:
    """Runs a `.tflite` file on the jury's photographs."""
    with _file(content) as path:
        facts = read_tflite(path)
        answers = _answers(path, jury.images)
        latency_ms = _latency(path, jury.images[0])
    truth, named, reference = jury.labels, answers.argmax(axis=1), jury.reference.argmax(axis=1)
    return Figures(
        n=len(truth),
        accuracy=float(np.mean(named == truth)),
        drop_pp=paired_drop(reference == truth, named == truth),
        agreement=float(np.mean(named == reference)),
        mean_difference=float(np.abs(answers - jury.reference).mean()),
        largest_difference=float(np.abs(answers - jury.reference).max()),
        size_bytes=len(content),
        latency_ms=latency_ms,
        integer_only=facts.integer_only,
    )


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidate.tflite"
        path.write_bytes(content)
        yield path


def _answers(path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Float32 [N, C]; several interpreters share the photographs, as each runs outside Python's lock."""
    runtime = find_runtime()

    def part(worker: int) -> NDArray[np.float32]:
        return load_verified(path, runtime=runtime, threads=1).predict(images[worker::WORKERS])

    with ThreadPoolExecutor(WORKERS) as pool:
        parts = list(pool.map(part, range(WORKERS)))
    answers = np.empty((len(images), parts[0].shape[1]), np.float32)
    for worker, answer in enumerate(parts):
        answers[worker::WORKERS] = answer
    return answers


def _latency(path: Path, image: NDArray[np.uint8]) -> float:
    model = load_verified(path, runtime=find_runtime(), threads=1)
    model.classify(image)
    samples = []
    for _ in range(TIMED_RUNS):
        started = time.perf_counter_ns()
        model.invoke()
        samples.append((time.perf_counter_ns() - started) / 1e6)
    return statistics.median(samples)
