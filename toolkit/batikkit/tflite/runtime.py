"""Loads a `.tflite` classifier and asks it: raw RGB pixels in, probabilities out, whatever the file's tensor types."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError, first_line
from batikkit.manifest import manifest_path, read_manifest
from batikkit.tflite.encoding import Encoding, choose_encoding
from batikkit.tflite.file import TensorInfo, TfliteModel, read_tflite
from batikkit.tflite.interpreters import (
    NATIVE_ERRORS,
    Array,
    Engine,
    TensorSpec,
    construct,
    find_runtime,
    version,
)
from batikkit.tflite.metadata import read_normalization

PROBABILITY_SLACK = 0.02
"""How far a sum of probabilities may be from 1 by rounding alone; quantized outputs are granted their steps besides."""


@dataclass(frozen=True)
class Wishes:
    """What the user says of a file that nobody else tells.

    Attributes:
        input_range: What black and white become in the input tensor; None where the file tells.
        logits: The file answers logits, which become probabilities by softmax.
    """

    input_range: tuple[float, float] | None = None
    logits: bool = False


class LoadedModel:
    """A classifier ready to run: raw RGB pixels in, probabilities out, one image at a time.

    Attributes:
        input: The input tensor, [1, H, W, 3] uint8, int8 or float32.
        output: The output tensor, [1, C].
        encoding: How pixels become the input tensor's values.
        runtime: One of `RUNTIMES`.
        threads: How many threads the runtime may use.
        init_ms: Time to construct the interpreter and allocate its tensors.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        path: Path,
        runtime: str,
        threads: int,
        init_ms: float,
        encoding: Encoding,
        logits: bool = False,
    ) -> None:
        self._engine = engine
        self._logits = logits
        self.path = path
        self.runtime = runtime
        self.threads = threads
        self.init_ms = init_ms
        self.encoding = encoding
        self.input, self.output = engine.details()
        _check_classifier(path, self.input, self.output)

    @property
    def caution(self) -> str:
        """What must be known of a file without a manifest: how it is fed, and by whose word; else empty."""
        if self.encoding.source == "manifest":
            return ""
        words = {
            "user": f"it is fed {self.encoding.words}, as --input-range says",
            "metadata": f"it is fed {self.encoding.words}, as its metadata says",
            "quantization": f"it is fed {self.encoding.words}, the range that its quantized input spans",
            "nobody": f"nothing says what it wants, it is fed {self.encoding.words}; else say --input-range LOW,HIGH",
        }
        return f"{self.path.name} has no manifest: {words[self.encoding.source]}"

    @property
    def invoke(self) -> Callable[[], None]:
        """Runs the network once; handed out bare so that timing it adds nothing."""
        return self._engine.invoke

    def nodes(self) -> list[dict[str, Any]] | None:
        """The runtime's own list of operators, delegates included; None where it keeps none."""
        return self._engine.nodes()

    def prepare(self, image: NDArray[np.uint8]) -> Array:
        """Turns uint8 [H, W, 3] RGB into the input tensor's value [1, H, W, 3]."""
        if image.shape != self.input.shape[1:]:
            raise InputError(
                f"image of shape {image.shape} for {self.path.name}, which takes {self.input.shape[1:]}: "
                "use the parity pack and images of the same export"
            )
        return self.encoding.encode(image)

    def write(self, value: Array) -> None:
        """Copies a prepared value into the input tensor."""
        self._engine.write(value)

    def scores(self) -> NDArray[np.float32]:
        """The last run's answer float32 [C], dequantized where the output is quantized, unchecked."""
        raw = self._engine.read().reshape(-1)
        if self.output.scale is None or self.output.dtype == "float32":
            return raw.astype(np.float32)
        return ((raw.astype(np.float32) - (self.output.zero_point or 0)) * self.output.scale).astype(np.float32)

    def run(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The file's own answer float32 [C] to one image uint8 [H, W, 3], unchecked.

        Raises:
            InputError: the runtime refuses to run the file.
        """
        value = self.prepare(image)
        with refusals(self.runtime, self.path):
            self.write(value)
            self.invoke()
            return self.scores()

    def classify(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [C] of one image uint8 [H, W, 3], RGB 0..255.

        Raises:
            InputError: the runtime refuses to run the file, or what it answers are no probabilities.
        """
        return self.probabilities(self.run(image))

    def probabilities(self, answer: NDArray[np.float32]) -> NDArray[np.float32]:
        """An answer of `scores` as probabilities float32 [C].

        Raises:
            InputError: not finite, or no probabilities.
        """
        if not np.isfinite(answer).all():
            raise InputError(
                f"not finite: {self.path.name} answers NaN or infinity under {self.runtime}: export it again"
            )
        if self._logits:
            powers = np.exp(answer - answer.max())
            softmax: NDArray[np.float32] = (powers / powers.sum()).astype(np.float32)
            return softmax
        step = self.output.scale or 0.0
        slack = PROBABILITY_SLACK + step * len(answer) / 2
        low, high, total = float(answer.min()), float(answer.max()), float(answer.sum())
        if low < -slack or high > 1 + slack or abs(total - 1) > slack:
            raise InputError(
                f"{self.path.name} answers no probabilities (from {low:.3g} to {high:.3g}, together {total:.3g}): "
                "say --logits where it leaves out the softmax; else its scores cannot be read"
            )
        return answer

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [N, C] of images uint8 [N, H, W, 3], RGB 0..255; run one by one (batch 1)."""
        if len(images) == 0:
            return np.zeros((0, self.output.shape[-1]), np.float32)
        return np.stack([self.classify(image) for image in images])


@contextlib.contextmanager
def refusals(runtime: str, path: Path) -> Iterator[None]:
    """Turns what the runtime raises in the block into one line; put around its own calls, and nothing of ours.

    Raises:
        InputError: the runtime raised.
    """
    try:
        yield
    except NATIVE_ERRORS as error:
        raise InputError(f"{runtime} refuses to run {path}: {first_line(error)}") from error


def open_model(
    path: Path, *, runtime: str | None = None, threads: int = 1, wishes: Wishes | None = None
) -> LoadedModel:
    """Verifies a `.tflite` file in pure Python, lets a child run it, then loads it in this process.

    Even a sound file can crash native code, and so can a runtime that was built for another processor: neither comes
    into this process before a child has survived the two together on this machine.

    Args:
        path: The file.
        runtime: One of `RUNTIMES`; None takes the first of `PREFERRED` that works.
        threads: Threads of the runtime.
        wishes: What the user says of the file.

    Raises:
        InputError: not a usable classifier, no such runtime, or the runtime refuses the file.
    """
    from batikkit.tflite.probe import probe_once

    found = find_runtime(runtime)
    probe_once(path, runtime=found, input_range=wishes.input_range if wishes else None)
    return load_verified(path, runtime=found, threads=threads, wishes=wishes)


def open_in_float16(path: Path) -> LoadedModel:
    """As `open_model`, computing in float16 as GPUs and ARMv8.2 do, which LiteRT's CompiledModel can be told to.

    Raises:
        InputError: as `open_model`, or this installation or processor cannot.
    """
    from batikkit.tflite.probe import probe_once

    found = find_runtime("litert-compiled")
    probe_once(path, runtime=found)
    return load_verified(path, runtime=found, threads=1, float16=True)


def load_verified(
    path: Path,
    *,
    runtime: str,
    threads: int,
    model: TfliteModel | None = None,
    wishes: Wishes | None = None,
    float16: bool = False,
) -> LoadedModel:
    """Loads a file that `read_tflite` has passed, under a runtime that `find_runtime` has found.

    For child processes, and for files that one has run before: see `open_model`.

    Args:
        path: The file.
        runtime: One of `RUNTIMES`.
        threads: Threads of the runtime.
        model: What `read_tflite` said of the file, where the caller has it: reading is no part of the loading timed.
        wishes: What the user says of the file.
        float16: Compute in float16; see `open_in_float16`.

    Raises:
        InputError: not a usable classifier, or the runtime refuses the file.
    """
    model = model or read_tflite(path)
    wishes = wishes or Wishes()
    tensors = tuple(map(_spec, model.inputs)), tuple(map(_spec, model.outputs))
    encoding = _encoding(path, model, wishes)
    start = time.perf_counter_ns()
    try:
        engine = construct(runtime, path, threads=threads, tensors=tensors, float16=float16)
        init_ms = (time.perf_counter_ns() - start) / 1e6
        engine.settle()
    except NATIVE_ERRORS as error:
        raise InputError(f"{runtime} {version(runtime)} cannot load {path}: {first_line(error)}") from error
    return LoadedModel(
        engine,
        path=path,
        runtime=runtime,
        threads=threads,
        init_ms=init_ms,
        encoding=encoding,
        logits=wishes.logits,
    )


def _encoding(path: Path, model: TfliteModel, wishes: Wishes) -> Encoding:
    if not model.inputs:
        raise InputError(f"{path} takes no input: not a classifier")
    source = model.inputs[0]
    try:
        return choose_encoding(
            source.dtype,
            source.scale,
            source.zero_point,
            input_range=wishes.input_range,
            manifest=_has_manifest(path, model),
            normalization=read_normalization(model),
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _has_manifest(path: Path, model: TfliteModel) -> bool:
    with contextlib.suppress(InputError):
        return manifest_path(path).is_file() and read_manifest(manifest_path(path)).sha256 == model.sha256
    return False


def _spec(tensor: TensorInfo) -> TensorSpec:
    return TensorSpec(tensor.name, tensor.shape, tensor.dtype, tensor.scale, tensor.zero_point)


def _check_classifier(path: Path, source: TensorSpec, result: TensorSpec) -> None:
    if len(source.shape) != 4 or source.shape[0] != 1 or source.shape[3] != 3:
        raise InputError(f"{path} takes {list(source.shape)}, not one RGB image [1, H, W, 3]: export it with batikkit")
    if source.dtype not in ("float32", "uint8", "int8"):
        raise InputError(f"{path} takes {source.dtype} pixels: batikkit feeds float32, uint8 or int8")
    if len(result.shape) < 2 or result.shape[-1] != int(np.prod(result.shape)) or result.shape[-1] < 2:
        raise InputError(f"{path} answers {list(result.shape)}, not one probability per motif [1, C]")
