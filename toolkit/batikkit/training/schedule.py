"""What happens when: the phases, the learning rate at a step, and when to lower it or to stop. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from batikkit.errors import BatikkitError
from batikkit.settings import TrainConfig


class DivergedError(BatikkitError):
    """The loss is no longer a number."""

    exit_code = 1


HEAD, FINE_TUNE = "head", "fine-tune"
PLATEAU_MIN_DELTA = 1e-4
"""Keras' own: a smaller gain does not keep the rate up."""


@dataclass(frozen=True)
class Phase:
    """One stage of training.

    Attributes:
        name: `head` (the whole backbone is frozen) or `fine-tune`.
        epochs: At most so many.
        learning_rate: Where its schedule starts from.
        views: How many cached views of each image it sees.
        solved: Its epochs are penalties for each of which the head is solved; nothing is stepped.
    """

    name: str
    epochs: int
    learning_rate: float
    views: int
    solved: bool = False

    def precision(self, config: TrainConfig) -> str:
        """What it computes in: only fine-tuning takes anything but float32."""
        return "bfloat16" if self.name == FINE_TUNE and config.precision == "bfloat16" else "float32"


def phases(config: TrainConfig) -> tuple[Phase, ...]:
    """The phases that have epochs."""
    views, solved = config.phase1_views or config.views, config.head == "solved"
    head = Phase(HEAD, config.phase1_epochs, config.phase1_learning_rate, views, solved)
    tune = Phase(FINE_TUNE, config.phase2_epochs, config.phase2_learning_rate, config.views)
    return tuple(phase for phase in (head, tune) if phase.epochs)


def rate_at(config: TrainConfig, phase: Phase, *, at: float, scale: float) -> float:
    """The learning rate `at` epochs (fractional) into a phase.

    `plateau`: the phase's rate times `scale`, which `Patience` lowers. `cosine`: a linear rise over warmup_epochs, then
    half a cosine down to zero (Loshchilov and Hutter 2017, without restarts).
    """
    if config.schedule == "plateau":
        return phase.learning_rate * scale
    warmup = min(config.warmup_epochs, phase.epochs)
    if at < warmup:
        return phase.learning_rate * at / warmup
    fraction = (at - warmup) / max(phase.epochs - warmup, 1e-9)
    return phase.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, fraction)))


@dataclass(frozen=True)
class Patience:
    """How long validation has not improved within one phase, and what follows from it.

    Counts as Keras' EarlyStopping and ReduceLROnPlateau do, which begin anew with every `fit`.

    Attributes:
        best: Best score of the phase.
        stale: Epochs since then.
        risen: Best score that was better than the one before by `PLATEAU_MIN_DELTA`.
        stuck: Epochs since then, or since the rate was last lowered.
        scale: What the rate has been multiplied by.
    """

    best: float = -math.inf
    stale: int = 0
    risen: float = -math.inf
    stuck: int = 0
    scale: float = 1.0

    def after(self, score: float, config: TrainConfig) -> Patience:
        """After one more epoch; a higher score is better."""
        best, stale = (score, 0) if score > self.best else (self.best, self.stale + 1)
        if score > self.risen + PLATEAU_MIN_DELTA:
            return Patience(best, stale, score, 0, self.scale)
        if self.stuck + 1 < config.plateau_patience:
            return Patience(best, stale, self.risen, self.stuck + 1, self.scale)
        return Patience(best, stale, self.risen, 0, self.scale * config.plateau_factor)

    def is_over(self, config: TrainConfig) -> bool:
        """Whether the phase ends early."""
        return 0 < config.early_stopping_patience <= self.stale


def score(config: TrainConfig, *, val_loss: float, val_accuracy: float, epoch: int) -> float:
    """By what the best epoch is chosen; higher is better. `epoch` is its number in the run."""
    # Ties in accuracy are common on small sets; the loss breaks them.
    return {"loss": -val_loss, "accuracy": val_accuracy - 1e-3 * val_loss, "last": float(epoch)}[config.monitor]
