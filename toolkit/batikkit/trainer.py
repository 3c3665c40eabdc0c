"""The two-phase training of a run, top to bottom: decode, freeze, extract, train the head, fine-tune, test."""

from __future__ import annotations

import csv
import dataclasses
import io
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit import atomic, checkpoint, model, runs
from batikkit.augment import augment
from batikkit.checkpoint import Checkpoint, Progress
from batikkit.config import TrainConfig
from batikkit.console import Advance
from batikkit.dataset import Sample
from batikkit.engine import Engine, cross_entropy, learning_rate_at
from batikkit.errors import BatikkitError, InputError
from batikkit.features import FrozenFeatures, feature_bytes, write_features
from batikkit.pixels import decode_to_disk

CACHE_FOLDER = "cache.tmp"
HISTORY_COLUMNS = ("epoch", "phase", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy", "seconds")
EVALUATION_BATCH = 32
HEAD_PHASE = "head"
Bar = Callable[[str], Any]
"""Bar(description) is a context manager that yields an `Advance`."""


class DivergedError(BatikkitError):
    """The loss is no longer a number."""

    exit_code = 1


@dataclass(frozen=True)
class Phase:
    """One stage of training: `cut` names the layer whose output is cached, None trains the network from its pixels."""

    name: str
    epochs: int
    learning_rate: float
    cut: str | None


@dataclass(frozen=True)
class Split:
    """Training or validation images: uint8 [N, S, S, 3] on disk, int64 [N] class indices."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


def load_split(
    root: Path, samples: tuple[Sample, ...], labels: tuple[str, ...], size: int, store: Path, advance: Advance | None
) -> Split:
    """Decodes one split's images into `store`."""
    index = {label: number for number, label in enumerate(labels)}
    pixels = decode_to_disk([root / sample.path for sample in samples], size, store, advance=advance)
    return Split(pixels, np.array([index[sample.label] for sample in samples], np.int64))


class Trainer:
    """Carries one run from its first epoch to its best weights.

    Args:
        net: The flat Keras model, backbone frozen; trained in place.
        config: The settings.
        train: Images to learn from.
        validation: Images that choose the best epoch.
        run: Run folder for the history, the checkpoint and the feature cache.
        bar: Makes progress bars.
        engine: `cached`, `keras` (everything on the fly) or `auto`.
        cache_bytes: Upper bound of the feature cache; a phase that would exceed it computes on the fly.
        phase_done: Called with each finished phase while the model holds its best weights; after a kill perhaps again.
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
        phase_done: Callable[[Phase], None] | None = None,
    ) -> None:
        self.net, self.config, self.train, self.validation = net, config, train, validation
        self.run, self.bar = run, bar
        self._phase_done = phase_done
        self.cache = run / CACHE_FOLDER
        self.progress = Progress()
        self.best_weights: checkpoint.Arrays = []
        self.timings: dict[str, float] = {}
        """Seconds by part: `augment` overlaps `extract`, both lie within `features`; `phase1` and `phase2` are wall."""
        self._cached = _wants_cache(engine)
        self._cache_bytes = cache_bytes
        self._resumed: Checkpoint | None = None
        self._features: dict[str, tuple[NDArray[np.float16], NDArray[np.float16]]] = {}

    def phases(self) -> list[Phase]:
        """The phases that have epochs, with the layer at which each can be cut."""
        config = self.config
        cut = model.cut_layer(self.net, frozen_layers=config.frozen_layers)
        plan = [
            Phase(HEAD_PHASE, config.phase1_epochs, config.phase1_learning_rate, model.POOL),
            Phase("fine-tune", config.phase2_epochs, config.phase2_learning_rate, cut),
        ]
        return [phase for phase in plan if phase.epochs]

    def resume(self, saved: Checkpoint) -> None:
        """Continues from a checkpoint instead of from the start."""
        self._resumed = saved
        self.progress = saved.progress

    def fit(self) -> None:
        """Runs all phases; leaves the best weights in the model.

        Raises:
            DivergedError: the loss became NaN; the last checkpoint is intact.
        """
        phases = self.phases()
        self._extract(phases)
        if self._resumed:
            self.net.set_weights(self._resumed.weights)
            self.best_weights = self._resumed.best_weights
        for number in range(self.progress.phase, len(phases)):
            self._fit_phase(number, phases[number])
        if self.best_weights:
            self.net.set_weights(self.best_weights)

    def _extract(self, phases: list[Phase]) -> None:
        """Fills the feature cache from the still untouched backbone, for every phase that fits the bound."""
        wanted = tuple(dict.fromkeys(phase.cut for phase in phases if phase.cut)) if self._cached else ()
        if not wanted:
            return
        started = time.perf_counter()
        views, count = self.config.views, len(self.train.labels)
        shapes = {name: tuple(self.net.get_layer(name).output.shape[1:]) for name in wanted}
        images = views * count + len(self.validation.labels)
        layers = tuple(
            name for name in wanted if feature_bytes({name: shapes[name]}, images=images) <= self._cache_bytes
        )
        if not layers:
            return
        extract = FrozenFeatures(self.net, layers)
        with self.bar("frozen features") as advance:
            seen = write_features(
                self.cache, extract, self._view, count=count, views=views, name="train", advance=advance
            )
        checked = write_features(
            self.cache, extract, self._plain, count=len(self.validation.labels), views=1, name="validation"
        )
        self._features = {name: (seen[name], checked[name][0]) for name in layers}
        self._spent("features", started)
        self.timings["extract"] = extract.seconds

    def _view(self, view: int, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        started = time.perf_counter()
        drawn = augment(self.train.pixels[indices], config=self.config, view=view, indices=indices)
        self._spent("augment", started)
        return drawn

    def _spent(self, part: str, started: float) -> None:
        self.timings[part] = self.timings.get(part, 0.0) + time.perf_counter() - started

    def _plain(self, _view: int, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        return self.validation.pixels[indices].astype(np.float32)

    def _fit_phase(self, number: int, phase: Phase) -> None:
        config, progress = self.config, self.progress
        if phase.name == HEAD_PHASE:
            model.freeze_backbone(self.net)
        else:
            model.unfreeze_above(
                self.net, frozen_layers=config.frozen_layers, batch_norm_frozen=config.batch_norm_frozen
            )
        cached = phase.cut in self._features
        start = str(phase.cut) if cached else self.net.layers[0].name
        engine = Engine(self.net, start=start, config=config)
        if self._resumed and self._resumed.optimizer:
            engine.restore(self._resumed.optimizer)
        self._resumed = None  # its optimiser belongs to the phase it stopped in
        started = time.perf_counter()
        with self.bar(f"phase {number + 1}: {phase.name}") as advance:
            while progress.epoch < phase.epochs and not self._stopped_early():
                advance(progress.epoch, phase.epochs)
                self._epoch(number, phase, engine, start if cached else None)
                advance(progress.epoch, phase.epochs)
        self._spent(f"phase{number + 1}", started)
        # The next phase starts from the best weights seen so far, and so does the final model.
        self.net.set_weights(self.best_weights)
        if self._phase_done:
            self._phase_done(phase)
        progress.phase, progress.epoch, progress.stale_epochs = number + 1, 0, 0
        progress.plateau_scale, progress.plateau_epochs = 1.0, 0
        self._save(engine=None)

    def _epoch(self, number: int, phase: Phase, engine: Engine, cut: str | None) -> None:
        config, progress = self.config, self.progress
        started = time.perf_counter()
        order = np.random.default_rng((config.seed, number, progress.epoch)).permutation(len(self.train.labels))
        starts = range(0, len(order), config.batch_size)
        batches = [order[start : start + config.batch_size] for start in starts]
        losses, hits, rate = 0.0, 0.0, 0.0
        for step, (indices, inputs) in enumerate(self._prefetch(batches, cut)):
            rate = learning_rate_at(
                config,
                phase.learning_rate,
                progress=progress.epoch + (step + 1) / len(batches),
                epochs=phase.epochs,
                plateau_scale=progress.plateau_scale,
            )
            inputs, targets = self._mix(inputs, indices, (number, progress.epoch, step))
            key = (config.seed * 31 + number, progress.epoch * 100_003 + step)
            loss, accuracy = engine.train(
                inputs, targets, weights=self._weights()[indices], learning_rate=rate, key=key
            )
            losses, hits = losses + loss * len(indices), hits + accuracy * len(indices)
        if not np.isfinite(losses):
            raise DivergedError(
                f"the loss became {losses} in phase {number + 1}, epoch {progress.epoch + 1}: lower "
                f"phase{number + 1}_learning_rate (now {phase.learning_rate:g}); the last good epoch is kept"
            )
        self._finish_epoch(number, engine, cut, rate, losses / len(order), hits / len(order), started)

    def _finish_epoch(
        self, number: int, engine: Engine, cut: str | None, rate: float, loss: float, accuracy: float, started: float
    ) -> None:
        progress = self.progress
        engine.swap_averages()
        logits = self._validate(engine, cut)
        val_loss = cross_entropy(logits, self.validation.labels)
        val_accuracy = float(np.mean(logits.argmax(axis=1) == self.validation.labels))
        # Ties in accuracy are common on small sets; the loss breaks them.
        score = val_accuracy - 1e-3 * val_loss if self.config.monitor == "accuracy" else -val_loss
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
        self._save(engine=engine)

    def _prefetch(
        self, batches: list[NDArray[np.intp]], cut: str | None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.floating]]]:
        """Yields (indices, inputs), drawing the next batch while the present one trains."""
        with ThreadPoolExecutor(1) as ahead:
            pending = ahead.submit(self._inputs, batches[0], cut, self.progress.epoch)
            for number, indices in enumerate(batches):
                inputs = pending.result()
                if number + 1 < len(batches):
                    pending = ahead.submit(self._inputs, batches[number + 1], cut, self.progress.epoch)
                yield indices, inputs

    def _inputs(self, indices: NDArray[np.intp], cut: str | None, epoch: int) -> NDArray[np.floating]:
        if cut is None:
            return self._view(epoch, indices)
        # Each image walks through its views from a start of its own, so that an epoch mixes all views.
        views = (epoch + indices) % self.config.views
        return np.asarray(self._features[cut][0][views, indices])

    def _mix(
        self, inputs: NDArray[np.floating], indices: NDArray[np.intp], key: tuple[int, int, int]
    ) -> tuple[NDArray[np.floating], NDArray[np.float32]]:
        """One-hot targets; with mixup (Zhang et al. 2018; on cached features: manifold mixup, Verma et al. 2019)."""
        targets = np.eye(self.net.output.shape[1], dtype=np.float32)[self.train.labels[indices]]
        if not self.config.mixup:
            return inputs, targets
        rng = np.random.default_rng((self.config.seed, 7, *key))
        share = np.float32(rng.beta(self.config.mixup, self.config.mixup))
        other = rng.permutation(len(indices))
        wide = inputs.astype(np.float32)
        mixed = np.asarray(share * wide + (1 - share) * wide[other], np.float32)
        return mixed, share * targets + (1 - share) * targets[other]

    def _weights(self) -> NDArray[np.float32]:
        """Float32 [N]: each image's weight in the loss, mean 1."""
        if not self.config.class_weights:
            return np.ones(len(self.train.labels), np.float32)
        counts = np.bincount(self.train.labels, minlength=self.net.output.shape[1])
        per_image = counts[self.train.labels]
        return np.asarray(len(per_image) / (np.count_nonzero(counts) * per_image), np.float32)

    def _validate(self, engine: Engine, cut: str | None) -> NDArray[np.float32]:
        source = self.validation.pixels if cut is None else self._features[cut][1]
        starts = range(0, len(source), EVALUATION_BATCH)
        answers = [engine.logits(source[s : s + EVALUATION_BATCH].astype(np.float32)) for s in starts]
        return np.concatenate(answers)

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
        write_history(self.run / runs.HISTORY_FILE, self.progress.history)
        checkpoint.write_checkpoint(
            self.run / checkpoint.CHECKPOINT_FILE,
            Checkpoint(self.progress, self.net.get_weights(), self.best_weights, engine.state() if engine else []),
        )


def _wants_cache(engine: str) -> bool:
    if engine not in ("auto", "cached", "keras"):
        raise InputError(f"--engine {engine!r}: choose auto, cached or keras")
    if engine != "auto":
        return engine == "cached"
    from batikkit.keras_backend import tf

    return not tf.config.list_physical_devices("GPU")


def predict_keras(net: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The whole Keras model on uint8 [N, S, S, 3]: float32 [N, C] probabilities, without augmentation or dropout."""
    starts = range(0, len(pixels), EVALUATION_BATCH)
    answers = [net(pixels[s : s + EVALUATION_BATCH].astype(np.float32), training=False).numpy() for s in starts]
    return np.concatenate(answers).astype(np.float32)


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Writes `history.csv`: one line per finished epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    atomic.write_text(path, text.getvalue())


def fresh_cache(run: Path) -> Path:
    """An empty cache folder inside the run; whatever a killed command left there is removed."""
    cache = run / CACHE_FOLDER
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir()
    return cache


def settings(config: TrainConfig) -> dict[str, Any]:
    """The configuration as plain values for `run.json`."""
    return dataclasses.asdict(config)
