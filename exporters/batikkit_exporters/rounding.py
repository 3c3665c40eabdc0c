"""Rounds each weight by what that does to the layer's output, and corrects the bias for what remains.

Rounding every weight to its nearest grid point ignores that errors add up over a filter: behind a ReLU all inputs are
positive, so that a filter's rounding errors shift its output as a whole. Here the weights of a filter are rounded one
after the other, and the error of each is made up for by those still to come, weighted by how the inputs vary together
on the calibration photographs (Frantar and Alistarh 2022, "Optimal Brain Compression"; Frantar et al. 2022, "GPTQ").
The mean of what remains goes into the bias, which is exact to 32 bits (bias correction, Nagel et al. 2019).

Layers are treated in order and see their inputs as the quantized layers before them give them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.keras_backend import tf
from batikkit_exporters.grid import Grid, weight_scale
from batikkit_exporters.network import Network, Node
from batikkit_exporters.twin import PADDINGS, WEIGHT_AXIS, compute, on_grid

DAMPING = 0.01
"""Added to the diagonal of the inputs' covariance, as a share of its mean: photographs are few."""
CHUNK = 8
"""Photographs in hand at a time: every layer's tensors exist twice, and a phone's network is wide at its start."""
PLACES = 6_000
PLACES_PER_INPUT = 40
"""About how many places of the photographs a layer's statistics come from, at least, and for each input of a filter;
they lie evenly over all photographs."""
Floats = NDArray[np.float64]
Images = Any
Live = dict[int, list[Images]]


@dataclass(frozen=True, eq=False)
class Rounded:
    """A network whose weights lie on their grids.

    Attributes:
        network: With rounded weights and corrected biases, in float.
        scales: Scale of each weight tensor by position, broadcastable to it.
    """

    network: Network
    scales: dict[int, NDArray[np.float32]]


def round_weights(
    network: Network, grids: Mapping[int, Grid], images: NDArray[np.uint8], *, second_order: bool = True
) -> Rounded:
    """Rounds all weights whose operator computes in integers and corrects their biases.

    Args:
        network: A float network.
        grids: The grid of each quantized tensor.
        images: Calibration photographs, uint8 [N, S, S, 3]; some fifty suffice.
        second_order: False rounds to nearest and corrects the biases only.
    """
    constants: dict[int, NDArray[np.float32]] = {}
    scales: dict[int, NDArray[np.float32]] = {}
    pixels = [tf.constant(images[start : start + CHUNK].astype(np.float32)) for start in range(0, len(images), CHUNK)]
    source = network.inputs[0]
    exact: Live = {source: pixels}
    rough: Live = {source: [_settled(chunk, grids.get(source)) for chunk in pixels]}
    last_use = {index: number for number, node in enumerate(network.nodes) for index in node.inputs}
    for number, node in enumerate(network.nodes):
        grid = grids.get(node.outputs[0])
        if grid is not None and node.kind in WEIGHT_AXIS:
            _round_node(network, node, exact[node.inputs[0]], rough[node.inputs[0]], constants, scales, second_order)
        spent = {index for index in node.inputs if last_use[index] == number}
        exact[node.outputs[0]] = _advance(network, node, exact, {}, None, spent)
        rough[node.outputs[0]] = _advance(network, node, rough, constants, grid, spent)
    return Rounded(network.with_constants(constants), scales)


def _advance(
    network: Network,
    node: Node,
    live: Live,
    constants: Mapping[int, NDArray[np.float32]],
    grid: Grid | None,
    spent: Collection[int],
) -> list[Images]:
    """A node's output on all photographs; what nothing reads after it goes as soon as it is used."""
    held = {index: live.pop(index) if index in spent else list(live[index]) for index in node.inputs if index in live}
    fixed = {
        index: tf.constant(constants.get(index, network.values[index].data))
        for index in node.inputs
        if index >= 0 and index not in held
    }
    found = []
    for _ in range(max(map(len, held.values()))):
        chunk = {index: chunks.pop(0) for index, chunks in held.items()}
        found.append(_settled(compute(node, [(chunk | fixed).get(index) for index in node.inputs]), grid))
    return found


def _settled(value: Images, grid: Grid | None) -> Images:
    return value if grid is None else on_grid(value, grid)


def _round_node(
    network: Network,
    node: Node,
    exact: Sequence[Images],
    rough: Sequence[Images],
    constants: dict[int, NDArray[np.float32]],
    scales: dict[int, NDArray[np.float32]],
    second_order: bool,
) -> None:
    kernel, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else -1
    weights = np.asarray(network.constant(kernel), np.float64)
    scale = weight_scale(weights, axis=WEIGHT_AXIS[node.kind])
    mean_exact, _ = _moments(node, exact, weights.shape, covariance=False)
    mean_rough, covariance = _moments(node, rough, weights.shape, covariance=second_order)
    rows = _to_rows(node, weights)
    row_scale = _to_rows(node, np.broadcast_to(scale, weights.shape))
    if covariance is None:
        rounded = _nearest(rows, row_scale)
    else:
        rounded = compensate(rows, row_scale, covariance)
    constants[kernel] = _from_rows(node, rounded, weights.shape).astype(np.float32)
    scales[kernel] = scale.astype(np.float32)
    if bias >= 0:
        shift = (rows * mean_exact).sum(axis=-1) - (rounded * mean_rough).sum(axis=-1)
        constants[bias] = (np.asarray(network.constant(bias), np.float64) + shift.reshape(-1)).astype(np.float32)


def compensate(rows: Floats, scale: Floats, covariance: Floats) -> Floats:
    """Rounds filters to their grids, each weight making up for the errors of those before it.

    Args:
        rows: float64 [G, F, K]: F filters of K weights in each of G groups that share inputs.
        scale: float64 [G, F, K].
        covariance: float64 [G, K, K] of the inputs.

    Returns:
        Float64 [G, F, K], multiples of `scale` within +-127 of it.
    """
    inputs = covariance.shape[-1]
    diagonal = np.einsum("gkk->gk", covariance)
    # Inputs that never move say nothing; weights on them are simply rounded to nearest.
    damping = DAMPING * np.maximum(diagonal.mean(axis=1), 1e-12)
    damped = covariance + damping[:, None, None] * np.eye(inputs)
    order = np.argsort(-diagonal, axis=1, kind="stable")  # the most telling weights first, with most left to adjust
    damped = np.take_along_axis(np.take_along_axis(damped, order[:, :, None], 1), order[:, None, :], 2)
    work = np.take_along_axis(rows, order[:, None, :], 2)
    steps = np.take_along_axis(scale, order[:, None, :], 2)
    factor = np.linalg.cholesky(np.linalg.inv(damped)).swapaxes(1, 2)  # upper triangular
    rounded = np.empty_like(work)
    for column in range(inputs):
        rounded[:, :, column] = _nearest(work[:, :, column], steps[:, :, column])
        error = (work[:, :, column] - rounded[:, :, column]) / factor[:, None, column, column]
        work[:, :, column + 1 :] -= error[:, :, None] * factor[:, None, column, column + 1 :]
    back = np.argsort(order, axis=1)
    return np.take_along_axis(rounded, back[:, None, :], 2)


def _nearest(weights: Floats, scale: Floats) -> Floats:
    return np.asarray(np.clip(np.rint(weights / scale), -127, 127) * scale)


def _to_rows(node: Node, weights: Floats) -> Floats:
    """[G, F, K]: one group of all filters, or for a depthwise layer one group of one filter per channel."""
    if node.kind == "DEPTHWISE_CONV_2D":
        return np.array(weights.reshape(-1, weights.shape[3]).T[:, None, :])
    return np.array(weights.reshape(1, weights.shape[0], -1))


def _from_rows(node: Node, rows: Floats, shape: tuple[int, ...]) -> Floats:
    back = rows[:, 0, :].T if node.kind == "DEPTHWISE_CONV_2D" else rows
    return np.asarray(back.reshape(shape))


def _moments(
    node: Node, chunks: Sequence[Images], shape: tuple[int, ...], *, covariance: bool
) -> tuple[Floats, Floats | None]:
    """Mean [G, 1, K] and covariance [G, K, K] of what the layer's filters are laid over."""
    step = _step(node, chunks, shape)
    totals, count = np.float64(0), 0
    parts = [_windows(node, chunk, shape, step) for chunk in chunks]
    for part in parts:
        totals = totals + np.stack([window.sum(axis=0, dtype=np.float64) for window in part])
        count += len(part[0])
    mean = _grouped(node, totals / count)[None]  # [1, K, G]
    if not covariance:
        return mean.transpose(2, 0, 1), None
    squares = np.float64(0)
    for part in parts:
        patches = _grouped(node, np.stack(part, axis=1)) - mean.astype(np.float32)  # [rows, K, G]
        rows = tf.transpose(tf.constant(patches), (2, 0, 1))
        squares = squares + tf.matmul(rows, rows, transpose_a=True).numpy().astype(np.float64)
    return mean.transpose(2, 0, 1), squares / count


def _grouped(node: Node, windows: NDArray[Any]) -> NDArray[Any]:
    """[..., W, C] as [..., K, G]: a depthwise filter sees one channel, any other all of them."""
    if node.kind == "DEPTHWISE_CONV_2D":
        return windows
    return windows.reshape(*windows.shape[:-2], -1, 1)


def _step(node: Node, chunks: Sequence[Images], shape: tuple[int, ...]) -> int:
    """Distance of neighbouring places in the layer's output whose surroundings are looked at."""
    if node.kind == "FULLY_CONNECTED":
        return 1
    height, width = chunks[0].shape[1] // node.option("stride_h"), chunks[0].shape[2] // node.option("stride_w")
    places = sum(int(chunk.shape[0]) for chunk in chunks) * height * width
    inputs = int(np.prod(shape[1:3])) * (1 if node.kind == "DEPTHWISE_CONV_2D" else int(shape[3]))
    return max(1, round(float(np.sqrt(places / max(PLACES, PLACES_PER_INPUT * inputs)))))


def _windows(node: Node, source: Images, shape: tuple[int, ...], step: int) -> list[NDArray[np.float32]]:
    """For each of the W elements of a filter what lies under it at every `step`-th place of each row and column.

    Returns:
        W times float32 [rows, C].
    """
    if node.kind == "FULLY_CONNECTED":
        return [np.asarray(source).reshape(-1, shape[1])]
    window = [int(shape[1]), int(shape[2])]
    strides = [node.option("stride_h"), node.option("stride_w")]
    rates = [node.option("dilation_h_factor", 1), node.option("dilation_w_factor", 1)]
    if PADDINGS[node.option("padding")] == "SAME":  # before the step, which would move what padding does
        sides = [_same(*of) for of in zip(source.shape[1:3], window, strides, rates, strict=True)]
        source = tf.pad(source, [(0, 0), *sides, (0, 0)]) if any(map(any, sides)) else source
    # Where the first element of each window lies; the others are the same places, shifted.
    rows, columns = (
        range(0, length - rate * (size - 1), stride * step)
        for length, size, stride, rate in zip(source.shape[1:3], window, strides, rates, strict=True)
    )
    pixels, channels = np.asarray(source), int(source.shape[3])  # a view; slicing it is faster than TensorFlow's way
    return [
        pixels[:, y : y + rows[-1] + 1 : rows.step, x : x + columns[-1] + 1 : columns.step].reshape(-1, channels)
        for y in range(0, window[0] * rates[0], rates[0])
        for x in range(0, window[1] * rates[1], rates[1])
    ]


def _same(length: int, window: int, stride: int, rate: int) -> tuple[int, int]:
    """TensorFlow's SAME padding of one axis, before and after."""
    total = max((-(-length // stride) - 1) * stride + rate * (window - 1) + 1 - length, 0)
    return total // 2, total - total // 2
