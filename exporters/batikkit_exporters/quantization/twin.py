"""A network's operators in TensorFlow: whole batches at once, every tensor visible, and differentiable.

A quantized network can be rehearsed here before it exists: tensors that have a grid are rounded to it, weights to
theirs, with the straight-through gradient (Bengio et al. 2013) that lets such a network be trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.network.keras_backend import tf
from batikkit_exporters.network.network import Network
from batikkit_exporters.network.operators import compute, weights_of
from batikkit_exporters.network.operators.operator import Tensor
from batikkit_exporters.quantization.grid import Grid, weight_scale

Observe = Callable[[int, Tensor], Tensor]


def run(
    network: Network,
    images: Tensor,
    *,
    grids: Mapping[int, Grid] | None = None,
    constants: Mapping[int, Tensor] | None = None,
    observe: Observe | None = None,
    weights_quantized: bool = True,
) -> Tensor:
    """Runs the network on float32 [N, S, S, 3] 0..255 and returns its output float32 [N, C].

    Args:
        network: A float network.
        images: The pixels.
        grids: Tensors to round, by position; None runs in float.
        constants: Replacements for constants, such as variables that train.
        observe: Called with each computed tensor's position and value; what it returns is passed on.
        weights_quantized: With grids, round weights too.

    Raises:
        UnsupportedOperatorError: an operator that is not known here.
    """
    live: dict[int, Tensor] = {}

    def settle(index: int, value: Tensor) -> None:
        if grids is not None and index in grids:
            value = on_grid(value, grids[index])
        live[index] = value if observe is None else observe(index, value)

    def read(index: int) -> Tensor:
        if index in live:
            return live[index]
        if constants is not None and index in constants:
            return constants[index]
        return tf.constant(network.values[index].data)

    settle(network.inputs[0], images)
    last_use = {index: number for number, node in enumerate(network.nodes) for index in node.inputs}
    for number, node in enumerate(network.nodes):
        inputs = [None if index < 0 else read(index) for index in node.inputs]
        # Weights are rounded where their operator computes in integers, which its output's grid tells.
        integer = grids is not None and weights_quantized and node.outputs[0] in grids
        weights = weights_of(node)
        if integer and weights is not None:
            inputs[1] = _rounded_weights(inputs[1], weights.scale_axis)
        settle(node.outputs[0], compute(node, inputs))
        for index in node.inputs:
            if last_use[index] == number and index not in network.outputs:
                live.pop(index, None)
    return live[network.outputs[0]]


def compiled(network: Network, **options: Any) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """`run` as a function of one batch, traced once."""
    # Autograph would rewrite every operator's Python, in which nothing depends on a tensor.
    function = tf.function(lambda images: run(network, images, **options), reduce_retracing=True, autograph=False)
    return lambda images: np.asarray(function(tf.constant(images)))


def on_grid(value: Tensor, grid: Grid) -> Tensor:
    """Rounds to the grid and clips to its ends, in one pass; the gradient passes wherever nothing was clipped."""
    low, high = grid.limits()
    bits = 8 * np.dtype(grid.dtype).itemsize
    return tf.quantization.fake_quant_with_min_max_args(value, min=low, max=high, num_bits=bits)


def _rounded_weights(weights: Tensor, axis: int | None) -> Tensor:
    scale = tf.stop_gradient(weight_scale(weights, axis=axis, xp=tf))
    return weights + tf.stop_gradient(tf.round(weights / scale) * scale - weights)
