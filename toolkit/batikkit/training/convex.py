"""A classifier on frozen features solved to its optimum: softmax regression by L-BFGS. Pure.

While the backbone is frozen the head is a convex problem with one answer. Stepping towards it with Adam leaves it
undertrained by as much as the schedule allows; solving it takes seconds and has nothing to tune but its penalty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]

MEMORY = 10
"""Pairs of steps that L-BFGS remembers; 3 to 20 are customary (Nocedal and Wright 2006, section 7.2)."""
MOST_STEPS = 1000
TOLERANCE = 1e-5
"""Of the largest component of the gradient, for a loss in nats over features of unit variance."""
STRONGEST, WEAKEST = 1.0, 0.01
"""Penalties on features of unit variance, for a mean loss in nats: from too strong to nearly none."""
_ENOUGH = 1e-4  # of the decrease that the slope promises (Armijo)
_HALVINGS = 30


def penalties(count: int) -> Floats:
    """Float64 [count], from strong to weak in equal steps of their logarithm; the middle one if there is only one."""
    if count == 1:
        return np.array([np.sqrt(STRONGEST * WEAKEST)])
    return np.geomspace(STRONGEST, WEAKEST, count)


@dataclass(frozen=True, eq=False)
class Scaling:
    """Brings every feature to mean 0 and deviation 1, so that one penalty suits them all.

    Attributes:
        mean: Float64 [D].
        deviation: Float64 [D], positive.
    """

    mean: Floats
    deviation: Floats

    def scaled(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Float32 [N, D]."""
        mean, deviation = self.mean.astype(np.float32), self.deviation.astype(np.float32)
        return np.asarray((features - mean) / deviation, np.float32)

    def unscaled(self, kernel: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """The kernel [D, C] and bias [C] that say of the features what those given say of scaled ones."""
        raw = kernel / self.deviation[:, None]
        return raw, bias - self.mean @ raw


def scaling_of(count: float, total: Floats, squares: Floats) -> Scaling:
    """From the number of rows, the features' sums [D] and their squares' [D]; constant features keep their scale."""
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    return Scaling(mean, np.where(deviation > 1e-6 * np.abs(mean).max(initial=1e-6), deviation, 1.0))


def softmax_loss(
    features: NDArray[np.float32], targets: NDArray[np.float32], weights: NDArray[np.float32]
) -> Objective:
    """The weighted cross-entropy [nats] of softmax(features @ kernel + bias), and its gradient, without a penalty.

    Args:
        features: Float32 [N, D].
        targets: Float32 [N, C], rows sum to 1.
        weights: Float32 [N], each row's weight in the sum.

    Returns:
        A function of the flat parameters, float64 [(D + 1) * C]: kernel [D, C] first, then bias [C].
    """
    width, classes = features.shape[1], targets.shape[1]

    def evaluate(flat: Floats) -> tuple[float, Floats]:
        kernel, bias = split(flat, width, classes)
        logits = (features @ kernel.astype(np.float32)).astype(np.float64) + bias
        logits -= logits.max(axis=1, keepdims=True)
        log_sums = np.log(np.exp(logits).sum(axis=1, keepdims=True))
        log_probabilities = logits - log_sums
        loss = -float(weights @ (targets * log_probabilities).sum(axis=1))
        errors = (np.exp(log_probabilities) - targets) * weights[:, None]
        gradient = features.T @ errors.astype(np.float32)
        return loss, np.concatenate([gradient.astype(np.float64).ravel(), errors.sum(axis=0)])

    return evaluate


def split(flat: Floats, width: int, classes: int) -> tuple[Floats, Floats]:
    """Kernel [D, C] and bias [C] of flat parameters."""
    return flat[: width * classes].reshape(width, classes), flat[width * classes :]


def with_penalty(loss: Objective, penalty: float, *, kernel_size: int) -> Objective:
    """Adds penalty / 2 times the squared norm of the kernel; the bias is free."""

    def evaluate(flat: Floats) -> tuple[float, Floats]:
        value, gradient = loss(flat)
        kernel = flat[:kernel_size]
        pulled = gradient.copy()
        pulled[:kernel_size] += penalty * kernel
        return value + penalty / 2 * float(kernel @ kernel), pulled

    return evaluate


def minimize(objective: Objective, start: Floats, *, tolerance: float = TOLERANCE, most: int = MOST_STEPS) -> Floats:
    """The minimum of a smooth convex function, by L-BFGS with backtracking (Nocedal and Wright 2006, algorithm 7.5).

    Args:
        objective: Gives value and gradient.
        start: Where to begin.
        tolerance: Ends when no component of the gradient is larger.
        most: Steps at most.
    """
    place, (value, gradient) = start, objective(start)
    pairs: list[tuple[Floats, Floats]] = []
    for _ in range(most):
        if np.abs(gradient).max() <= tolerance:
            break
        direction = -_times_inverse_hessian(gradient, pairs)
        slope = float(direction @ gradient)
        step = 1.0 if pairs else min(1.0, 1.0 / float(np.abs(gradient).sum()))
        for _ in range(_HALVINGS):
            moved = place + step * direction
            new_value, new_gradient = objective(moved)
            if new_value <= value + _ENOUGH * step * slope:
                break
            step /= 2
        else:
            break  # rounding errors are all that is left
        change, turn = moved - place, new_gradient - gradient
        if float(change @ turn) > 1e-12 * float(turn @ turn):
            pairs = [*pairs[-MEMORY + 1 :], (change, turn)]
        place, value, gradient = moved, new_value, new_gradient
    return place


def _times_inverse_hessian(gradient: Floats, pairs: list[tuple[Floats, Floats]]) -> Floats:
    """The two-loop recursion (algorithm 7.4)."""
    result, factors = gradient.copy(), []
    for change, turn in reversed(pairs):
        factor = float(change @ result) / float(change @ turn)
        factors.append(factor)
        result -= factor * turn
    if pairs:
        change, turn = pairs[-1]
        result *= float(change @ turn) / float(turn @ turn)
    for (change, turn), factor in zip(pairs, reversed(factors), strict=True):
        result += (factor - float(turn @ result) / float(change @ turn)) * change
    return np.asarray(result)


def cross_entropy(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Mean categorical cross-entropy of [N, C] logits against int [N] labels, in nats."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_sum - shifted[np.arange(len(labels)), labels]))
