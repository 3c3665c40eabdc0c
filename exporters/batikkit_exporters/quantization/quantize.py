"""A float network and a grid for each of its tensors in, the integer network out.

This is what makes a choice of ranges, of bits per layer and of layers left in float reach the file exactly as chosen
and rehearsed. Weights are symmetric 8-bit with a scale per output channel; biases are on the product of input and
weight scales. Layers may stay in float: those around them are then joined by QUANTIZE and DEQUANTIZE,
and the file says so (`integer_only`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError
from batikkit.tflite.flatbuffer import Table
from batikkit_exporters.network.network import Network, Node, UnsupportedOperatorError, Value
from batikkit_exporters.network.operators import find_operator, weights_of
from batikkit_exporters.network.operators.operator import JOINED, Weights
from batikkit_exporters.network.write import write_network
from batikkit_exporters.quantization.grid import QUANTIZED_TYPES, Grid, grid_over, weight_scale

_BIAS_LIMIT = 2**31 - 1


def quantize(
    network: Network,
    grids: Mapping[int, Grid],
    *,
    scales: Mapping[int, NDArray[np.float32]] | None = None,
    floating: frozenset[int] = frozenset(),
    io: str = "uint8",
) -> bytes:
    """The `.tflite` bytes of the quantized network: uint8 (or int8) pixels in, float32 (or int8) scores out.

    Args:
        network: A float network.
        grids: By tensor position.
        floating: Tensors whose operators stay in float32; their grid is what integer operators behind them read.
        scales: Scale of weight tensors by position, where they were chosen already; otherwise from the largest weight.
        io: `uint8`, or `int8` for microcontrollers.

    Raises:
        UnsupportedOperatorError: an operator without an integer kernel here.
    """
    return write_network(_Quantizer(network, grids, scales or {}, floating).build(io))


class _Quantizer:
    """Builds the integer network operator by operator; `place` maps (float tensor, type) to its new position."""

    def __init__(
        self,
        network: Network,
        grids: Mapping[int, Grid],
        scales: Mapping[int, NDArray[np.float32]],
        floating: frozenset[int],
    ) -> None:
        self._network, self._grids, self._scales, self._floating = network, grids, scales, floating
        self._values: list[Value] = []
        self._nodes: list[Node] = []
        self._place: dict[tuple[int, Grid | None], int] = {}

    def build(self, io: str) -> Network:
        network = self._network
        source = self._entry(network.inputs[0], io)
        for node in network.nodes:
            grid = self._own_grid(node.outputs[0])
            if grid is None:
                self._float_node(node)
            else:
                self._integer_node(node, grid)
        result = self._exit(network.outputs[0], io)
        return Network(tuple(self._values), tuple(self._nodes), (source,), (result,))

    def _own_grid(self, index: int) -> Grid | None:
        """The grid on which a tensor is computed; None: in float."""
        return None if index in self._floating else self._grids.get(index)

    def _add(self, value: Value) -> int:
        self._values.append(value)
        return len(self._values) - 1

    def _computed(self, index: int, grid: Grid | None) -> int:
        """A new tensor for a computed one."""
        value = self._network.values[index]
        suffix = "" if grid is None else f"/{grid.dtype}"
        new = Value(value.name + suffix, value.shape, "float32")
        if grid is not None:
            new = replace(
                new,
                dtype=grid.dtype,
                scale=np.array([grid.scale], np.float32),
                zero_point=np.array([grid.zero_point], np.int64),
            )
        self._place[index, grid] = self._add(new)
        return self._place[index, grid]

    def _entry(self, index: int, io: str) -> int:
        grid = self._grids[index]
        if io == "int8":
            return self._computed(index, grid)
        value = self._network.values[index]
        one, zero = np.ones(1, np.float32), np.zeros(1, np.int64)
        source = self._add(Value(value.name, value.shape, "uint8", scale=one, zero_point=zero))
        self._nodes.append(Node("QUANTIZE", (source,), (self._computed(index, grid),), version=2))
        return source

    def _exit(self, index: int, io: str) -> int:
        grid = self._own_grid(index)
        if io == "int8" and grid is not None and grid.dtype == "int8":
            return self._place[index, grid]
        return self._input(index, None)

    def _input(self, index: int, grid: Grid | None) -> int:
        """The position of a computed tensor on a given grid (None: in float), converted if need be."""
        if (index, grid) in self._place:
            return self._place[index, grid]
        origin_grid = self._own_grid(index)
        origin = self._place[index, origin_grid]
        target = self._computed(index, grid)
        kind = "DEQUANTIZE" if grid is None else "QUANTIZE"
        wide = origin_grid is not None and origin_grid.dtype == "int16"
        version = (3 if wide else 2) if grid is None else (1 if origin_grid is None else 2)
        self._nodes.append(Node(kind, (origin,), (target,), version=version))
        return target

    def _float_node(self, node: Node) -> None:
        inputs = tuple(self._float_input(node, position) for position in range(len(node.inputs)))
        self._nodes.append(replace(node, inputs=inputs, outputs=(self._computed(node.outputs[0], None),)))

    def _float_input(self, node: Node, position: int) -> int:
        index = node.inputs[position]
        if index < 0:
            return -1
        data = self._network.constant(index)
        if data is None:
            return self._input(index, None)
        value = self._network.values[index]
        if value.dtype != "float32" or weights_of(node) is None or position != 1:
            return self._add(value)
        # Half-precision weights keep a float layer near the size of an integer one; runtimes unpack them once.
        packed = self._add(Value(value.name + "/float16", value.shape, "float16", data.astype(np.float16)))
        unpacked = self._add(Value(value.name, value.shape, "float32"))
        self._nodes.append(Node("DEQUANTIZE", (packed,), (unpacked,), version=3))
        return unpacked

    def _integer_node(self, node: Node, grid: Grid) -> None:
        dtype = grid.dtype
        operator = find_operator(node.kind)
        if dtype not in operator.versions:
            raise UnsupportedOperatorError(f"operator {node.kind} has no {dtype} kernel here: leave that variant out")
        if operator.weights is not None:
            inputs = self._weighted_inputs(node, dtype, operator.weights)
        elif operator.grid == JOINED:
            inputs = tuple(self._input(index, grid) for index in node.inputs)
        else:
            inputs = tuple(self._plain_input(index, dtype) for index in node.inputs)
        output = self._computed(node.outputs[0], grid)
        version = operator.versions[dtype]
        self._nodes.append(replace(node, inputs=inputs, outputs=(output,), version=version, options=_options(node)))

    def _source_grid(self, index: int, dtype: str) -> Grid:
        """The grid on which an integer operator of type `dtype` reads a computed tensor."""
        grid = self._grids.get(index)
        if grid is not None and grid.dtype == dtype:
            return grid
        if grid is None:
            raise InputError(f"tensor {self._network.values[index].name!r} has no range: observe it first")
        low, high = grid.limits()
        return grid_over(low, high, dtype)

    def _weighted_inputs(self, node: Node, dtype: str, layout: Weights) -> tuple[int, ...]:
        source = self._source_grid(node.inputs[0], dtype)
        weights = self._network.constant(node.inputs[1])
        assert weights is not None
        axis = layout.scale_axis
        scale = self._scales.get(node.inputs[1])
        if scale is None:
            scale = weight_scale(weights.astype(np.float64), axis=axis)
        quantized = np.clip(np.rint(weights / scale), -127, 127).astype(np.int8)
        scales = scale.reshape(-1).astype(np.float32)
        zeros = np.zeros(len(scales), np.int64)
        name = self._network.values[node.inputs[1]].name
        kernel = self._add(Value(name, weights.shape, "int8", quantized, scales, zeros, axis or 0))
        inputs = [self._input(node.inputs[0], source), kernel]
        if len(node.inputs) > 2:
            inputs.append(self._bias(node.inputs[2], source, scales))
        return tuple(inputs)

    def _bias(self, index: int, source: Grid, scales: NDArray[np.float32]) -> int:
        if index < 0:
            return -1
        bias = self._network.constant(index)
        assert bias is not None
        bias_scale = (np.float32(source.scale) * scales).astype(np.float32)
        quantized = np.rint(bias.astype(np.float64) / bias_scale)
        wide = source.dtype == "int16"
        limit = 2**40 if wide else _BIAS_LIMIT
        data = np.clip(quantized, -limit, limit).astype(np.int64 if wide else np.int32)
        zeros = np.zeros(len(bias_scale), np.int64)
        name = self._network.values[index].name
        return self._add(Value(name, bias.shape, data.dtype.name, data, bias_scale, zeros))

    def _plain_input(self, index: int, dtype: str) -> int:
        data = self._network.constant(index)
        if data is None:
            return self._input(index, self._source_grid(index, dtype))
        value = self._network.values[index]
        if value.dtype != "float32":  # axes, paddings, shapes
            return self._add(value)
        grid = grid_over(float(data.min()), float(data.max()), dtype)
        smallest, largest = QUANTIZED_TYPES[dtype]
        quantized = np.clip(np.rint(data / grid.scale) + grid.zero_point, smallest, largest).astype(dtype)
        scale, zero = np.array([grid.scale], np.float32), np.array([grid.zero_point], np.int64)
        return self._add(Value(value.name, value.shape, dtype, quantized, scale, zero))


def _options(node: Node) -> Table | None:
    """The operator's options; 16-bit addition is told that its scales are no powers of two."""
    options = node.options
    if options is not None and "pot_scale_int16" in options.values:
        options = replace(options, values={**options.values, "pot_scale_int16": False})
    return options
