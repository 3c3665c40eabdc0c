"""Reads a `.tflite` file without any interpreter, and proves it sound before one may see it.

`read_tflite` is the gate in front of every runtime: what it returns has been checked from the first byte (identifier,
every offset) to the last operator (indices, sizes, order, options), so that a native crash cannot be reached by way of
the file's structure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from batikkit.errors import InputError
from batikkit.tflite.flatbuffer import FlatbufferError, Table, read_flatbuffer
from batikkit.tflite.graph import Graph, ModelFault, Operator, Tensor, UnusualModel, buffer_bytes, read_graphs
from batikkit.tflite.operators import check_operator
from batikkit.tflite.schema import FILE_IDENTIFIER, FLOAT_TYPES, SCHEMA


@dataclass(frozen=True)
class TensorInfo:
    """One tensor as the outside sees it.

    Attributes:
        dtype: `float32`, `uint8`, `int8`, ...
        scale: of a per-tensor quantized tensor; None when not quantized or quantized per channel.
        zero_point: likewise.
        scales: number of scales: 0, 1, or one per channel.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None
    scales: int = 0
    constant: bool = False


@dataclass(frozen=True)
class OpInfo:
    """How often an operator occurs, and the highest version of it that the file asks for."""

    version: int
    count: int


@dataclass(frozen=True)
class TfliteModel:
    """What a verified file says about itself.

    Attributes:
        inputs: of the first graph, which is the one a runtime invokes; so are outputs and tensors.
        ops: operators of all graphs by name; custom ones are `CUSTOM:<name>`.
        metadata: the file's metadata buffers by name.
        min_runtime: oldest TensorFlow Lite version said to run the file, when the converter recorded it.
        float_tensors: names of all tensors of a floating type that some operator touches.
        non_integer: what stands between this file and integer-only, one line each; empty when `integer_only`.
        integer_only: no floating type beyond declared inputs and outputs and their QUANTIZE / DEQUANTIZE.
    """

    path: Path
    size_bytes: int
    sha256: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    tensors: tuple[TensorInfo, ...]
    ops: Mapping[str, OpInfo]
    metadata: Mapping[str, bytes]
    min_runtime: str | None
    float_tensors: tuple[str, ...]
    non_integer: tuple[str, ...]

    @property
    def integer_only(self) -> bool:
        """Whether all computation is in integers."""
        return not self.non_integer


def read_tflite(path: Path) -> TfliteModel:
    """Read and verify a `.tflite` file.

    Raises:
        InputError: the file is absent, empty, truncated, not TFLite, or would not be safe to hand to a runtime.
    """
    data = _read_bytes(path)
    model, graphs = verify_tflite(data, name=str(path))
    return _describe(path, data, model, graphs)


def verify_tflite(data: bytes, *, name: str) -> tuple[Table, tuple[Graph, ...]]:
    """Verify a model held in memory; returns its root table and its graphs.

    Args:
        data: the whole file, any ZIP archive behind the flatbuffer included.
        name: what to call it in messages.

    Raises:
        InputError: as `read_tflite`.
    """
    if not data:
        raise InputError(f"{name}: the file is empty; export or copy it again")
    if data[4:8] != FILE_IDENTIFIER:
        raise InputError(f"{name}: not a TFLite file (no {FILE_IDENTIFIER.decode()} mark); give a .tflite file")
    try:
        model = read_flatbuffer(data, SCHEMA, "Model", identifier=FILE_IDENTIFIER)
        graphs = read_graphs(model, data)
        for graph in graphs:
            for operator in graph.operators:
                check_operator(operator)
    except FlatbufferError as fault:
        raise InputError(f"{name}: truncated or damaged: {fault}; export or copy it again") from None
    except UnusualModel as finding:
        raise InputError(
            f"{name}: unusual, not run: {finding}; some runtimes load such files, batikkit runs only what it can prove"
        ) from None
    except ModelFault as fault:
        raise InputError(f"{name}: damaged or unsafe to run: {fault}; export or copy it again") from None
    return model, graphs


def _read_bytes(path: Path) -> bytes:
    if not path.exists():
        raise InputError(f"{path}: no such file; give the path of a .tflite file")
    if not path.is_file():
        raise InputError(f"{path}: not a file; give the path of a .tflite file")
    try:
        return path.read_bytes()
    except OSError as fault:
        raise InputError(f"{path}: cannot be read ({fault.strerror}); check its permissions") from None


def _describe(path: Path, data: bytes, model: Table, graphs: tuple[Graph, ...]) -> TfliteModel:
    main = graphs[0]
    metadata = {
        entry.text("name"): buffer_bytes(model, entry.integer("buffer"), data).tobytes()
        for entry in model.tables("metadata")
    }
    return TfliteModel(
        path=path,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        inputs=tuple(map(_info, main.inputs)),
        outputs=tuple(map(_info, main.outputs)),
        tensors=tuple(map(_info, main.tensors)),
        ops=_count(operator for graph in graphs for operator in graph.operators),
        metadata=metadata,
        min_runtime=_text(metadata.get("min_runtime_version")),
        float_tensors=tuple(tensor.name for graph in graphs for tensor in _touched(graph) if _floating(tensor)),
        non_integer=tuple(line for index, graph in enumerate(graphs) for line in _non_integer(graph, main=index == 0)),
    )


def _info(tensor: Tensor) -> TensorInfo:
    single = len(tensor.scale) == 1
    return TensorInfo(
        index=tensor.index,
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype,
        scale=float(tensor.scale[0]) if single else None,
        zero_point=int(tensor.zero_point[0]) if single and len(tensor.zero_point) else None,
        scales=len(tensor.scale),
        constant=tensor.data is not None,
    )


def _count(operators: Iterable[Operator]) -> dict[str, OpInfo]:
    ops: dict[str, OpInfo] = {}
    for operator in operators:
        known = ops.get(operator.name, OpInfo(0, 0))
        ops[operator.name] = OpInfo(max(known.version, operator.version), known.count + 1)
    return dict(sorted(ops.items()))


def _text(value: bytes | None) -> str | None:
    return value.split(b"\0")[0].decode("ascii", "replace") or None if value else None


def _floating(tensor: Tensor) -> bool:
    return tensor.dtype in FLOAT_TYPES


def _touched(graph: Graph) -> list[Tensor]:
    """Tensors that some operator reads or writes, in file order."""
    seen = {tensor.index for op in graph.operators for tensor in (*op.inputs, *op.outputs) if tensor is not None}
    return [tensor for tensor in graph.tensors if tensor.index in seen]


def _non_integer(graph: Graph, *, main: bool) -> list[str]:
    """One line for every operator that computes in a floating type, other than at the graph's declared edge."""
    inputs = {tensor.index for tensor in graph.inputs} if main else set()
    outputs = {tensor.index for tensor in graph.outputs} if main else set()
    lines = []
    for operator in graph.operators:
        allowed = inputs if operator.name == "QUANTIZE" else outputs if operator.name == "DEQUANTIZE" else set()
        tensors = [tensor for tensor in (*operator.inputs, *operator.outputs) if tensor is not None]
        floating = [tensor for tensor in tensors if _floating(tensor) and tensor.index not in allowed]
        if floating:
            named = ", ".join(f"{tensor.name} ({tensor.dtype})" for tensor in floating[-1:])
            lines.append(f"{operator.label()}: {named}")
    return lines
