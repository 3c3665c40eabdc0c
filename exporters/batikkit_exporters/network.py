"""A network as plain values, read from a `.tflite` file and written back to one.

The quantizer, the equalisation and the training of quantized networks all work on this form: constants are NumPy
arrays, operators name their tensors by position, and nothing refers to the framework the network came from.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError
from batikkit.tflite.file import verify_tflite
from batikkit.tflite.flatbuffer import Table
from batikkit.tflite.graph import Tensor
from batikkit.tflite.schema import (
    BUILTIN_OPERATORS,
    FILE_IDENTIFIER,
    SCHEMA,
    SCHEMA_VERSION,
    TENSOR_TYPES,
)
from batikkit_exporters.flatbuffer_pack import make_table, pack_flatbuffer
from batikkit_exporters.releases import oldest_runtime

Array = NDArray[np.generic]
# The slot for the operator code used by readers older than TensorFlow 2.4 holds one byte.
_LARGEST_OLD_CODE = 127
MIN_RUNTIME_FIELD_BYTES = 16


class UnsupportedOperatorError(InputError):
    """The network has an operator that batikkit cannot rehearse, or has no integer kernel for."""


@dataclass(frozen=True, eq=False)
class Value:
    """One tensor.

    Attributes:
        shape: With the batch axis; `()` for a scalar.
        dtype: As in NumPy.
        data: The elements of a constant in `shape`, None for what is computed.
        scale: float32 [K], K = 0 (not quantized), 1, or `shape[axis]`.
        zero_point: int64 [K].
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    data: Array | None = None
    scale: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    zero_point: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    axis: int = 0


@dataclass(frozen=True, eq=False)
class Node:
    """One operator: its name in the file format, positions of its tensors (-1: left out), and its options."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None = None
    options_code: int = 0
    version: int = 1

    def option(self, name: str, default: int = 0) -> int:
        """An integer option, or `default` where the operator has no options."""
        return self.options.integer(name) if self.options is not None else default


@dataclass(frozen=True, eq=False)
class Network:
    """Tensors and the operators over them in an order in which they can run."""

    values: tuple[Value, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def with_constants(self, constants: dict[int, NDArray[np.float32]]) -> Network:
        """A copy with other elements in some constants, by position."""
        values = list(self.values)
        for index, data in constants.items():
            values[index] = replace(values[index], data=data.astype(values[index].dtype))
        return replace(self, values=tuple(values))

    def consumers(self, index: int) -> tuple[int, ...]:
        """Positions of the operators that read a tensor."""
        return tuple(number for number, node in enumerate(self.nodes) if index in node.inputs)

    def constant(self, index: int) -> NDArray[np.float32] | None:
        """The elements of a constant tensor as they are; None for what is computed or left out."""
        data = self.values[index].data if index >= 0 else None
        return None if data is None else np.asarray(data)


def read_network(content: bytes, *, name: str) -> Network:
    """The first graph of a `.tflite` file.

    Raises:
        InputError: not a sound file.
    """
    _, graphs = verify_tflite(content, name=name)
    graph = graphs[0]
    nodes = tuple(
        Node(
            operator.name,
            tuple(-1 if tensor is None else tensor.index for tensor in operator.inputs),
            tuple(tensor.index for tensor in operator.outputs),
            operator.options,
            operator.options_code,
            operator.version,
        )
        for operator in graph.operators
    )
    return Network(
        tuple(map(_value, graph.tensors)),
        nodes,
        tuple(tensor.index for tensor in graph.inputs),
        tuple(tensor.index for tensor in graph.outputs),
    )


def _value(tensor: Tensor) -> Value:
    data = None
    if tensor.data is not None and tensor.dtype not in ("string", "int4", "int2", "bfloat16"):
        data = tensor.data.view(np.dtype(tensor.dtype).newbyteorder("<")).reshape(tensor.shape)
    return Value(tensor.name, tensor.shape, tensor.dtype, data, tensor.scale, tensor.zero_point, tensor.axis)


def write_network(network: Network) -> bytes:
    """The bytes of a `.tflite` file.

    Args:
        network: What to write; tensors that no operator touches are left out. The oldest TensorFlow Lite version that
            runs its operators is recorded as the converter does.
    """
    used = sorted({i for node in network.nodes for i in (*node.inputs, *node.outputs) if i >= 0} | set(network.inputs))
    place = {index: number for number, index in enumerate(used)}
    buffers = [make_table(SCHEMA, "Buffer")]  # the first buffer is empty by definition
    tensors = [_tensor_table(network.values[index], buffers) for index in used]
    kinds = sorted({(node.kind, node.version) for node in network.nodes})
    operators = [
        make_table(
            SCHEMA,
            "Operator",
            opcode_index=kinds.index((node.kind, node.version)),
            inputs=np.array([place.get(i, -1) for i in node.inputs], np.int32),
            outputs=np.array([place[i] for i in node.outputs], np.int32),
            builtin_options_type=node.options_code if node.options is not None else 0,
            builtin_options=node.options,
        )
        for node in network.nodes
    ]
    graph = make_table(
        SCHEMA,
        "SubGraph",
        tensors=tensors,
        inputs=np.array([place[i] for i in network.inputs], np.int32),
        outputs=np.array([place[i] for i in network.outputs], np.int32),
        operators=operators,
        name="main",
    )
    stamp = oldest_runtime(kinds).encode().ljust(MIN_RUNTIME_FIELD_BYTES, b"\0")
    buffers.append(make_table(SCHEMA, "Buffer", data=np.frombuffer(stamp, np.uint8)))
    model = make_table(
        SCHEMA,
        "Model",
        version=SCHEMA_VERSION,
        operator_codes=[_code_table(*kind) for kind in kinds],
        subgraphs=[graph],
        description="batikkit",
        buffers=buffers,
        metadata=[make_table(SCHEMA, "Metadata", name="min_runtime_version", buffer=len(buffers) - 1)],
    )
    return pack_flatbuffer(model, SCHEMA, identifier=FILE_IDENTIFIER)


def _code_table(kind: str, version: int) -> Table:
    code = BUILTIN_OPERATORS.index(kind)
    old = min(code, _LARGEST_OLD_CODE)
    return make_table(SCHEMA, "OperatorCode", deprecated_builtin_code=old, builtin_code=code, version=version)


def _tensor_table(value: Value, buffers: list[Table]) -> Table:
    buffer = 0
    if value.data is not None:
        content = np.ascontiguousarray(value.data.astype(np.dtype(value.dtype).newbyteorder("<")))
        buffers.append(make_table(SCHEMA, "Buffer", data=np.frombuffer(content.tobytes(), np.uint8)))
        buffer = len(buffers) - 1
    quantization = None
    if len(value.scale):
        quantization = make_table(
            SCHEMA,
            "QuantizationParameters",
            scale=value.scale,
            zero_point=value.zero_point,
            quantized_dimension=value.axis,
        )
    return make_table(
        SCHEMA,
        "Tensor",
        shape=np.array(value.shape, np.int32),
        type=TENSOR_TYPES.index(value.dtype),
        buffer=buffer,
        name=value.name,
        quantization=quantization,
        has_rank=True,
    )
