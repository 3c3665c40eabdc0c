"""Which runtimes there are, and the one place that constructs an interpreter.

A runtime counts as found only when it has answered a built-in 368-byte model correctly, in a child process
(`batikkit.tflite.tried`). Importing proves nothing: tflite-runtime under NumPy 2 imports without complaint and fails at
its first `Interpreter(...)`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import importlib.util
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError, first_line
from batikkit.nearest import choices

RUNTIMES = ("ai-edge-litert", "litert-compiled", "tflite-runtime", "tensorflow")
"""Every runtime batikkit can drive; `litert-compiled` is the CompiledModel API of ai-edge-litert."""

PREFERRED = ("ai-edge-litert", "tflite-runtime", "tensorflow")
"""The order in which a runtime is looked for when none is named."""

PACKAGES = {
    "ai-edge-litert": ("ai_edge_litert", "ai-edge-litert"),
    "litert-compiled": ("ai_edge_litert", "ai-edge-litert"),
    "tflite-runtime": ("tflite_runtime", "tflite-runtime"),
    "tensorflow": ("tensorflow", "tensorflow"),
}
"""Runtime name -> (module, distribution)."""

NATIVE_ERRORS = (ImportError, AttributeError, SystemError, RuntimeError, ValueError, OSError, TypeError, MemoryError)
"""What a broken installation or a refused file raises; anything else is a bug of ours."""

_FORCE_FLOAT16 = 1 << 2
"""`TFLITE_XNNPACK_DELEGATE_FLAG_FORCE_FP16` of TensorFlow Lite's xnnpack_delegate.h."""

Array = NDArray[Any]


class Engine(Protocol):
    """A constructed interpreter: one input tensor in, one output tensor out."""

    def details(self) -> tuple[TensorSpec, TensorSpec]:
        """The input and the output tensor."""

    def write(self, value: Array) -> None:
        """Copies `value` (the input's shape and dtype) into the input tensor."""

    def invoke(self) -> None:
        """Runs the network once."""

    def read(self) -> Array:
        """A copy of the output tensor, as the file's dtype."""

    def settle(self) -> None:
        """Uses the tensors once where the runtime logs their first use; no part of loading."""

    def nodes(self) -> list[dict[str, Any]] | None:
        """The runtime's list of operators, those of delegates included; None where it keeps none."""


@dataclass(frozen=True)
class TensorSpec:
    """One tensor as the runtime reports it; `scale` is None when the tensor is not quantized."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


Tensors = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]
"""Inputs and outputs of a file."""


def find_runtime(name: str | None = None) -> str:
    """The runtime to use: `name` when it works, else the first working one of `PREFERRED`.

    Child processes try them; this one loads none.

    Raises:
        InputError: unknown, not installed, or broken; the message carries the reason.
    """
    if name is not None and name not in RUNTIMES:
        raise InputError(f"unknown runtime {name!r}: {choices(name, RUNTIMES)}")
    from batikkit.tflite.tried import trial

    failures = []
    for candidate in (name,) if name else PREFERRED:
        problem = trial(candidate)
        if problem is None:
            return candidate
        failures.append(f"{candidate}: {problem}")
    raise InputError(
        f"no working runtime ({'; '.join(failures)}): pip install 'batikkit[pi]', then see 'batikkit doctor'"
    )


_tried: dict[str, str | None] = {}


def try_runtime(name: str) -> str | None:
    """Runs the built-in model under `name` in this very process, which it may kill: for children alone.

    None when the answer is right, else why not. Remembered per process.
    """
    if name not in _tried:
        _tried[name] = _try(name)
    return _tried[name]


def _try(name: str) -> str | None:
    module = PACKAGES[name][0]
    if importlib.util.find_spec(module) is None:
        return "not installed"
    with resources.as_file(resources.files("batikkit.tflite") / "probe.tflite") as path:
        try:
            engine = construct(name, path, threads=1, tensors=_PROBE_TENSORS)
            engine.write(np.array([[[[1, 2, 3]]]], np.float32))
            engine.invoke()
            answer = engine.read().reshape(-1)
        except NATIVE_ERRORS as error:
            return f"{type(error).__name__}: {first_line(error)}"
    expected = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    return None if np.allclose(answer, expected, atol=1e-3) else f"wrong answer {answer.tolist()} for softmax(1, 2, 3)"


_PROBE_TENSORS: Tensors = tuple((TensorSpec(name, (1, 1, 1, 3), "float32"),) for name in ("image", "prediction"))  # type: ignore[assignment]


def probe_model() -> bytes:
    """The built-in model: one SOFTMAX over float32 [1, 1, 1, 3]."""
    return (resources.files("batikkit.tflite") / "probe.tflite").read_bytes()


def version(name: str) -> str:
    """The installed version of a runtime's package, or `unknown`."""
    try:
        return metadata.version(PACKAGES[name][1])
    except metadata.PackageNotFoundError:
        return "unknown"


def construct(name: str, path: Path, *, threads: int, tensors: Tensors, float16: bool = False) -> Engine:
    """Constructs the interpreter `name` on a file: the only place in batikkit that does.

    Args:
        name: One of `RUNTIMES`.
        path: The file.
        threads: Of the interpreter.
        tensors: The file's inputs and outputs, for the runtime that does not tell scale and zero point.
        float16: Compute in float16 what a file holds in floats, as GPUs and ARMv8.2 do; `litert-compiled` alone can.

    Raises:
        NATIVE_ERRORS: the runtime is broken or refuses the file.
    """
    with quiet_native():
        if name == "litert-compiled":
            return _Compiled(path, threads=threads, tensors=tensors, float16=float16)
        return _Interpreter(_interpreter_class(name), path, threads=threads)


def _interpreter_class(name: str) -> Any:
    if name == "ai-edge-litert":
        return importlib.import_module("ai_edge_litert.interpreter").Interpreter
    if name == "tflite-runtime":
        return importlib.import_module("tflite_runtime.interpreter").Interpreter
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    return importlib.import_module("tensorflow").lite.Interpreter


class _Interpreter:
    """The classic TFLite interpreter of three packages."""

    def __init__(self, interpreter_class: Any, path: Path, *, threads: int) -> None:
        self._interpreter = interpreter_class(model_path=str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()
        self.invoke: Callable[[], None] = self._interpreter.invoke

    def details(self) -> tuple[TensorSpec, TensorSpec]:
        if len(self._inputs) != 1 or len(self._outputs) != 1:
            raise ValueError(f"{len(self._inputs)} inputs and {len(self._outputs)} outputs, a classifier has one each")
        return _spec(self._inputs[0]), _spec(self._outputs[0])

    def settle(self) -> None:
        pass

    def nodes(self) -> list[dict[str, Any]] | None:
        listing = getattr(self._interpreter, "_get_ops_details", None)
        return None if listing is None else list(listing())

    def write(self, value: Array) -> None:
        self._interpreter.set_tensor(self._inputs[0]["index"], value)

    def read(self) -> Array:
        return np.asarray(self._interpreter.get_tensor(self._outputs[0]["index"]))


class _Compiled:
    """LiteRT's CompiledModel on the CPU."""

    def __init__(self, path: Path, *, threads: int, tensors: Tensors, float16: bool) -> None:
        module = importlib.import_module("ai_edge_litert.compiled_model")
        _silence_the_end()
        options = module.Options(
            hardware_accelerators=module.HardwareAccelerator.CPU,
            cpu_options=module.CpuOptions(num_threads=threads, xnnpack_flags=_FORCE_FLOAT16 if float16 else None),
        )
        compiled = module.CompiledModel.from_file(str(path), options=options)
        # CompiledModel does not tell scale and zero point; the file does.
        self._details = (*tensors[0], *tensors[1])
        self._native = [compiled, compiled.create_input_buffers(0), compiled.create_output_buffers(0)]
        del compiled
        weakref.finalize(self, _release_quietly, self._native)

    def settle(self) -> None:
        # Buffers log when first used, and the environment when it goes: both are kept inside the quiet.
        with quiet_native():
            self.write(np.zeros(self._details[0].shape, self._details[0].dtype))
            self.read()

    def nodes(self) -> list[dict[str, Any]] | None:
        return None

    def details(self) -> tuple[TensorSpec, TensorSpec]:
        if len(self._details) != 2:
            raise ValueError(f"{len(self._details)} inputs and outputs, a classifier has one each")
        return self._details[0], self._details[1]

    def write(self, value: Array) -> None:
        self._native[1][0].write(np.ascontiguousarray(value))

    def invoke(self) -> None:
        compiled, inputs, outputs = self._native
        compiled.run_by_index(0, inputs, outputs)

    def read(self) -> Array:
        result = self._details[1]
        flat = self._native[2][0].read(int(np.prod(result.shape)), np.dtype(result.dtype).type)
        return np.array(flat, copy=True)


@functools.cache
def _silence_the_end() -> None:
    """LiteRT's environment logs once more when the process ends, after everything of Python's."""
    atexit.register(lambda: _quiet.heard or os.dup2(os.open(os.devnull, os.O_WRONLY), 2))


def _release_quietly(owned: list[Any]) -> None:
    with quiet_native():
        owned.clear()


def _spec(details: dict[str, Any]) -> TensorSpec:
    scale, zero_point = details["quantization"]
    quantized = bool(scale) and np.dtype(details["dtype"]) != np.float32
    shape = tuple(int(side) for side in details["shape"])
    name, dtype = str(details["name"]), np.dtype(details["dtype"]).name
    return TensorSpec(name, shape, dtype, float(scale) if quantized else None, int(zero_point) if quantized else None)


class _Quiet:
    """Descriptor 2 pointed at nothing while any thread asks for it.

    Both the descriptor and Python's warning filters belong to the whole process: two threads that each saved and put
    back what they found could leave standard error silent for good. So only the first in and the last out touch them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self.heard = False
        self._undo = contextlib.ExitStack()

    def hear(self) -> None:
        """Silences nothing in this process: for children, whose parent wants the runtime's last words."""
        self.heard = True

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0 and not self.heard:
                self._undo.enter_context(_silenced())
            self._inside += 1

    def __exit__(self, *_raised: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._undo.close()


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"(?s).*(tf\.lite\.Interpreter is deprecated|LiteRT interpreter)")
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


_quiet = _Quiet()


def quiet_native() -> _Quiet:
    """Silences what native code prints on standard error and tf.lite's deprecation notice, in a `with` block.

    The C++ logger has no switch in Python, so descriptor 2 itself is pointed at nothing for the duration. Errors are
    not lost: they arrive as exceptions. May be nested and used by several threads at once.
    """
    return _quiet
