"""The process that measures one (file, runtime, threads): `python -m batikkit_benchmarks.worker < job.json`.

It does one thing and ends, so that no measurement inherits memory, caches or threads of another. It answers in JSON
lines: `{"progress": [done, total]}` now and then, `{"result": {...}}` at last, or `{"refused": "reason"}`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import time
from array import array
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from batikkit import processors
from batikkit.data.photographs import SWITCH_INTERVAL_S, decoded_ahead
from batikkit.errors import BatikkitError, first_line
from batikkit.operating_system import limit_child, reset_peak, resident_bytes
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.tflite.file import read_tflite
from batikkit.tflite.interpreters import NATIVE_ERRORS, find_runtime, version
from batikkit.tflite.probe import private_stdout
from batikkit.tflite.runtime import LoadedModel, load_verified

IMAGES_KEPT = 16
"""Images that take turns in the latency loop: enough to be real, few enough for a small board's memory."""

REPORT_EVERY_NS = 1_000_000_000


@dataclass(frozen=True)
class Job:
    """What to measure.

    Attributes:
        pack: Parity pack to take images from and to evaluate on.
        pictures: Files to time on where there is neither pack nor photographs; noise is fed where there are none.
        photographs: Files to evaluate on instead of the pack.
        decoders: Threads that decode them ahead of the network.
        scores: Where the probabilities of the evaluation are written, as `.npy`.
        cpus: Confine the network to these CPUs.
        decode_cpus: CPUs for decoding photographs; empty leaves it where the network is.
    """

    model: str
    runtime: str
    threads: int
    warmup: int
    min_runs: int
    min_seconds: float
    pack: str | None
    pictures: list[str]
    photographs: list[str] | None
    decoders: int
    scores: str
    cpus: list[int]
    decode_cpus: list[int]


@dataclass(frozen=True)
class Timing:
    """Raw times of the measured runs, in milliseconds, and the share of that time a thread was in line for a CPU."""

    latency_ms: list[float]
    pre_ms: float
    post_ms: float
    cpu_wait_share: float | None


def main() -> None:
    """Reads the job, measures, answers."""
    answers = private_stdout()
    limit_child()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    job = Job(**json.loads(sys.stdin.read()))
    if job.cpus:
        processors.confine(job.cpus)
    try:
        answer: dict[str, Any] = {"result": run(job, answers)}
    except BatikkitError as error:
        answer = {"refused": str(error)}
    except NATIVE_ERRORS as error:
        answer = {"refused": f"{job.runtime} refuses {job.model}: {type(error).__name__}: {first_line(error)}"}
    _send(answers, answer)
    sys.stderr.flush()
    os._exit(0)  # native libraries' exit handlers may crash or log; the answer is out


def run(job: Job, answers: BinaryIO) -> dict[str, Any]:
    """Loads, measures latency and memory, then evaluates."""
    # Verification and the runtime's own start come before the baseline: neither is the model's memory.
    model_file = read_tflite(Path(job.model))
    find_runtime(job.runtime)
    images = _images(job, side=int(model_file.inputs[0].shape[1]))
    baseline = resident_bytes(peak=False)
    reset_peak()
    model = load_verified(Path(job.model), runtime=job.runtime, threads=job.threads)
    if images is None:
        images = np.random.default_rng(0).integers(0, 256, (4, *model.input.shape[1:]), np.uint8)
    model.write(model.prepare(images[0]))
    start = time.perf_counter_ns()
    model.invoke()
    first_ms = (time.perf_counter_ns() - start) / 1e6
    timing = measure(model, images, job, answers)
    peak = resident_bytes(peak=True)
    measured = {
        "runtime_version": version(job.runtime),
        "init_ms": model.init_ms,
        "first_ms": first_ms,
        "baseline_rss_bytes": baseline,
        "peak_rss_bytes": max(0, peak - baseline),
        **asdict(timing),
    }
    return {**measured, **_evaluate(model, job, answers)}


def measure(model: LoadedModel, images: NDArray[np.uint8], job: Job, answers: BinaryIO) -> Timing:
    """Times `invoke` alone, and the steps before and after it, over images uint8 [K, H, W, 3] in turn."""
    clock, invoke = time.perf_counter_ns, model.invoke
    for index in range(job.warmup):
        model.write(model.prepare(images[index % len(images)]))
        invoke()
        model.scores()
    before, inside, behind = array("q"), array("q"), array("q")
    gc.collect()
    gc.disable()
    queued = queued_ns()
    start = last = clock()
    deadline = start + int(job.min_seconds * 1e9)
    while len(inside) < job.min_runs or clock() < deadline:
        image = images[len(inside) % len(images)]
        begun = clock()
        model.write(model.prepare(image))
        written = clock()
        invoke()
        invoked = clock()
        model.scores()
        done = clock()
        before.append(written - begun)
        inside.append(invoked - written)
        behind.append(done - invoked)
        if done - last > REPORT_EVERY_NS:
            last = done
            _send(answers, {"progress": [len(inside), _expected_runs(len(inside), done - start, job)]})
    elapsed = clock() - start
    gc.enable()
    waited = None if queued is None else max(0, (queued_ns() or 0) - queued) / elapsed / job.threads
    return Timing([value / 1e6 for value in inside], _median_ms(before), _median_ms(behind), waited)


def _expected_runs(done: int, elapsed_ns: int, job: Job) -> int:
    return max(job.min_runs, int(done * job.min_seconds * 1e9 / elapsed_ns), done)


def _median_ms(times_ns: array[int]) -> float:
    return float(np.median(times_ns)) / 1e6


def _images(job: Job, *, side: int) -> NDArray[np.uint8] | None:
    """The images of the latency loop, uint8 [K, side, side, 3]; None when there are none."""
    if job.pack and not job.photographs:
        return np.stack(list(islice(iter_images(read_parity_pack(Path(job.pack))), IMAGES_KEPT)))
    files = (job.photographs or job.pictures)[: 2 * IMAGES_KEPT]
    decoded = decoded_ahead(files, image_size=side, prepare=lambda p: p, decoders=1)
    readable = list(islice((pixels for pixels in decoded if pixels is not None), IMAGES_KEPT))
    return np.stack(readable) if readable else None


def _evaluate(model: LoadedModel, job: Job, answers: BinaryIO) -> dict[str, Any]:
    """Asks the model about every image and writes float32 [N, C] to `job.scores`; unreadable images get NaN."""
    if job.photographs:
        count, start = len(job.photographs), time.perf_counter()
        values = decoded_ahead(
            job.photographs,
            image_size=model.input.shape[1],
            prepare=model.prepare,
            decoders=job.decoders,
            cpus=job.decode_cpus,
        )
    elif job.pack:
        pack = read_parity_pack(Path(job.pack))
        count, start = len(pack.labels), time.perf_counter()
        values = map(model.prepare, iter_images(pack))
    else:
        return {"images_per_s": None}
    scores = np.full((count, model.output.shape[-1]), np.nan, np.float32)
    last = time.monotonic()
    for index, value in enumerate(values):
        if value is not None:
            model.write(value)
            model.invoke()
            scores[index] = model.scores()
        if time.monotonic() - last > 1:
            last = time.monotonic()
            _send(answers, {"progress": [index + 1, count]})
    elapsed = time.perf_counter() - start
    np.save(job.scores, scores)
    return {"images_per_s": count / elapsed if job.photographs else None}


def queued_ns(tasks: Path = Path("/proc/self/task")) -> int | None:
    """How long threads of this process were ready to run but waited for a CPU; None where the kernel does not count."""
    total = None
    for file in tasks.glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # a thread may end while it is looked at
            total = (total or 0) + int(file.read_text(encoding="ascii").split()[1])
    return total


def _send(answers: BinaryIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
