"""Trains a compressed network to answer as its float original does, on the train split's photographs.

The float network is the teacher (after Polino et al. 2018): the loss is the divergence of the answers, not the labels'
cross-entropy, since what the small file promises is to agree. What is trained is a matter of the parameters: weights
that are rounded in every step (quantization-aware training), weights of which some stay zero, or a few shared values.
Batch normalization is already part of the weights, so nothing needs freezing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from batikkit.network.keras_backend import tf
from batikkit_exporters.network.network import Network
from batikkit_exporters.network.operators import weights_of
from batikkit_exporters.network.operators.operator import Tensor
from batikkit_exporters.quantization.grid import Grid
from batikkit_exporters.quantization.rounding import Rounded
from batikkit_exporters.quantization.twin import compiled, run

BATCH = 16
Advance = Callable[[int, int], None]


class Parameters(Protocol):
    """What is trained, and how the network's constants follow from it."""

    def variables(self) -> list[Tensor]:
        """The `tf.Variable`s."""

    def constants(self) -> dict[int, Tensor]:
        """The constants that follow from the variables, by position, differentiable."""


class RoundedWeights:
    """Weights that are rounded to given scales in every step, with the straight-through gradient; biases are free."""

    def __init__(self, start: Rounded) -> None:
        self._scales = {index: tf.constant(scale) for index, scale in start.scales.items()}
        self._variables = trainable_constants(start.network)

    def variables(self) -> list[Tensor]:
        """One per constant."""
        return list(self._variables.values())

    def constants(self) -> dict[int, Tensor]:
        """On their grids."""
        return {
            index: _round_to(variable, self._scales[index]) if index in self._scales else variable + 0.0
            for index, variable in self._variables.items()
        }


def distill(
    network: Network,
    parameters: Parameters,
    *,
    teacher: Network,
    images: NDArray[np.uint8],
    grids: Mapping[int, Grid] | None = None,
    epochs: int = 4,
    learning_rate: float = 1e-5,
    seed: int = 0,
    advance: Advance = lambda _done, _total: None,
) -> Network:
    """Fine-tunes a network's constants.

    Args:
        network: Gives the operators.
        parameters: What is trained.
        teacher: The float network.
        images: Photographs of the train split, uint8 [N, S, S, 3].
        grids: The grid of each quantized tensor; None trains in float.
        epochs: Times each photograph is shown.
        learning_rate: Of Adam; falls to 0 along a cosine.
        seed: Orders the photographs.
        advance: Called after every step.

    Returns:
        The network with what the parameters have become.
    """
    # The answer's own 256 steps would hide most of what there is to learn from.
    seen_grids = None if grids is None else {i: grid for i, grid in grids.items() if i not in network.outputs}
    answer = compiled(teacher)
    targets = np.concatenate([answer(images[s : s + BATCH].astype(np.float32)) for s in range(0, len(images), BATCH)])
    variables = parameters.variables()
    optimizer = _Adam(variables)

    shapes = [tf.TensorSpec([None, *array.shape[1:]], tf.float32) for array in (images, targets)]

    # Traced once, for the last batch of an epoch is a shorter one; autograph would rewrite Python for nothing.
    @tf.function(input_signature=[*shapes, tf.TensorSpec([])], autograph=False)  # type: ignore[untyped-decorator]
    def step(batch: Tensor, wanted: Tensor, rate: Tensor) -> None:
        with tf.GradientTape() as tape:
            constants = parameters.constants()
            given = run(network, batch, grids=seen_grids, constants=constants, weights_quantized=False)
            loss = _divergence(wanted, given)
        optimizer.apply(tape.gradient(loss, variables), rate)

    rng = np.random.default_rng(seed)
    steps_per_epoch = -(-len(images) // BATCH)
    for epoch in range(epochs):
        order = rng.permutation(len(images))
        for number in range(steps_per_epoch):
            chosen = order[number * BATCH : (number + 1) * BATCH]
            done = epoch * steps_per_epoch + number
            rate = learning_rate * 0.5 * (1 + np.cos(np.pi * done / (epochs * steps_per_epoch)))
            batch = tf.constant(images[chosen].astype(np.float32))
            step(batch, tf.constant(targets[chosen]), tf.constant(rate, tf.float32))
            advance(done + 1, epochs * steps_per_epoch)
    return network.with_constants({index: value.numpy() for index, value in parameters.constants().items()})


def trainable_constants(network: Network) -> dict[int, Tensor]:
    """A variable for every weight and bias, by position."""
    found = {}
    for node in network.nodes:
        if weights_of(node) is not None:
            for index in node.inputs[1:]:
                data = network.constant(index)
                if data is not None:
                    found[index] = tf.Variable(data)
    return found


def _round_to(weights: Tensor, scale: Tensor) -> Tensor:
    rounded = tf.clip_by_value(tf.round(weights / scale), -127.0, 127.0) * scale
    return weights + tf.stop_gradient(rounded - weights)


def _divergence(wanted: Tensor, given: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of float32 [N, C] probabilities."""
    wanted, given = tf.maximum(wanted, 1e-6), tf.maximum(given, 1e-6)
    return tf.reduce_mean(tf.reduce_sum(wanted * (tf.math.log(wanted) - tf.math.log(given)), axis=-1))


class _Adam:
    """Adam (Kingma and Ba 2015) on plain variables; Keras' own would tie this to one Keras."""

    def __init__(self, variables: list[Tensor]) -> None:
        self._variables = variables
        self._first = [tf.Variable(tf.zeros_like(v)) for v in variables]
        self._second = [tf.Variable(tf.zeros_like(v)) for v in variables]
        self._step = tf.Variable(0.0)

    def apply(self, gradients: list[Tensor], rate: Tensor) -> None:
        self._step.assign_add(1.0)
        scale = rate * tf.sqrt(1 - 0.999**self._step) / (1 - 0.9**self._step)
        for variable, gradient, first, second in zip(
            self._variables, gradients, self._first, self._second, strict=True
        ):
            gradient = tf.convert_to_tensor(gradient)  # shared values give sparse gradients
            first.assign(0.9 * first + 0.1 * gradient)
            second.assign(0.999 * second + 0.001 * gradient**2)
            variable.assign_sub(scale * first / (tf.sqrt(second) + 1e-8))
