"""The two-phase training of a run, top to bottom: extract, train the head, fine-tune, keep every epoch."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit import atomic, runs
from batikkit.config import TrainConfig
from batikkit.console import Advance
from batikkit.errors import BatikkitError, InputError
from batikkit.network import model
from batikkit.training import checkpoint
from batikkit.training.checkpoint import Checkpoint, Progress
from batikkit.training.distributed import Workers
from batikkit.training.engine import Engine, cross_entropy, learning_rate_at
from batikkit.training.inputs import Inputs, Split
from batikkit.training.run_lock import CACHE_FOLDER
from batikkit.training.tensorboard import TENSORBOARD_FOLDER, TensorBoard

HISTORY_COLUMNS = ("epoch", "phase", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy", "seconds")
HEAD_PHASE = "head"
Bar = Callable[[str], Any]
"""Bar(description) is a context manager that yields an `Advance`."""


class DivergedError(BatikkitError):
    """The loss is no longer a number."""

    exit_code = 1


@dataclass(frozen=True)
class Phase:
    """One stage of training.

    Attributes:
        cut: The layer whose output is cached; None trains the network from its pixels.
        views: How many cached views of each image it sees.
    """

    name: str
    epochs: int
    learning_rate: float
    cut: str | None
    views: int


class Trainer:
    """Carries one run from its first epoch to its best weights.

    Args:
        net: The flat Keras model, backbone frozen; trained in place.
        config: The settings.
        train: Images to learn from.
        validation: Images that choose the best epoch.
        run: Run folder for the history and the checkpoint.
        bar: Makes progress bars.
        engine: `cached`, `keras` (everything on the fly) or `auto`.
        cache_bytes: Upper bound of the feature cache; a phase that would exceed it computes on the fly.
        cache: Folder of the feature cache; `cache.tmp` in the run folder if None.
        phase_done: Called with each finished phase while the model holds its best weights; after a kill perhaps again.
        workers: The processes that train together, of which the chief alone writes; this one alone if None.
        tensorboard: Also write event files.
    """

    def __init__(
        self,
        net: Any,
        config: TrainConfig,
        train: Split,
        validation: Split,
        *,
        run: Path,
        bar: Bar,
        engine: str = "auto",
        cache_bytes: int = 8 << 30,
        cache: Path | None = None,
        phase_done: Callable[[Phase], None] | None = None,
        workers: Workers | None = None,
        tensorboard: bool = False,
    ) -> None:
        self.net, self.config, self.labels = net, config, train.labels
        self.run, self.bar = run, bar
        self.workers = workers or Workers()
        self._phase_done = phase_done
        self.progress = Progress()
        self.best_weights: checkpoint.Arrays = []
        cache = cache or run / CACHE_FOLDER
        cache.mkdir(exist_ok=True)
        self._cached = _wants_cache(engine)
        self.inputs = Inputs(config, train, validation, cache=cache, cache_bytes=cache_bytes, share=self.workers.share)
        self.timings = self.inputs.timings
        """Seconds by part: `augment` overlaps `extract`, both lie within `features1` and `features2`, which come before
        `phase1` and `phase2`; `finish` is the test, the plots and the saving."""
        self._resumed: Checkpoint | None = None
        self._board = TensorBoard(run / TENSORBOARD_FOLDER) if tensorboard and self.workers.chief else None

    def phases(self) -> list[Phase]:
        """The phases that have epochs, with the layer at which each can be cut."""
        config = self.config
        cut = model.cut_layer(self.net, frozen_layers=config.frozen_layers)
        views = config.phase1_views or config.views
        plan = [
            Phase(HEAD_PHASE, config.phase1_epochs, config.phase1_learning_rate, model.POOL, views),
            Phase("fine-tune", config.phase2_epochs, config.phase2_learning_rate, cut, config.views),
        ]
        return [phase for phase in plan if phase.epochs]

    def resume(self, saved: Checkpoint) -> None:
        """Continues from a checkpoint instead of from the start."""
        self._resumed = saved
        self.progress, self.best_weights = saved.progress, saved.best_weights
        self.net.set_weights(saved.weights)

    def fit(self) -> None:
        """Runs all phases; leaves the best weights in the model.

        Raises:
            DivergedError: the loss became NaN; the last checkpoint is intact.
        """
        phases = self.phases()
        self._reserve(phases[self.progress.phase :])
        for number in range(self.progress.phase, len(phases)):
            self._extract(number, phases[number:])
            self._fit_phase(number, phases[number])
        if phases:  # also when a resumed run has none left: the model says what was trained
            self._unfreeze(phases[-1])
            self.net.set_weights(self.best_weights)

    def _reserve(self, left: Sequence[Phase]) -> None:
        """Room in every worker's cache or in none: extraction reads the weights together."""
        views = {phase.cut: phase.views for phase in left if phase.cut}
        if self._cached:
            self.inputs.reserve(self.net, views)
        held = self.workers.total([float(self.inputs.cached(cut)) for cut in views]) if views else ()
        for cut, workers in zip(views, held, strict=True):
            if workers < self.workers.share.size:
                self.inputs.release(cut)

    def _extract(self, number: int, left: Sequence[Phase]) -> None:
        """What the first of the phases left needs, and in the same pass what the others need of the same views.

        What lies below the cuts never changes, so a resumed run extracts what the first one did.
        """
        first, views = left[0].cut, left[0].views
        if first is None or not self.inputs.cached(first) or self.inputs.drawn(first) >= views:
            return
        cuts = [phase.cut for phase in left if phase.cut and self.inputs.cached(phase.cut)]
        started = time.perf_counter()
        with self.bar("frozen features") as advance:
            net = self.workers.plain(self.net, self.config)
            self.inputs.extract(net, cuts, views=views, advance=advance)
        self.timings[f"features{number + 1}"] = time.perf_counter() - started

    def _fit_phase(self, number: int, phase: Phase) -> None:
        config, progress = self.config, self.progress
        self._unfreeze(phase)
        cut = phase.cut if self.inputs.cached(phase.cut) else None
        with self.workers.waiting(), self.workers.scope():
            engine = Engine(self.net, start=cut or self.net.layers[0].name, config=config)
            if self._resumed and self._resumed.optimizer:
                engine.restore(self._resumed.optimizer)
        self._resumed = None  # its optimiser belongs to the phase it stopped in
        started = time.perf_counter()
        with self.bar(f"phase {number + 1}: {phase.name}") as advance:
            while progress.epoch < phase.epochs and not self._stopped_early():
                self._epoch(number, phase, engine, cut, advance)
        self.timings[f"phase{number + 1}"] = time.perf_counter() - started
        # The next phase starts from the best weights seen so far, and so does the final model.
        self.net.set_weights(self.best_weights)
        if self._phase_done:
            self._phase_done(phase)
        progress.phase, progress.epoch, progress.stale_epochs = number + 1, 0, 0
        progress.plateau_scale, progress.plateau_epochs = 1.0, 0
        self._save(engine=None)

    def _unfreeze(self, phase: Phase) -> None:
        config = self.config
        if phase.name == HEAD_PHASE:
            model.freeze_backbone(self.net)
        else:
            model.unfreeze_above(
                self.net, frozen_layers=config.frozen_layers, batch_norm_frozen=config.batch_norm_frozen
            )

    def _epoch(self, number: int, phase: Phase, engine: Engine, cut: str | None, advance: Advance) -> None:
        config, progress = self.config, self.progress
        started = time.perf_counter()
        rng = np.random.default_rng((config.seed, number, progress.epoch))
        order = self.workers.share.order(len(self.labels), rng)
        starts = range(0, len(order), config.batch_size)
        batches = [order[start : start + config.batch_size] for start in starts]
        importance = self._importance()
        losses, hits, rate = 0.0, 0.0, 0.0
        for step, (indices, inputs) in enumerate(self._prefetch(batches, cut)):
            advance(progress.epoch * len(batches) + step, phase.epochs * len(batches), _figures(progress.history))
            rate = learning_rate_at(
                config,
                phase.learning_rate,
                progress=progress.epoch + (step + 1) / len(batches),
                epochs=phase.epochs,
                plateau_scale=progress.plateau_scale,
            )
            inputs, targets = self._mix(inputs, indices, (number, progress.epoch, step))
            key = (config.seed * 31 + number, progress.epoch * 100_003 + step)
            weights = importance[indices] / importance[batches[step]].sum()
            with self.workers.waiting():
                loss, right = engine.train(inputs, targets, weights=weights, learning_rate=rate, key=key)
            losses, hits = losses + loss * len(batches[step]), hits + right
        advance((progress.epoch + 1) * len(batches), phase.epochs * len(batches), _figures(progress.history))
        with self.workers.waiting():
            self._finish_epoch(number, phase, engine, cut, rate, losses / len(order), hits / len(order), started)

    def _finish_epoch(
        self,
        number: int,
        phase: Phase,
        engine: Engine,
        cut: str | None,
        rate: float,
        loss: float,
        accuracy: float,
        started: float,
    ) -> None:
        progress = self.progress
        engine.swap_averages()
        val_loss, val_accuracy = self._validate(engine, cut)
        if not np.isfinite(loss + val_loss):
            setting = "phase1_learning_rate" if phase.name == HEAD_PHASE else "phase2_learning_rate"
            raise DivergedError(
                f"the loss became {loss + val_loss} in phase {number + 1}, epoch {progress.epoch + 1}: lower {setting} "
                f"(now {phase.learning_rate:g}) and train again; the last good epoch is kept in {self.run}"
            )
        # Ties in accuracy are common on small sets; the loss breaks them.
        scores = {"loss": -val_loss, "accuracy": val_accuracy - 1e-3 * val_loss, "last": float(len(progress.history))}
        score = scores[self.config.monitor]
        if progress.best_score is None or score > progress.best_score:
            progress.best_score, progress.stale_epochs = score, 0
            self.best_weights = self.net.get_weights()
        else:
            progress.stale_epochs += 1
        engine.swap_averages()
        self._lower_on_plateau()
        seconds = time.perf_counter() - started
        progress.epoch += 1
        progress.seconds += seconds
        row = (len(progress.history) + 1, number + 1, rate, loss, accuracy, val_loss, val_accuracy, seconds)
        progress.history.append(dict(zip(HISTORY_COLUMNS, row, strict=True)))
        if self._board:
            self._board.write(progress.history[-1])
        self._save(engine=engine)

    def _prefetch(
        self, batches: list[NDArray[np.intp]], cut: str | None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.floating]]]:
        """Yields this worker's (indices, inputs) of each batch, drawing the next while the present one trains."""
        epoch, own = self.progress.epoch, [self.workers.share.mine(batch) for batch in batches]
        with ThreadPoolExecutor(1) as ahead:
            pending = ahead.submit(self.inputs.batch, own[0], cut=cut, epoch=epoch)
            for number, indices in enumerate(own):
                inputs = pending.result()
                if number + 1 < len(own):
                    pending = ahead.submit(self.inputs.batch, own[number + 1], cut=cut, epoch=epoch)
                yield indices, inputs

    def _mix(
        self, inputs: NDArray[np.floating], indices: NDArray[np.intp], key: tuple[int, int, int]
    ) -> tuple[NDArray[np.floating], NDArray[np.float32]]:
        """One-hot targets; with mixup (Zhang et al. 2018; on cached features: manifold mixup, Verma et al. 2019)."""
        targets = np.eye(self.net.output.shape[1], dtype=np.float32)[self.labels[indices]]
        if not self.config.mixup:
            return inputs, targets
        rng = np.random.default_rng((self.config.seed, 7, *key))
        share = np.float32(rng.beta(self.config.mixup, self.config.mixup))
        other = rng.permutation(len(indices))
        wide = inputs.astype(np.float32)
        mixed = np.asarray(share * wide + (1 - share) * wide[other], np.float32)
        return mixed, share * targets + (1 - share) * targets[other]

    def _importance(self) -> NDArray[np.float32]:
        """Float32 [N]: each image's weight in the loss, mean 1."""
        if not self.config.class_weights:
            return np.ones(len(self.labels), np.float32)
        counts = np.bincount(self.labels, minlength=self.net.output.shape[1])
        per_image = counts[self.labels]
        return np.asarray(len(per_image) / (np.count_nonzero(counts) * per_image), np.float32)

    def _validate(self, engine: Engine, cut: str | None) -> tuple[float, float]:
        """Mean loss [nats] and accuracy over the validation images of all workers."""
        source = self.inputs.validation_inputs(cut)
        truth = self.inputs.validation.labels
        own = truth[self.workers.share.of(len(truth))]
        starts = range(0, len(source), model.EVALUATION_BATCH)
        answers = [engine.logits(source[s : s + model.EVALUATION_BATCH].astype(np.float32)) for s in starts]
        sums = (0.0, 0.0)
        if answers:
            logits = np.concatenate(answers)
            sums = cross_entropy(logits, own) * len(own), float(np.sum(logits.argmax(axis=1) == own))
        loss, accuracy = self.workers.total(sums) / len(truth)
        return float(loss), float(accuracy)

    def _lower_on_plateau(self) -> None:
        progress, config = self.progress, self.config
        progress.plateau_epochs = 0 if progress.stale_epochs == 0 else progress.plateau_epochs + 1
        if progress.plateau_epochs >= config.plateau_patience:
            progress.plateau_scale *= config.plateau_factor
            progress.plateau_epochs = 0

    def _stopped_early(self) -> bool:
        patience = self.config.early_stopping_patience
        return patience > 0 and self.progress.stale_epochs >= patience

    def _save(self, *, engine: Engine | None) -> None:
        # Every worker takes part in reading the weights; the chief alone writes.
        with self.workers.waiting():
            weights, state = self.net.get_weights(), engine.state() if engine else []
        if self.workers.chief:
            saved = Checkpoint(self.progress, weights, self.best_weights, state)
            checkpoint.write_checkpoint(self.run / checkpoint.CHECKPOINT_FILE, saved)
            write_history(self.run / runs.HISTORY_FILE, self.progress.history)


def _figures(history: list[dict[str, Any]]) -> str:
    """The last finished epoch in a few words."""
    if not history:
        return ""
    last = history[-1]
    return f"loss {last['loss']:.3f}, validation {last['val_loss']:.3f} ({last['val_accuracy']:.1%} right)"


def _wants_cache(engine: str) -> bool:
    if engine not in ("auto", "cached", "keras"):
        raise InputError(f"--engine {engine!r}: choose auto, cached or keras")
    if engine != "auto":
        return engine == "cached"
    from batikkit.network.keras_backend import tf

    return not tf.config.list_physical_devices("GPU")


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Writes `history.csv`: one line per finished epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    atomic.write_text(path, text.getvalue())
