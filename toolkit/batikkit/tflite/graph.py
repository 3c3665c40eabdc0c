"""The computation inside a TFLite file: its graphs, tensors and operators, with every index and size proven.

`read_graphs` turns a structurally sound `Model` table into plain dataclasses. It refuses what a runtime would follow
into foreign memory: indices out of range, constants shorter than their shape, operators that read what nobody wrote.
What the single operators demand of their options is in `batikkit.tflite.operators`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batikkit.tflite import schema
from batikkit.tflite.flatbuffer import Table

# Far above any network for photographs, far below what would make a runtime overflow or the system kill it.
MAX_TENSOR_BYTES = 1 << 30
MAX_TOTAL_BYTES = 1 << 32
MAX_RANK = 8

_UNSIZED = frozenset(("string", "resource", "variant"))


class ModelFault(ValueError):
    """The file is a flatbuffer of the right schema, but no runtime can run what it says."""


class UnusualModel(ModelFault):
    """What some runtime loads, but batikkit does not run: it cannot be proven that every one survives it."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a graph.

    Attributes:
        dtype: as in NumPy, plus `int4`, `bfloat16`, `string` and the like.
        scale: float32 [K], K = 0 (not quantized), 1, or `shape[axis]`.
        zero_point: int64 [K].
        data: uint8 [bytes] of a constant, None for what is computed.
        static: no dimension is declared dynamic, so `shape` is final.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int
    data: NDArray[np.uint8] | None
    variable: bool
    static: bool

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        return math.prod(self.shape)

    def label(self) -> str:
        """How messages name this tensor."""
        return f"tensor {self.index} {self.name[:60]!r}"

    def values(self) -> NDArray[np.int64] | None:
        """The elements of an int32 or int64 constant, flat; None for any other tensor."""
        if self.data is None or self.dtype not in ("int32", "int64"):
            return None
        return self.data.view(f"<i{4 if self.dtype == 'int32' else 8}").astype(np.int64)


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator; None among the inputs stands for an optional input left out."""

    index: int
    name: str
    version: int
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Table | None
    options_code: int
    subgraphs: tuple[int, ...] = ()

    def label(self) -> str:
        """How messages name this operator."""
        return f"operator {self.index} {self.name}"


@dataclass(frozen=True, eq=False)
class Graph:
    """One subgraph; the first of a file is what a runtime invokes."""

    tensors: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...] = field(repr=False)


def need(condition: bool, fault: str) -> None:
    """Raise `ModelFault(fault)` unless the condition holds."""
    if not condition:
        raise ModelFault(fault)


def need_usual(condition: bool, finding: str) -> None:
    """Raise `UnusualModel(finding)` unless the condition holds."""
    if not condition:
        raise UnusualModel(finding)


def buffer_bytes(model: Table, index: int, data: bytes) -> NDArray[np.uint8]:
    """Content of one buffer, uint8 [bytes], wherever the file keeps it; buffer 0 and absent ones are empty.

    Files above 2 GB keep their constants behind the flatbuffer and give offset and size instead.
    """
    buffers = model.tables("buffers")
    need(index < len(buffers), f"buffer {index} is used but there are only {len(buffers)}")
    buffer = buffers[index]
    offset, size = buffer.integer("offset"), buffer.integer("size")
    if offset <= 1:
        content: NDArray[np.uint8] = buffer.array("data")
        return content
    need(offset + size <= len(data), f"buffer {index} ends at byte {offset + size} of {len(data)}")
    return np.frombuffer(data, np.uint8, size, offset)


def read_graphs(model: Table, data: bytes) -> tuple[Graph, ...]:
    """All graphs of a model, proven to be well-formed.

    Args:
        model: the root table of the file.
        data: the file's bytes.

    Raises:
        ModelFault: an index, size, type, quantization or order that no runtime can follow safely.
    """
    version = model.integer("version")
    need(version == schema.SCHEMA_VERSION, f"its schema version is {version}, not {schema.SCHEMA_VERSION}")
    need(bool(model.tables("subgraphs")), "it holds no graph")
    need_usual(bool(model.tables("buffers")), "it holds no buffer table")
    graphs = tuple(_graph(model, subgraph, data) for subgraph in model.tables("subgraphs"))
    _check_calls(graphs)
    _check_signatures(model, graphs)
    for entry in model.tables("metadata"):
        need("name" in entry, "a metadata entry has no name")
        buffer_bytes(model, entry.integer("buffer"), data)
    return graphs


def _graph(model: Table, subgraph: Table, data: bytes) -> Graph:
    tensors = tuple(_tensor(model, index, table, data) for index, table in enumerate(subgraph.tables("tensors")))
    total = sum(_size_bytes(tensor) for tensor in tensors)
    need(total <= MAX_TOTAL_BYTES, f"its tensors take {total} bytes together, more than {MAX_TOTAL_BYTES}")
    operators = tuple(
        _operator(model, index, table, tensors) for index, table in enumerate(subgraph.tables("operators"))
    )
    inputs = _pick(tensors, subgraph.integers("inputs"), "graph inputs")
    outputs = _pick(tensors, subgraph.integers("outputs"), "graph outputs")
    graph = Graph(tensors, inputs, outputs, operators)
    _check_order(graph)
    return graph


def _pick(tensors: tuple[Tensor, ...], indices: Iterable[int], what: str) -> tuple[Tensor, ...]:
    picked = []
    for index in indices:
        need(0 <= index < len(tensors), f"{what} name tensor {index} of {len(tensors)}")
        picked.append(tensors[index])
    return tuple(picked)


def _tensor(model: Table, index: int, table: Table, data: bytes) -> Tensor:
    code = table.integer("type")
    need(0 <= code < len(schema.TENSOR_TYPES), f"tensor {index} has the unknown type {code}")
    need(table.integer("external_buffer") == 0, f"tensor {index} is stored in another file; export it as one file")
    signature = table.integers("shape_signature")
    content = buffer_bytes(model, table.integer("buffer"), data)
    quantization = table.table("quantization")
    tensor = Tensor(
        index=index,
        name=table.text("name"),
        shape=table.integers("shape"),
        dtype=schema.TENSOR_TYPES[code],
        scale=quantization.array("scale").astype(np.float32) if quantization else np.empty(0, np.float32),
        zero_point=quantization.array("zero_point").astype(np.int64) if quantization else np.empty(0, np.int64),
        axis=quantization.integer("quantized_dimension") if quantization else 0,
        data=content if len(content) else None,
        variable=bool(table.integer("is_variable")),
        static=min(signature, default=0) >= 0,
    )
    need(not signature or len(signature) == len(tensor.shape), f"{tensor.label()} has a shape signature of other rank")
    _check_shape(tensor)
    _check_quantization(tensor, quantization)
    _check_constant(tensor, sparse="sparsity" in table)
    return tensor


def _size_bytes(tensor: Tensor) -> int:
    return (tensor.elements * schema.ELEMENT_BITS.get(tensor.dtype, 0) + 7) // 8


def _check_shape(tensor: Tensor) -> None:
    need(len(tensor.shape) <= MAX_RANK, f"{tensor.label()} has {len(tensor.shape)} dimensions")
    need(min(tensor.shape, default=0) >= 0, f"{tensor.label()} has the impossible shape {tensor.shape}")
    size = _size_bytes(tensor)
    need(size <= MAX_TENSOR_BYTES, f"{tensor.label()} of shape {tensor.shape} would take {size} bytes")


def _check_quantization(tensor: Tensor, quantization: Table | None) -> None:
    count = len(tensor.scale)
    need(
        len(tensor.zero_point) in (count, 1) or not count,
        f"{tensor.label()} has {count} scales and {len(tensor.zero_point)} zero points",
    )
    if quantization is None or not count:
        return
    finite = bool(np.all(np.isfinite(tensor.scale)) and np.all(tensor.scale >= 0))
    need(finite, f"{tensor.label()} has a quantization scale that is negative or not a number")
    if "details" in quantization or tensor.dtype in _UNSIZED:
        return
    if count > 1:
        need(0 <= tensor.axis < len(tensor.shape), f"{tensor.label()} is quantized along the absent axis {tensor.axis}")
        expected = tensor.shape[tensor.axis]
        need(count == expected, f"{tensor.label()} has {count} scales for {expected} channels")
    _check_zero_points(tensor)


def _check_zero_points(tensor: Tensor) -> None:
    limits = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
    if tensor.dtype in limits:
        low, high = limits[tensor.dtype]
        inside = bool(np.all((tensor.zero_point >= low) & (tensor.zero_point <= high)))
        need(inside, f"{tensor.label()} has a zero point outside {low}..{high}")


def _check_constant(tensor: Tensor, *, sparse: bool) -> None:
    if tensor.data is None or tensor.dtype in _UNSIZED or sparse:
        return
    expected = _size_bytes(tensor)
    found = len(tensor.data)
    need(found == expected, f"{tensor.label()} of shape {tensor.shape} needs {expected} bytes but has {found}")
    address = tensor.data.__array_interface__["data"][0]
    # Runtimes map the file, so a constant that is not aligned here is not aligned there.
    need(address % min(4, max(1, schema.ELEMENT_BITS[tensor.dtype] // 8)) == 0, f"{tensor.label()} is not aligned")


def _operator(model: Table, index: int, table: Table, tensors: tuple[Tensor, ...]) -> Operator:
    codes = model.tables("operator_codes")
    position = table.integer("opcode_index")
    need(position < len(codes), f"operator {index} uses operator code {position} of {len(codes)}")
    code = codes[position]
    # Codes below 127 live in the old 8-bit field as well; the larger of the two is the true one.
    number = max(code.integer("deprecated_builtin_code"), code.integer("builtin_code"))
    need(number >= 0, f"operator {index} has the negative code {number}")
    name = schema.operator_name(number)
    if number == schema.CUSTOM_OPERATOR:
        need("custom_code" in code, f"operator {index} is a custom operator without a name")
        name = f"CUSTOM:{code.text('custom_code')}"
    inputs = tuple(
        None if entry == -1 else _pick(tensors, (entry,), f"inputs of operator {index} {name}")[0]
        for entry in table.integers("inputs")
    )
    _pick(tensors, table.integers("intermediates"), f"intermediates of operator {index} {name}")
    options = table.table("builtin_options") or table.table("builtin_options2")
    return Operator(
        index=index,
        name=name,
        version=code.integer("version"),
        inputs=inputs,
        outputs=_pick(tensors, table.integers("outputs"), f"outputs of operator {index} {name}"),
        options=options,
        options_code=table.integer("builtin_options_type"),
        subgraphs=_called(options),
    )


def _called(options: Table | None) -> tuple[int, ...]:
    """Indices of the graphs an operator's options refer to."""
    if options is None:
        return ()
    called: list[int] = []
    for name, value in options.values.items():
        if name.endswith(("subgraph_index", "subgraph")):
            called.append(int(value))
        elif name.endswith("subgraph_indices"):
            called.extend(options.integers(name))
    return tuple(called)


def _check_order(graph: Graph) -> None:
    """Every tensor has one writer, and is written before it is read."""
    known = {tensor.index for tensor in graph.tensors if tensor.data is not None or tensor.variable}
    constant = {tensor.index for tensor in graph.tensors if tensor.data is not None}
    known |= {tensor.index for tensor in graph.inputs} | {t.index for t in graph.tensors if t.elements == 0}
    written = constant | {tensor.index for tensor in graph.inputs}
    need(not constant & {tensor.index for tensor in graph.inputs}, "a graph input is a constant")
    for operator in graph.operators:
        for tensor in operator.inputs:
            ready = tensor is None or tensor.index in known
            need_usual(ready, f"{operator.label()} reads {tensor.label() if tensor else ''} before it is computed")
        for tensor in operator.outputs:
            need(not tensor.variable, f"{operator.label()} writes the state {tensor.label()}")
            need(tensor.index not in written, f"{operator.label()} overwrites {tensor.label()}")
            written.add(tensor.index)
            known.add(tensor.index)
    for tensor in graph.outputs:
        need(tensor.index in known, f"graph output {tensor.label()} is never computed")


def _check_calls(graphs: tuple[Graph, ...]) -> None:
    """Graphs call each other without a circle."""
    callees = [{index for operator in graph.operators for index in operator.subgraphs} for graph in graphs]
    for graph in graphs:
        for operator in graph.operators:
            inside = all(0 <= index < len(graphs) for index in operator.subgraphs)
            need(inside, f"{operator.label()} calls a graph that is not there")
    finished: set[int] = set()
    while len(finished) < len(graphs):
        ready = {index for index, called in enumerate(callees) if called <= finished} - finished
        need(bool(ready), "its graphs call each other in a circle")
        finished |= ready


def _check_signatures(model: Table, graphs: tuple[Graph, ...]) -> None:
    for signature in model.tables("signature_defs"):
        index = signature.integer("subgraph_index")
        need(index < len(graphs), f"signature {signature.text('signature_key')!r} names graph {index}")
        tensors = graphs[index].tensors
        need("signature_key" in signature, "a signature has no key")
        for entry in (*signature.tables("inputs"), *signature.tables("outputs")):
            need("name" in entry, "a signature names a tensor without a name")
            _pick(tensors, (entry.integer("tensor_index"),), f"signature {signature.text('signature_key')!r}")
