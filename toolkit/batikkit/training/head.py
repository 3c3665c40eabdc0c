"""Phase 1 with the head solved rather than stepped: one penalty after the other, from strong to weak."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from batikkit.network import model
from batikkit.runs.history import Epoch
from batikkit.training import convex
from batikkit.training.distributed import Workers
from batikkit.training.feeds import cut_of
from batikkit.training.inputs import Inputs
from batikkit.training.schedule import DivergedError, Patience, Phase, score
from batikkit.training.state import State
from batikkit.training.targets import image_weights, smooth


def solve_head(
    net: Any, inputs: Inputs, state: State, phase: Phase, *, workers: Workers, tell: Callable[[str, int, int], None]
) -> Generator[State, None, State]:
    """Solves the head for one penalty an epoch, each from the solution before; as `loop.fit` yields.

    Mixup and dropout have no part in it; label smoothing and class weights do. The validation images choose the
    penalty, by their loss where `monitor` is `last`, since the last penalty is but the weakest.

    Raises:
        DivergedError: the features are no numbers.
    """
    config, number = inputs.config, state.phase
    cut = cut_of(net, config, phase)
    assert cut is not None
    classes, head = int(net.output.shape[1]), net.get_layer(model.HEAD)
    names = [weight.name for weight in head.weights]
    problem = _Problem(inputs, cut, phase.views, classes, workers)
    flat = np.asarray(state.optimizer[0], np.float64) if state.optimizer else np.zeros(problem.size)
    best = state.best
    for epoch in range(state.epoch, phase.epochs):
        started = time.perf_counter()
        tell(f"phase {number + 1}: {phase.name}", epoch, phase.epochs)
        flat = problem.solve(convex.penalties(phase.epochs)[epoch], flat)
        kernel, bias = problem.unscaled(flat)
        weights = dict(zip(names, (kernel.astype(np.float32), bias.astype(np.float32)), strict=True))
        loss, accuracy = problem.training(flat)
        val_loss, val_accuracy = problem.validation(kernel, bias)
        row = Epoch(
            len(state.history) + 1, number + 1, 0.0, loss, accuracy, val_loss, val_accuracy,
            time.perf_counter() - started,
        )  # fmt: skip
        value = (
            -val_loss
            if config.monitor == "last"
            else score(config, val_loss=val_loss, val_accuracy=val_accuracy, epoch=row.epoch)
        )
        better = state.best_score is None or value > state.best_score
        best = weights if better else best
        over = epoch + 1 == phase.epochs
        with workers.waiting():
            model.put_weights(net, best if over else weights)
        tell(f"phase {number + 1}: {phase.name}", epoch + 1, phase.epochs)
        state = State(
            phase=number + 1 if over else number,
            epoch=0 if over else epoch + 1,
            history=(*state.history, row),
            best_score=value if better else state.best_score,
            patience=Patience(),
            weights=best if over else weights,
            best=best,
            optimizer=() if over else [flat],
        )
        yield state
    return state


class _Problem:
    """The head's training as a convex function of its kernel and bias, summed over all workers' images."""

    def __init__(self, inputs: Inputs, cut: str, views: int, classes: int, workers: Workers) -> None:
        config, labels, own = inputs.config, inputs.train.labels, inputs.share.of(len(inputs.train.labels))
        known = inputs.training_features(cut, views)
        features = np.asarray(known, np.float32).reshape(-1, known.shape[-1])
        self._workers, self._width, self._classes = workers, features.shape[1], classes
        self.size = (self._width + 1) * classes
        sums = features.sum(axis=0, dtype=np.float64)
        if not np.isfinite(sums).all():
            raise DivergedError("the frozen layers answer with what is no number: train again from other --weights")
        squares = np.einsum("nd,nd->d", features, features, dtype=np.float64)
        count, *moments = np.split(workers.total(np.concatenate([[len(features)], sums, squares])), [1, 1 + len(sums)])
        self._scaling = convex.scaling_of(float(count[0]), *moments)
        importance = image_weights(labels, classes, balanced=config.class_weights)
        importance /= np.float32(len(labels) * len(known))
        self._labels = np.tile(labels[own], len(known))
        targets = np.tile(smooth(inputs.train.targets(own, classes), config.label_smoothing), (len(known), 1))
        self._scaled = self._scaling.scaled(features)
        self._own = convex.softmax_loss(self._scaled, targets, np.tile(importance[own], len(known)))
        self._checked = np.asarray(inputs.validation_inputs(cut), np.float64)
        truth = inputs.validation.labels
        self._truth, self._truths = truth[inputs.share.of(len(truth))], len(truth)

    def _loss(self, flat: convex.Floats) -> tuple[float, convex.Floats]:
        value, gradient = self._own(flat)
        total = self._workers.total(np.concatenate([[value], gradient]))
        return float(total[0]), total[1:]

    def solve(self, penalty: float, start: convex.Floats) -> convex.Floats:
        """The optimum's flat parameters, of scaled features."""
        size = self._width * self._classes
        return convex.minimize(convex.with_penalty(self._loss, penalty, kernel_size=size), start)

    def unscaled(self, flat: convex.Floats) -> tuple[convex.Floats, convex.Floats]:
        """Kernel [D, C] and bias [C] for the features as they are."""
        return self._scaling.unscaled(*convex.split(flat, self._width, self._classes))

    def training(self, flat: convex.Floats) -> tuple[float, float]:
        """Mean weighted loss [nats], without the penalty, and accuracy over all views."""
        kernel, bias = convex.split(flat, self._width, self._classes)
        hits = float(np.sum((self._scaled @ kernel.astype(np.float32) + bias).argmax(axis=1) == self._labels))
        right, seen = self._workers.total((hits, len(self._labels)))
        return self._loss(flat)[0], float(right / seen)

    def validation(self, kernel: convex.Floats, bias: convex.Floats) -> tuple[float, float]:
        """Mean loss [nats] and accuracy over the validation images of all workers."""
        logits = self._checked @ kernel + bias
        loss = convex.cross_entropy(logits, self._truth) * len(self._truth) if len(self._truth) else 0.0
        hits = float(np.sum(logits.argmax(axis=1) == self._truth))
        total, right = self._workers.total((loss, hits))
        return float(total / self._truths), float(right / self._truths)
