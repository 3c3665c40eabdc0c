"""A convolutional network's file for another image size: only the shapes of what is computed differ.

Weights, operators and the file's length stay. So one converted file stands for all sizes, and a board needs no
converter to measure them.
"""

from __future__ import annotations

from batikkit.errors import InputError
from batikkit.tflite.file import verify_tflite
from batikkit.tflite.flatbuffer import Table, read_flatbuffer
from batikkit.tflite.graph import Graph
from batikkit.tflite.schema import FILE_IDENTIFIER, SCHEMA

STRIDE = 32
"""Between the input and the last feature map."""


def resized(content: bytes, side: int, *, name: str = "the file") -> bytes:
    """The file for `side` x `side` pixels.

    Args:
        content: A `.tflite` file of one image [1, S, S, 3] whose layers halve S at most five times.
        side: Another S, a multiple of 32.
        name: What to call it in messages.

    Raises:
        InputError: the file is damaged, or a tensor's shape does not follow from S.
    """
    if side % STRIDE or side <= 0:
        raise InputError(f"{name} for {side} px: give a multiple of {STRIDE}")
    _, (graph, *_) = verify_tflite(content, name=name)
    shape = graph.inputs[0].shape
    if len(shape) != 4 or shape[1] != shape[2] or shape[1] % STRIDE:
        raise InputError(f"{name} takes {list(shape)}, no square image of a multiple of {STRIDE} px")
    data = bytearray(content)
    model = read_flatbuffer(data, SCHEMA, "Model", identifier=FILE_IDENTIFIER)  # its arrays are views into `data`
    fixed = _constants(graph)
    for index, tensor in enumerate(model.tables("subgraphs")[0].tables("tensors")):
        if index not in fixed:
            _put(tensor, shape[1], side, name)
    return bytes(data)


def _constants(graph: Graph) -> set[int]:
    """Positions of tensors that depend on no image: constants, and float16 ones made float32."""
    found = {tensor.index for tensor in graph.tensors if tensor.data is not None}
    for operator in graph.operators:
        if all(tensor is None or tensor.index in found for tensor in operator.inputs):
            found |= {tensor.index for tensor in operator.outputs if tensor is not None}
    return found


def _put(tensor: Table, before: int, side: int, name: str) -> None:
    for field in ("shape", "shape_signature"):
        values = tensor.array(field)
        for axis in (1, 2) if len(values) == 4 else ():
            values[axis] = _along(int(values[axis]), before, side, f"{name}, tensor {tensor.text('name')}")


def _along(length: int, before: int, side: int, what: str) -> int:
    """The length that follows from `side` as this one follows from `before`: halved some times, or that padded by 1."""
    if length == 1:
        return 1  # pooled
    for padding in (0, 1):
        for halvings in range(6):
            if (length - padding) << halvings == before:
                return (side >> halvings) + padding
    raise InputError(f"{what} is {length} long, which does not follow from {before} px: convert it for {side} px")
