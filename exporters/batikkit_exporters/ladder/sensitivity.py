"""Which layers hurt a quantized network most: how far each one's rounding moves the answer, to first order.

Each operator gets exact inputs, so the error it makes is its own (its weights' and its output's rounding). Multiplied
by the gradient of the decision with respect to that output, it tells how far the decision would move if everything
after it were exact. One forward and one backward pass rank all layers, where trying them one by one takes a run each.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.network.keras_backend import tf
from batikkit_exporters.network.network import Network, Node
from batikkit_exporters.network.operators import compute, find_operator, weights_of
from batikkit_exporters.network.operators.operator import UNIT
from batikkit_exporters.quantization.grid import Grid
from batikkit_exporters.quantization.observation import batches
from batikkit_exporters.quantization.rounding import Rounded
from batikkit_exporters.quantization.twin import on_grid


@dataclass(frozen=True)
class LayerHarm:
    """One operator.

    Attributes:
        node: Its position in the network.
        tensor: Name of its output tensor.
        margin_shift: Mean absolute change of log(first / second probability) that its rounding alone causes [nats].
    """

    node: int
    kind: str
    tensor: str
    margin_shift: float


def rank_layers(
    network: Network, rounded: Rounded, grids: Mapping[int, Grid], images: NDArray[np.uint8]
) -> list[LayerHarm]:
    """All quantized operators, the most harmful first.

    Args:
        network: The float network.
        rounded: Its rounded form.
        grids: The grid of each quantized tensor.
        images: uint8 [N, S, S, 3]; some tens suffice.
    """
    numbers = [
        i for i, node in enumerate(network.nodes) if node.outputs[0] in grids and find_operator(node.kind).grid != UNIT
    ]
    # Without autograph, which would rewrite every operator's Python for nothing.
    one_batch = functools.partial(_shifts, network, rounded, grids, numbers)
    function = tf.function(one_batch, reduce_retracing=True, autograph=False)
    shifts = np.concatenate([np.asarray(function(tf.constant(batch))) for batch in batches(images)], axis=1)
    harm = np.abs(shifts).mean(axis=1)
    found = [
        LayerHarm(i, network.nodes[i].kind, network.values[network.nodes[i].outputs[0]].name, float(value))
        for i, value in zip(numbers, harm, strict=True)
    ]
    return sorted(found, key=lambda layer: -layer.margin_shift)


def _shifts(network: Network, rounded: Rounded, grids: Mapping[int, Grid], numbers: list[int], batch: Any) -> Any:
    """Float32 [layers, N]: first-order change of the margin by each layer's own error."""
    live: dict[int, Any] = {network.inputs[0]: batch}
    errors: dict[int, Any] = {}
    with tf.GradientTape() as tape:
        tape.watch(batch)
        for number, node in enumerate(network.nodes):
            inputs = [
                None if i < 0 else live[i] if i in live else tf.constant(network.values[i].data) for i in node.inputs
            ]
            exact = compute(node, inputs)
            live[node.outputs[0]] = exact
            if number in numbers:
                errors[number] = tf.stop_gradient(_rough(rounded, node, inputs, grids) - exact)
        top = tf.math.top_k(tf.math.log(tf.maximum(live[network.outputs[0]], 1e-9)), 2).values
        margin = tf.reduce_sum(top[:, 0] - top[:, 1])
    gradients = tape.gradient(margin, [live[network.nodes[number].outputs[0]] for number in numbers])
    products = [errors[n] * g for n, g in zip(numbers, gradients, strict=True)]
    return tf.stack([tf.reduce_sum(tf.reshape(p, (tf.shape(batch)[0], -1)), axis=1) for p in products])


def _rough(rounded: Rounded, node: Any, inputs: list[Any], grids: Mapping[int, Grid]) -> Any:
    if weights_of(node) is not None:
        source, exact, *bias = inputs
        weights = tf.constant(rounded.network.values[node.inputs[1]].data)
        if bias and bias[0] is not None:
            # It is corrected for this layer's own mean error alone: those before it are exact here.
            change = compute(_linear(node), [source, weights - exact, None])
            bias = [bias[0] - tf.reduce_mean(tf.reshape(change, (-1, change.shape[-1])), axis=0)]
        inputs = [source, weights, *bias]
    return on_grid(compute(node, inputs), grids[node.outputs[0]])


def _linear(node: Node) -> Node:
    assert node.options is not None
    plain = {**node.options.values, "fused_activation_function": 0}
    return replace(node, options=replace(node.options, values=plain))
