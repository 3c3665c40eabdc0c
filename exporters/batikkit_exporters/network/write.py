"""Writes a `Network` as a `.tflite` file."""

from __future__ import annotations

import numpy as np

from batikkit.tflite.flatbuffer import Table
from batikkit.tflite.schema import BUILTIN_OPERATORS, FILE_IDENTIFIER, SCHEMA, SCHEMA_VERSION, TENSOR_TYPES
from batikkit_exporters.flatbuffer_pack import make_table, pack_flatbuffer
from batikkit_exporters.network.network import Network, Value
from batikkit_exporters.network.operators import oldest_runtime

# The slot for the operator code used by readers older than TensorFlow 2.4 holds one byte.
_LARGEST_OLD_CODE = 127
MIN_RUNTIME_FIELD_BYTES = 16


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
