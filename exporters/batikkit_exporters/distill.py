"""Trains a quantized network to answer as its float original does, on the train split's photographs.

Quantization-aware training with the float network as teacher (after Polino et al. 2018): the loss is the divergence of
the answers, not the labels' cross-entropy, since what the small file promises is to agree. Activations keep their
grids; weights keep their scales and are rounded in every step with the straight-through gradient. Batch normalization
is already part of the weights, so nothing needs freezing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.keras_backend import tf
from batikkit_exporters.grid import Grid
from batikkit_exporters.network import Network
from batikkit_exporters.rounding import Rounded
from batikkit_exporters.twin import WEIGHT_AXIS, compiled, run

BATCH = 16
Advance = Callable[[int, int], None]


def distill(
    start: Rounded,
    grids: Mapping[int, Grid],
    *,
    teacher: Network,
    images: NDArray[np.uint8],
    epochs: int = 4,
    learning_rate: float = 1e-5,
    seed: int = 0,
    advance: Advance = lambda _done, _total: None,
) -> Rounded:
    """Fine-tunes rounded weights and biases.

    Args:
        start: Where to start from; its scales are kept.
        grids: The grid of each quantized tensor.
        teacher: The float network.
        images: Photographs of the train split, uint8 [N, S, S, 3].
        epochs: Times each photograph is shown.
        learning_rate: Of Adam; falls to 0 along a cosine.
        seed: Orders the photographs.
        advance: Called after every step.

    Returns:
        Weights on the same scales.
    """
    scales = {index: tf.constant(scale) for index, scale in start.scales.items()}
    # The answer's own 256 steps would hide most of what there is to learn from.
    grids = {index: grid for index, grid in grids.items() if index not in start.network.outputs}
    variables = _variables(start)
    answer = compiled(teacher)
    targets = np.concatenate([answer(images[s : s + BATCH].astype(np.float32)) for s in range(0, len(images), BATCH)])
    optimizer = _Adam(list(variables.values()))
    network = start.network

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(batch: Any, wanted: Any, rate: Any) -> Any:
        with tf.GradientTape() as tape:
            constants = {i: round_to(v, scales[i]) if i in scales else v.value() for i, v in variables.items()}
            given = run(network, batch, grids=grids, constants=constants, weights_quantized=False)
            loss = _divergence(wanted, given)
        optimizer.apply(tape.gradient(loss, list(variables.values())), rate)
        return loss

    rng = np.random.default_rng(seed)
    steps_per_epoch = max(1, len(images) // BATCH)
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        for number in range(steps_per_epoch):
            chosen = order[number * BATCH : (number + 1) * BATCH]
            done = epoch * steps_per_epoch + number
            rate = learning_rate * 0.5 * (1 + np.cos(np.pi * done / (epochs * steps_per_epoch)))
            batch = tf.constant(images[chosen].astype(np.float32))
            step(batch, tf.constant(targets[chosen]), tf.constant(rate, tf.float32))
            advance(done + 1, epochs * steps_per_epoch)
    found = {i: round_to(v, scales[i]).numpy() if i in scales else v.numpy() for i, v in variables.items()}
    return Rounded(network.with_constants(found), start.scales)


def round_to(weights: Any, scale: Any) -> Any:
    """Weights on their grid, with the gradient of the weights themselves."""
    rounded = tf.clip_by_value(tf.round(weights / scale), -127.0, 127.0) * scale
    return weights + tf.stop_gradient(rounded - weights)


def _variables(start: Rounded) -> dict[int, Any]:
    found = {}
    for node in start.network.nodes:
        if node.kind in WEIGHT_AXIS:
            for index in node.inputs[1:]:
                data = start.network.constant(index)
                if data is not None:
                    found[index] = tf.Variable(data)
    return found


def _divergence(wanted: Any, given: Any) -> Any:
    """Mean Kullback-Leibler divergence of float32 [N, C] probabilities."""
    # Scores on the output's own grid can be 0.
    wanted, given = tf.maximum(wanted, 1e-6), tf.maximum(given, 1e-6)
    return tf.reduce_mean(tf.reduce_sum(wanted * (tf.math.log(wanted) - tf.math.log(given)), axis=-1))


class _Adam:
    """Adam (Kingma and Ba 2015) on plain variables; Keras' own would tie this to one Keras."""

    def __init__(self, variables: list[Any]) -> None:
        self._variables = variables
        self._first = [tf.Variable(tf.zeros_like(v)) for v in variables]
        self._second = [tf.Variable(tf.zeros_like(v)) for v in variables]
        self._step = tf.Variable(0.0)

    def apply(self, gradients: list[Any], rate: Any) -> None:
        self._step.assign_add(1.0)
        scale = rate * tf.sqrt(1 - 0.999**self._step) / (1 - 0.9**self._step)
        for variable, gradient, first, second in zip(
            self._variables, gradients, self._first, self._second, strict=True
        ):
            first.assign(0.9 * first + 0.1 * gradient)
            second.assign(0.999 * second + 0.001 * gradient**2)
            variable.assign_sub(scale * first / (tf.sqrt(second) + 1e-8))
