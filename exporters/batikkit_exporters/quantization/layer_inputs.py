"""What the filters of a layer see on photographs: means and covariances, from places spread evenly over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.network.keras_backend import tf
from batikkit_exporters.network.network import Node
from batikkit_exporters.network.operators import weights_of
from batikkit_exporters.network.operators.operator import Weights, dilations, padding, strides

PLACES = 6_000
PLACES_PER_INPUT = 40
"""About how many places a layer's statistics come from, at least, and for each input of a filter."""
Floats = NDArray[np.float64]
Images = Any


def moments(
    node: Node, chunks: Sequence[Images], shape: tuple[int, ...], *, covariance: bool
) -> tuple[Floats, Floats | None]:
    """Mean and covariance of what a layer's filters are laid over.

    Args:
        node: The layer.
        chunks: Its input on photographs, float32 [N, H, W, C] each.
        shape: Of its weights.
        covariance: False saves the work.

    Returns:
        Float64 [G, 1, K] and [G, K, K], for G groups of filters that share K inputs.
    """
    layout = weights_of(node)
    assert layout is not None
    step = _step(node, layout, chunks, shape)
    totals, count = np.float64(0), 0
    parts = [_windows(node, layout, chunk, shape, step) for chunk in chunks]
    for part in parts:
        totals = totals + np.stack([window.sum(axis=0, dtype=np.float64) for window in part])
        count += len(part[0])
    mean = _grouped(layout, totals / count)[None]  # [1, K, G]
    if not covariance:
        return mean.transpose(2, 0, 1), None
    squares = np.float64(0)
    for part in parts:
        patches = _grouped(layout, np.stack(part, axis=1)) - mean.astype(np.float32)  # [rows, K, G]
        rows = tf.transpose(tf.constant(patches), (2, 0, 1))
        squares = squares + tf.matmul(rows, rows, transpose_a=True).numpy().astype(np.float64)
    return mean.transpose(2, 0, 1), squares / count


def _grouped(layout: Weights, windows: NDArray[Any]) -> NDArray[Any]:
    """[..., W, C] as [..., K, G]: a depthwise filter sees one channel, any other all of them."""
    if layout.depthwise:
        return windows
    return windows.reshape(*windows.shape[:-2], -1, 1)


def _step(node: Node, layout: Weights, chunks: Sequence[Images], shape: tuple[int, ...]) -> int:
    """Distance of neighbouring places in the layer's output whose surroundings are looked at."""
    if not layout.sliding:
        return 1
    down, across = strides(node)
    height, width = chunks[0].shape[1] // down, chunks[0].shape[2] // across
    places = sum(int(chunk.shape[0]) for chunk in chunks) * height * width
    inputs = int(np.prod(shape[1:3])) * (1 if layout.depthwise else int(shape[3]))
    return max(1, round(float(np.sqrt(places / max(PLACES, PLACES_PER_INPUT * inputs)))))


def _windows(
    node: Node, layout: Weights, source: Images, shape: tuple[int, ...], step: int
) -> list[NDArray[np.float32]]:
    """For each of the W elements of a filter what lies under it at every `step`-th place of each row and column.

    Returns:
        W times float32 [rows, C].
    """
    if not layout.sliding:
        return [np.asarray(source).reshape(-1, shape[1])]
    window = [int(shape[1]), int(shape[2])]
    steps, rates = strides(node), dilations(node)
    if padding(node) == "SAME":  # before the step, which would move what padding does
        sides = [_same(*of) for of in zip(source.shape[1:3], window, steps, rates, strict=True)]
        source = tf.pad(source, [(0, 0), *sides, (0, 0)]) if any(map(any, sides)) else source
    # Where the first element of each window lies; the others are the same places, shifted.
    rows, columns = (
        range(0, length - rate * (size - 1), stride * step)
        for length, size, stride, rate in zip(source.shape[1:3], window, steps, rates, strict=True)
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
