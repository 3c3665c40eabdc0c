"""Makes one variant's file from what all variants share: the frozen graph, the float file, the observed ranges.

What takes long runs in a process of its own for each variant: a frozen graph travels as its definition, everything else
as files in a temporary folder.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from batikkit.errors import BatikkitError, VerificationError
from batikkit_exporters import shared_files
from batikkit_exporters.metadata import ModelInfo, attach_metadata
from batikkit_exporters.proof import check_compat, prove_answers, prove_contract
from batikkit_exporters.recipes import Recipe

WORKERS = 2
_SURROUNDINGS = {
    # glibc would hand every layer's tensors back to the system and fetch them again, page by page.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 31),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 31),
    # NumPy's matrices are too small here to share out: its threads would only spin, beside TensorFlow's.
    "OPENBLAS_NUM_THREADS": "1",
}
METHODS = {
    "float32": "TensorFlow's converter",
    "float16": "TensorFlow's converter, float16 weights",
    "dynamic": "TensorFlow's converter, dynamic range",
    "int8": "least-error ranges, second-order rounding, corrected biases",
    "int16x8": "16-bit activations over the whole range, second-order rounding, corrected biases",
}


@dataclass(frozen=True)
class Job:
    """One variant to build.

    Attributes:
        shared: Folder with what all variants share.
        content: The finished file, where it was made elsewhere and only has to be described and proven.
        method: How it was made.
    """

    recipe: Recipe
    shared: Path
    info: ModelInfo
    io: str
    compat: str | None
    target: Path
    content: bytes | None = None
    method: str = ""


@dataclass(frozen=True)
class Built:
    """A proven file at the job's target: how it was made, its largest probability difference to Keras (0..1), time."""

    method: str
    largest_difference: float
    seconds: float


def build(job: Job) -> Built:
    """Makes, describes and proves the file.

    Raises:
        VerificationError: it is not what its recipe promises.
    """
    started = time.perf_counter()
    content, method = (job.content, job.method) if job.content is not None else make(job)
    if job.io == "uint8":  # consumers of metadata refuse int8 pixels
        content = attach_metadata(content, info=job.info)
    job.target.write_bytes(content)
    model = prove_contract(job.target, job.recipe, labels=job.info.labels, io=job.io)
    check_compat(model, job.compat)
    with np.load(job.shared / shared_files.PROOF) as proof:
        difference = prove_answers(job.target, job.recipe, images=proof["images"], reference=proof["probabilities"])
    return Built(method, difference, time.perf_counter() - started)


class Builder:
    """A process that builds one variant, so that variants are built side by side and a native crash ends only one.

    It is started ahead, and loads TensorFlow while its job is being prepared.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-m", "batikkit_exporters.build"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="surrogateescape",
            env={**os.environ, **_SURROUNDINGS},
        )

    def build(self, job: Job) -> Built:
        """`build` over there.

        Raises:
            BatikkitError: whatever `build` raised there, or the end of the process without an answer.
        """
        question, answer = job.target.with_suffix(".job"), job.target.with_suffix(".answer")
        question.write_bytes(pickle.dumps(job))
        _, said = self._process.communicate(f"{question}\n{answer}\n")
        if not answer.is_file():
            last = (said.strip().splitlines() or ["no message"])[-1]
            code = self._process.returncode
            raise VerificationError(f"{job.recipe.name}: the building process ended with code {code}: {last}")
        result = pickle.loads(answer.read_bytes())
        if isinstance(result, BatikkitError):
            raise result
        assert isinstance(result, Built)
        return result

    def close(self) -> None:
        """Ends the process if it never got a job."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()


class Builders:
    """Processes for the variants that take long, the first of them started while the model is still being loaded."""

    def __init__(self, jobs: int) -> None:
        self._standing_by = [Builder() for _ in range(min(WORKERS, jobs))]
        self._threads = ThreadPoolExecutor(WORKERS)

    def __enter__(self) -> Builders:
        return self

    def __exit__(self, *_: object) -> None:
        for builder in self._standing_by:
            builder.close()
        self._threads.shutdown(cancel_futures=True)

    def start(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Built]]:
        """Starts to build at once, and yields each variant as it is finished."""
        # The slowest first, so that the last to finish is a short one.
        ordered = sorted(jobs, key=lambda job: job.recipe.activations != "int16")
        pending = {self._threads.submit(self._build, job): job for job in ordered}
        return ((pending[future], future.result()) for future in as_completed(pending))

    def _build(self, job: Job) -> Built:
        try:
            builder = self._standing_by.pop()
        except IndexError:
            builder = Builder()
        return builder.build(job)


def _serve() -> None:
    """The other side: a user's error travels back, a bug ends the process with its traceback."""
    from batikkit_exporters import convert  # noqa: F401  while there is no job yet
    from batikkit_exporters.quantization import quantize, rounding  # noqa: F401  while there is no job yet

    question, answer = Path(sys.stdin.readline().rstrip("\n")), Path(sys.stdin.readline().rstrip("\n"))
    if not question.is_file():  # the exporting process ended before it had one
        return
    try:
        result: Built | BatikkitError = build(pickle.loads(question.read_bytes()))
    except BatikkitError as error:
        result = error
    answer.write_bytes(pickle.dumps(result))


def make(job: Job) -> tuple[bytes, str]:
    """The bare file of a calibrated variant and how it was made."""
    from batikkit_exporters.network import UnsupportedOperatorError

    try:
        return _quantize(job), METHODS[job.recipe.name]
    except UnsupportedOperatorError as error:
        return _convert(job), f"TensorFlow's converter, min-max ranges, since {error}"


def _convert(job: Job) -> bytes:
    from batikkit_exporters.convert import convert

    def images() -> Any:
        pixels = np.load(job.shared / shared_files.CALIBRATION, mmap_mode="r")
        return (image[None].astype(np.float32) for image in pixels)

    return convert(load_graph(job.shared / shared_files.GRAPH), job.recipe, images=images, io=job.io, compat=job.compat)


def _quantize(job: Job) -> bytes:
    from batikkit_exporters.network import UnsupportedOperatorError, read_network
    from batikkit_exporters.quantization.quantize import quantize
    from batikkit_exporters.quantization.ranges import lay_grids
    from batikkit_exporters.quantization.rounding import ROUNDING_IMAGES, round_weights

    network = read_network((job.shared / shared_files.FLOAT).read_bytes(), name="the float32 file")
    observed = pickle.loads((job.shared / shared_files.OBSERVED).read_bytes())
    if observed is None:
        raise UnsupportedOperatorError("the network has an operator that cannot be rehearsed")
    wide = frozenset(node.outputs[0] for node in network.nodes) if job.recipe.activations == "int16" else frozenset()
    grids = lay_grids(network, observed, method="mse", wide=wide)
    images = np.load(job.shared / shared_files.CALIBRATION, mmap_mode="r")[:ROUNDING_IMAGES]
    rounded = round_weights(network, grids, np.asarray(images))
    return quantize(rounded.network, grids, scales=rounded.scales, io=job.io)


def save_graph(frozen: Any, path: Path) -> None:
    """Writes a frozen graph's definition."""
    path.write_bytes(frozen.graph.as_graph_def().SerializeToString())


def load_graph(path: Path) -> Any:
    """The concrete function that `save_graph` wrote.

    Raises:
        VerificationError: the graph has another number of inputs or outputs than one.
    """
    from batikkit.network.keras_backend import tf

    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    sources = [node.name for node in definition.node if node.op == "Placeholder"]
    results = [node.name for node in definition.node if node.op == "Identity" and node.name.startswith("Identity")]
    if len(sources) != 1 or not results:
        raise VerificationError(f"the frozen graph has inputs {sources} and outputs {results}: one of each is needed")
    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(definition, name=""), [])
    return wrapped.prune(
        wrapped.graph.as_graph_element(f"{sources[0]}:0"), wrapped.graph.as_graph_element("Identity:0")
    )


if __name__ == "__main__":
    # Not this module's own `_serve`: what was pickled names the module as it is imported.
    from batikkit_exporters import build as imported

    imported._serve()
