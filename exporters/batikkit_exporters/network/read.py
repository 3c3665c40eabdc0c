"""Reads a `.tflite` file as a `Network`."""

from __future__ import annotations

import numpy as np

from batikkit.tflite.file import verify_tflite
from batikkit.tflite.graph import Tensor
from batikkit_exporters.network.network import Network, Node, Value


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
