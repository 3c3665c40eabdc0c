"""Loads a `.tflite` classifier and asks it: raw RGB pixels in, probabilities out, whatever the file's tensor types."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError, first_line
from batikkit.tflite.file import read_tflite
from batikkit.tflite.interpreters import (
    NATIVE_ERRORS,
    Array,
    Engine,
    TensorSpec,
    construct,
    find_runtime,
    version,
)


class LoadedModel:
    """A classifier ready to run: raw RGB pixels in, probabilities out, one image at a time.

    Attributes:
        input: The input tensor, [1, H, W, 3] uint8, int8 or float32.
        output: The output tensor, [1, C].
        runtime: One of `RUNTIMES`.
        threads: How many threads the runtime may use.
        init_ms: Time to construct the interpreter and allocate its tensors.
    """

    def __init__(self, engine: Engine, *, path: Path, runtime: str, threads: int, init_ms: float) -> None:
        self._engine = engine
        self.path = path
        self.runtime = runtime
        self.threads = threads
        self.init_ms = init_ms
        self.input, self.output = engine.details()
        _check_classifier(path, self.input, self.output)

    @property
    def invoke(self) -> Callable[[], None]:
        """Runs the network once; handed out bare so that timing it adds nothing."""
        return self._engine.invoke

    def prepare(self, image: NDArray[np.uint8]) -> Array:
        """Turns uint8 [H, W, 3] RGB into the input tensor's value [1, H, W, 3]."""
        if image.shape != self.input.shape[1:]:
            raise InputError(
                f"image of shape {image.shape} for {self.path.name}, which takes {self.input.shape[1:]}: "
                "use the parity pack and images of the same export"
            )
        if self.input.dtype == "float32":
            return image[None].astype(np.float32)
        if self.input.dtype == "uint8":
            return image[None]
        # int8 I/O stores real = scale * (q - zero_point) with scale 1 and zero point -128.
        scale, zero_point = self.input.scale or 1.0, self.input.zero_point or 0
        value: Array = np.clip(np.rint(image[None] / scale) + zero_point, -128, 127).astype(np.int8)
        return value

    def write(self, value: Array) -> None:
        """Copies a prepared value into the input tensor."""
        self._engine.write(value)

    def scores(self) -> NDArray[np.float32]:
        """The last run's probabilities float32 [C], dequantized where the output is quantized."""
        raw = self._engine.read().reshape(-1)
        if self.output.scale is None or self.output.dtype == "float32":
            return raw.astype(np.float32)
        return ((raw.astype(np.float32) - (self.output.zero_point or 0)) * self.output.scale).astype(np.float32)

    def classify(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [C] of one image uint8 [H, W, 3], RGB 0..255."""
        self.write(self.prepare(image))
        self.invoke()
        return self.scores()

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [N, C] of images uint8 [N, H, W, 3], RGB 0..255; run one by one (batch 1)."""
        if len(images) == 0:
            return np.zeros((0, self.output.shape[-1]), np.float32)
        return np.stack([self.classify(image) for image in images])


def open_model(path: Path, *, runtime: str | None = None, threads: int = 1) -> LoadedModel:
    """Verifies a `.tflite` file in pure Python, then loads it in this process.

    A file that does not come from an export beside its own manifest should go through `batikkit.tflite.probe.vet`
    first, since even a structurally sound file can crash native code.

    Args:
        path: The file.
        runtime: One of `RUNTIMES`; None takes the first of `PREFERRED` that works.
        threads: Threads of the runtime.

    Raises:
        InputError: not a usable classifier, no such runtime, or the runtime refuses the file.
    """
    read_tflite(path)
    return load_verified(path, runtime=find_runtime(runtime), threads=threads)


def open_in_float16(path: Path) -> LoadedModel:
    """As `open_model`, computing in float16 as GPUs and ARMv8.2 do, which LiteRT's CompiledModel can be told to.

    Raises:
        InputError: as `open_model`, or this installation or processor cannot.
    """
    read_tflite(path)
    return load_verified(path, runtime="litert-compiled", threads=1, float16=True)


def load_verified(path: Path, *, runtime: str, threads: int, float16: bool = False) -> LoadedModel:
    """Loads a file that `read_tflite` has passed, under a runtime that `find_runtime` has found.

    Raises:
        InputError: not a usable classifier, or the runtime refuses the file.
    """
    start = time.perf_counter_ns()
    try:
        engine = construct(runtime, path, threads=threads, float16=float16)
    except NATIVE_ERRORS as error:
        raise InputError(f"{runtime} {version(runtime)} cannot load {path}: {first_line(error)}") from error
    init_ms = (time.perf_counter_ns() - start) / 1e6
    return LoadedModel(engine, path=path, runtime=runtime, threads=threads, init_ms=init_ms)


def _check_classifier(path: Path, source: TensorSpec, result: TensorSpec) -> None:
    if len(source.shape) != 4 or source.shape[0] != 1 or source.shape[3] != 3:
        raise InputError(f"{path} takes {list(source.shape)}, not one RGB image [1, H, W, 3]: export it with batikkit")
    if source.dtype not in ("float32", "uint8", "int8"):
        raise InputError(f"{path} takes {source.dtype} pixels: batikkit feeds float32, uint8 or int8")
    if len(result.shape) < 2 or result.shape[-1] != int(np.prod(result.shape)) or result.shape[-1] < 2:
        raise InputError(f"{path} answers {list(result.shape)}, not one probability per motif [1, C]")
