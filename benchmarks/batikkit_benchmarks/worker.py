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
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from batikkit import processors
from batikkit.child import private_stdout
from batikkit.data.photographs import SWITCH_INTERVAL_S, decoded_ahead
from batikkit.errors import BatikkitError, InputError, first_line
from batikkit.operating_system import limit_child, reset_peak, resident_bytes
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.tflite.file import TfliteModel, read_tflite
from batikkit.tflite.interpreters import NATIVE_ERRORS, quiet_native, try_runtime, version
from batikkit.tflite.runtime import LoadedModel, Wishes, load_verified, refusals
from batikkit_benchmarks.delegation import Delegation, busy_threads, computing_ns, delegation

IMAGES_KEPT = 16
"""Images that take turns in the latency loop: enough to be real, few enough for a small board's memory."""

REPORT_EVERY_NS = 1_000_000_000


@dataclass(frozen=True)
class Job:
    """What to measure.

    Attributes:
        pack: Parity pack to take images from.
        evaluate: Whether to ask about every image of the pack, or of the photographs, as well.
        pictures: Files to time on where there is neither pack nor photographs; noise is fed where there are none.
        photographs: Files to evaluate on instead of the pack.
        decoders: Threads that decode them ahead of the network.
        scores: Where the probabilities of the evaluation are written, as `.npy`.
        cpus: Confine the network to these CPUs.
        decode_cpus: CPUs for decoding photographs; empty leaves it where the network is.
        input_range: What black and white become in the input, where the user says so.
        logits: Whether the file leaves out the softmax.
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
    evaluate: bool = True
    input_range: list[float] | None = None
    logits: bool = False


@dataclass(frozen=True)
class Timing:
    """Raw times of the measured runs, in milliseconds, and what the threads did meanwhile.

    Attributes:
        cpu_wait_share: Share of the time that a thread was in line for a CPU.
        threads_busy: Threads that computed.
    """

    latency_ms: list[float]
    pre_ms: float
    post_ms: float
    cpu_wait_share: float | None
    threads_busy: int | None


def main() -> None:
    """Reads the job, measures, answers.

    What a runtime raises is told as its refusal where it is called (`refusals`). Anything else that is raised is a
    fault of ours: it ends this process with its traceback, which the parent shows.
    """
    quiet_native().hear()
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
    _send(answers, answer)
    sys.stderr.flush()
    os._exit(0)  # native libraries' exit handlers may crash or log; the answer is out


def run(job: Job, answers: BinaryIO) -> dict[str, Any]:
    """Loads, measures latency and memory, then evaluates."""
    # Verification and the runtime's own start come before the baseline: neither is the model's memory.
    model_file = read_tflite(Path(job.model))
    problem = try_runtime(job.runtime)
    if problem is not None:
        raise InputError(f"{job.runtime} does not work here: {problem}; see 'batikkit doctor'")
    images = _images(job, side=_side(model_file))
    baseline = resident_bytes(peak=False)
    reset_peak()
    wishes = Wishes((job.input_range[0], job.input_range[1]) if job.input_range else None, job.logits)
    model = load_verified(Path(job.model), runtime=job.runtime, threads=job.threads, model=model_file, wishes=wishes)
    if images is None:
        images = np.random.default_rng(0).integers(0, 256, (4, *model.input.shape[1:]), np.uint8)
    first_ms = _first_run(model, images[0], evaluated=job.evaluate)
    timing = measure(model, images, job, answers)
    peak = resident_bytes(peak=True)
    measured = {
        "runtime_version": version(job.runtime),
        "init_ms": model.init_ms,
        "first_ms": first_ms,
        "baseline_rss_bytes": baseline,
        "peak_rss_bytes": max(0, peak - baseline),
        "caution": model.caution,
        "delegation": asdict(_delegation(model, model_file, timing)),
        **asdict(timing),
    }
    return {**measured, **_evaluate(model, job, answers)}


def _side(model: TfliteModel) -> int:
    shape = model.inputs[0].shape if model.inputs else ()
    if len(shape) != 4:
        raise InputError(
            f"{model.path} takes {list(shape)}, not one RGB image [1, H, W, 3]: not a classifier of photographs"
        )
    return shape[1]


def _first_run(model: LoadedModel, image: NDArray[np.uint8], *, evaluated: bool) -> float:
    """Milliseconds of the very first run; what answers no probabilities is refused before minutes go into it."""
    value = model.prepare(image)
    with refusals(model.runtime, model.path):
        model.write(value)
        start = time.perf_counter_ns()
        model.invoke()
        first_ms = (time.perf_counter_ns() - start) / 1e6
        answer = model.scores()
    if evaluated:
        model.probabilities(answer)
    return first_ms


def _delegation(model: LoadedModel, file: TfliteModel, timing: Timing) -> Delegation:
    found = delegation(model.nodes(), operators=sum(use.count for use in file.ops.values()))
    return replace(found, threads_busy=timing.threads_busy)


def measure(model: LoadedModel, images: NDArray[np.uint8], job: Job, answers: BinaryIO) -> Timing:
    """Times `invoke` alone, and the steps before and after it, over images uint8 [K, H, W, 3] in turn.

    Raises:
        InputError: the runtime refuses to go on.
    """
    clock, invoke = time.perf_counter_ns, model.invoke
    last = clock()
    for index in range(job.warmup):
        model.run(images[index % len(images)])
        if clock() - last > REPORT_EVERY_NS:  # a slow board is no board that hangs
            last = clock()
            _send(answers, {"progress": [index + 1, job.warmup]})
    before, inside, behind = array("q"), array("q"), array("q")
    gc.collect()
    gc.disable()
    queued, computed = queued_ns(), computing_ns()
    start = last = clock()
    deadline = start + int(job.min_seconds * 1e9)
    while len(inside) < job.min_runs or clock() < deadline:
        image = images[len(inside) % len(images)]
        begun = clock()
        model.write(model.prepare(image))
        written = clock()
        try:  # free until something is raised, unlike a `with` block
            invoke()
        except NATIVE_ERRORS as error:
            raise InputError(f"{job.runtime} refuses to run {job.model}: {first_line(error)}") from error
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
    busy = busy_threads(computed, computing_ns(), elapsed)
    return Timing([value / 1e6 for value in inside], _median_ms(before), _median_ms(behind), waited, busy)


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
    """Asks the model about every image and writes float32 [N, C] to `job.scores`; unreadable images get NaN.

    A model that answers NaN is refused, so that a row of NaN is always an image that could not be read.
    """
    if not job.evaluate:
        return {"images_per_s": None}
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
            with refusals(job.runtime, model.path):
                model.write(value)
                model.invoke()
                answer = model.scores()
            scores[index] = model.probabilities(answer)
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
