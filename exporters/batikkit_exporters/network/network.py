"""A network as plain values, as it is read from a `.tflite` file and written back to one.

The quantizer, the equalisation and the training of quantized networks all work on this form: constants are NumPy
arrays, operators name their tensors by position, and nothing refers to the framework the network came from.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError
from batikkit.tflite.flatbuffer import Table

Array = NDArray[np.generic]


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
