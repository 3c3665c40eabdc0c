"""Rounds each weight by what that does to the layer's output, and corrects the bias for what remains.

Rounding every weight to its nearest grid point ignores that errors add up over a filter: behind a ReLU all inputs are
positive, so that a filter's rounding errors shift its output as a whole. Here the weights of a filter are rounded one
after the other, and the error of each is made up for by those still to come, weighted by how the inputs vary together
on the calibration photographs (Frantar and Alistarh 2022, "Optimal Brain Compression"; Frantar et al. 2022, "GPTQ").
The mean of what remains goes into the bias, which is exact to 32 bits (bias correction, Nagel et al. 2019).

Layers are treated in order and see their inputs as the quantized layers before them give them.
"""

from __future__ import annotations

from collections.abc import Mapping
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
PATCH_BYTES = 100_000_000
Floats = NDArray[np.float64]
Images = Any


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
        images: Calibration photographs, uint8 [N, S, S, 3]; a hundred suffice, all are held in memory at once.
        second_order: False rounds to nearest and corrects the biases only.
    """
    constants: dict[int, NDArray[np.float32]] = {}
    scales: dict[int, NDArray[np.float32]] = {}
    pixels = tf.constant(images.astype(np.float32))
    exact = {network.inputs[0]: pixels}
    rough = {network.inputs[0]: _settled(pixels, grids.get(network.inputs[0]))}
    last_use = {index: number for number, node in enumerate(network.nodes) for index in node.inputs}
    for number, node in enumerate(network.nodes):
        grid = grids.get(node.outputs[0])
        wanted = compute(node, [_read(network, exact, index) for index in node.inputs])
        if grid is not None and node.kind in WEIGHT_AXIS:
            _round_node(network, node, exact[node.inputs[0]], rough[node.inputs[0]], constants, scales, second_order)
        given = [
            tf.constant(constants[index]) if index in constants else _read(network, rough, index)
            for index in node.inputs
        ]
        exact[node.outputs[0]], rough[node.outputs[0]] = wanted, _settled(compute(node, given), grid)
        for index in node.inputs:
            if last_use[index] == number:
                exact.pop(index, None)
                rough.pop(index, None)
    return Rounded(network.with_constants(constants), scales)


def _read(network: Network, live: Mapping[int, Images], index: int) -> Images:
    if index < 0:
        return None
    return live[index] if index in live else tf.constant(network.values[index].data)


def _settled(value: Images, grid: Grid | None) -> Images:
    return value if grid is None else on_grid(value, grid)


def _round_node(
    network: Network,
    node: Node,
    exact: Images,
    rough: Images,
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


def _moments(node: Node, source: Images, shape: tuple[int, ...], *, covariance: bool) -> tuple[Floats, Floats | None]:
    """Mean [G, 1, K] and covariance [G, K, K] of what the layer's filters are laid over."""
    patches = _patches(node, source, shape)  # [rows, K, G]
    mean = tf.reduce_mean(patches, axis=0, keepdims=True)
    spread = None
    if covariance:
        centred = tf.transpose(patches - mean, (2, 0, 1))
        spread = tf.matmul(centred, centred, transpose_a=True).numpy().astype(np.float64) / centred.shape[1]
    return tf.transpose(mean, (2, 0, 1)).numpy().astype(np.float64), spread


def _patches(node: Node, source: Images, shape: tuple[int, ...]) -> Images:
    """What each filter sees at each place, float32 [rows, K, G]; as many photographs as `PATCH_BYTES` allows."""
    if node.kind == "FULLY_CONNECTED":
        return tf.reshape(source, (-1, shape[1], 1))
    height, width = int(shape[1]), int(shape[2])
    strides = [1, node.option("stride_h"), node.option("stride_w"), 1]
    places = int(np.prod(source.shape[1:3])) // (strides[1] * strides[2])
    bytes_per_image = places * height * width * int(source.shape[3]) * 4
    kept = source[: max(8, PATCH_BYTES // bytes_per_image)]
    rates = [1, node.option("dilation_h_factor", 1), node.option("dilation_w_factor", 1), 1]
    padding = PADDINGS[node.option("padding")]
    found = tf.image.extract_patches(kept, [1, height, width, 1], strides, rates, padding)
    if node.kind == "DEPTHWISE_CONV_2D":
        return tf.reshape(found, (-1, height * width, source.shape[3]))
    return tf.reshape(found, (-1, height * width * source.shape[3], 1))
