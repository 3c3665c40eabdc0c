"""The two-phase training, top to bottom. No files, no bars, no messages: whoever iterates over it does that."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.network import model
from batikkit.runs.history import Epoch
from batikkit.settings import TrainConfig
from batikkit.training.batches import batches
from batikkit.training.clock import Clock
from batikkit.training.convex import cross_entropy
from batikkit.training.distributed import Workers
from batikkit.training.engine import Engine
from batikkit.training.feeds import cut_of
from batikkit.training.head import solve_head
from batikkit.training.inputs import Inputs
from batikkit.training.schedule import HEAD, DivergedError, Patience, Phase, phases, rate_at, score
from batikkit.training.state import State

Tell = Callable[[str, int, int], None]
"""tell(what, done, total): how far the present piece of work is."""


def fit(
    net: Any,
    inputs: Inputs,
    *,
    state: State | None = None,
    workers: Workers | None = None,
    clock: Clock | None = None,
    tell: Tell = lambda *_: None,
) -> Iterator[State]:
    """Trains all phases, or what is left of them; leaves the best weights in the network.

    Args:
        net: The flat Keras model, holding the weights of `state`; trained in place.
        inputs: Images and settings, with room reserved for what is to be cached. A precision of `auto` means float32
            here: `precision_for` decides before.
        state: Where an earlier training was stopped.
        workers: The processes that train together; this one alone if None.
        clock: Told how long each part takes.
        tell: Told how far it is.

    Yields:
        The state after each epoch. After the last epoch of a phase the network holds the best weights so far.

    Raises:
        DivergedError: the loss became NaN.
        WorkerLostError: another worker died.
    """
    config, state = inputs.config, state or State()
    workers, clock = workers or Workers(), clock or Clock()
    plan = phases(config)
    for number, phase in list(enumerate(plan))[state.phase :]:
        unfreeze(net, config, phase)
        with clock.measuring(f"features{number + 1}"):
            _extract(net, inputs, plan[number:], workers=workers, tell=tell)
        with clock.measuring(f"phase{number + 1}"):
            train = solve_head if phase.solved else _fit_phase
            state = yield from train(net, inputs, state, phase, workers=workers, tell=tell)
    if plan:  # also when a resumed run has none left: the flags tell what was trained
        unfreeze(net, config, plan[-1])


def _fit_phase(
    net: Any, inputs: Inputs, state: State, phase: Phase, *, workers: Workers, tell: Tell
) -> Generator[State, None, State]:
    config, number, classes = inputs.config, state.phase, int(net.output.shape[1])
    layer = cut_of(net, config, phase)
    cut = layer if inputs.cached(layer) else None
    learned = model.learned(net)
    with workers.waiting(), workers.scope():
        best = state.best if state.epoch else model.read_weights(learned)
        engine = Engine(net, start=cut or net.layers[0].name, config=config, precision=phase.precision(config))
        if state.optimizer:
            engine.restore(state.optimizer)

    for epoch in range(state.epoch, phase.epochs):
        started, seen, losses, hits, rate = time.perf_counter(), 0, 0.0, 0.0, 0.0
        for batch in batches(inputs, classes=classes, phase=number, epoch=epoch, cut=cut):
            rate = rate_at(config, phase, at=epoch + batch.at, scale=state.patience.scale)
            with workers.waiting():
                loss, right = engine.train(
                    batch.inputs, batch.targets, weights=batch.weights, learning_rate=rate, key=batch.key
                )
            seen, losses, hits = seen + batch.images, losses + loss * batch.images, hits + right
            done = epoch * len(inputs.train.labels) + seen
            tell(f"phase {number + 1}: {phase.name}", done, phase.epochs * len(inputs.train.labels))

        with workers.waiting():
            with engine.averaged():
                val_loss, val_accuracy = _validate(engine, inputs, cut, workers)
                _refuse_nan(losses / seen + val_loss, number, phase, epoch)
                value = score(config, val_loss=val_loss, val_accuracy=val_accuracy, epoch=len(state.history) + 1)
                better = state.best_score is None or value > state.best_score
                best = model.read_weights(learned) if better else best
            patience = state.patience.after(value, config)
            over = epoch + 1 == phase.epochs or patience.is_over(config)
            if over:  # the next phase starts from the best weights so far, and so does the final model
                model.put_weights(net, best)
            row = Epoch(
                len(state.history) + 1, number + 1, rate, losses / seen, hits / seen, val_loss, val_accuracy,
                time.perf_counter() - started,
            )  # fmt: skip
            state = State(
                phase=number + 1 if over else number,
                epoch=0 if over else epoch + 1,
                history=(*state.history, row),
                best_score=value if better else state.best_score,
                patience=Patience() if over else patience,
                weights=best if over else model.read_weights(learned),
                best=best,
                optimizer=() if over else engine.state(),
            )
        yield state
        if over:
            break
    return state


def unfreeze(net: Any, config: TrainConfig, phase: Phase) -> None:
    """Marks the layers that a phase trains."""
    if phase.name == HEAD:
        model.freeze_backbone(net)
    else:
        model.unfreeze_above(net, frozen_layers=config.frozen_layers, batch_norm_frozen=config.batch_norm_frozen)


def _extract(net: Any, inputs: Inputs, left: tuple[Phase, ...], *, workers: Workers, tell: Tell) -> None:
    """What the first of the phases left needs, and in the same pass what the others need of the same views.

    What lies below the cuts never changes, so a resumed run extracts what the first one did.
    """
    cuts = [cut_of(net, inputs.config, phase) for phase in left]
    if cuts[0] is None or not inputs.cached(cuts[0]) or inputs.drawn(cuts[0]) >= left[0].views:
        return
    wanted = [cut for cut in cuts if cut and inputs.cached(cut)]
    inputs.extract(
        workers.plain(net, inputs.config),
        wanted,
        views=left[0].views,
        advance=lambda done, total, *_: tell("frozen features", done, total),
    )


def _validate(engine: Engine, inputs: Inputs, cut: str | None, workers: Workers) -> tuple[float, float]:
    """Mean loss [nats] and accuracy over the validation images of all workers."""
    source, truth = inputs.validation_inputs(cut), inputs.validation.labels
    own = truth[workers.share.of(len(truth))]
    sums = (0.0, 0.0)
    if len(own):
        logits = _all_logits(engine, source)
        sums = cross_entropy(logits, own) * len(own), float(np.sum(logits.argmax(axis=1) == own))
    loss, accuracy = workers.total(sums) / len(truth)
    return float(loss), float(accuracy)


def _all_logits(engine: Engine, source: NDArray[np.generic]) -> NDArray[np.float32]:
    starts = range(0, len(source), model.EVALUATION_BATCH)
    return np.concatenate([engine.logits(source[s : s + model.EVALUATION_BATCH].astype(np.float32)) for s in starts])


def _refuse_nan(loss: float, number: int, phase: Phase, epoch: int) -> None:
    if not np.isfinite(loss):
        setting = "phase1_learning_rate" if phase.name == HEAD else "phase2_learning_rate"
        raise DivergedError(
            f"the loss became {loss} in phase {number + 1}, epoch {epoch + 1}: lower {setting} "
            f"(now {phase.learning_rate:g}) and train again"
        )
