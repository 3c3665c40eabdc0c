"""What the models of a folder are worth: measured with the files themselves, on images that chose nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batikkit.assets import rejection
from batikkit.assets.rejection import Rejection, Selective
from batikkit.assets.strangers import CHECKING, CHOOSING, draw_foreign
from batikkit.evaluation.metrics_file import Evaluation, evaluate
from batikkit.evaluation.predictions import Predictions
from batikkit.intervals import accuracy_interval
from batikkit.labels import among_motifs, motif_count
from batikkit.paired import paired_drop, paired_drop_interval
from batikkit.parity_pack import ParityPack, iter_images
from batikkit.tflite.runtime import LoadedModel

FOREIGN_PER_KIND = 40
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class VariantFigures:
    """One model on the test split.

    Attributes:
        variant: Its name.
        size_bytes: Of the file.
        evaluation: Accuracy and the like.
        agreement: Share of images with the same best motif as the float model in training.
        drop_pp: Accuracy lost against that model, in points.
        drop_ci95_pp: Its 95 % interval.
        selective: What the rule does to the test images.
        foreign_named: Share of the drawn strangers on which a motif is named.
        foreign_ci95: Its interval; strangers of one kind depend on each other.
        cautions: What must be known of these figures, one line each.
    """

    variant: str
    size_bytes: int
    evaluation: Evaluation
    agreement: float
    drop_pp: float
    drop_ci95_pp: tuple[float, float]
    selective: Selective
    foreign_named: float
    foreign_ci95: tuple[float, float]
    cautions: tuple[str, ...] = ()


def choose_rule(
    model: LoadedModel, pixels: Sequence[NDArray[np.uint8]], truth: NDArray[np.integer], labels: Sequence[str]
) -> Rejection:
    """Temperature and threshold from validation images, uint8 [S, S, 3] each, and drawn strangers.

    Args:
        model: The most precise model.
        pixels: Validation images.
        truth: int [N], their classes.
        labels: Of the model's outputs.
    """
    scores = np.stack([model.classify(image) for image in pixels])
    temperature = rejection.fit_temperature(among_motifs(scores, labels), truth)
    strangers = model.predict(draw_foreign(CHOOSING, per_kind=FOREIGN_PER_KIND, size=_size(model), seed=0))
    confidence, best = rejection.confidence_of(scores, temperature, labels)
    foreign, _ = rejection.confidence_of(strangers, temperature, labels)
    return Rejection(temperature, rejection.choose_threshold(confidence, best == truth, foreign))


def measure(
    variant: str, size_bytes: int, model: LoadedModel, pack: ParityPack, rule: Rejection, labels: tuple[str, ...]
) -> VariantFigures:
    """Runs a model on the test images of its export and on strangers of kinds that the rule never saw."""
    scores = np.stack([model.classify(image) for image in iter_images(pack)])
    strangers = model.predict(draw_foreign(CHECKING, per_kind=FOREIGN_PER_KIND, size=_size(model), seed=0))
    named = rejection.accepted(rule, strangers, labels)
    kinds = [kind for kind in CHECKING for _ in range(FOREIGN_PER_KIND)]
    agreement = float(np.mean(scores.argmax(axis=1) == pack.probabilities.argmax(axis=1)))
    motifs, known = labels[: motif_count(labels)], among_motifs(scores, labels)
    before = among_motifs(pack.probabilities, labels).argmax(axis=1) == pack.labels
    after = known.argmax(axis=1) == pack.labels
    return VariantFigures(
        variant=variant,
        size_bytes=size_bytes,
        evaluation=evaluate(Predictions(motifs, pack.names, pack.groups, pack.labels, known)),
        agreement=agreement,
        drop_pp=paired_drop(before, after),
        drop_ci95_pp=paired_drop_interval(before, after, groups=pack.groups),
        selective=rejection.apply(rule, scores, pack.labels, labels, groups=pack.groups),
        foreign_named=float(named.mean()),
        foreign_ci95=accuracy_interval(named, kinds),
        cautions=pack.cautions,
    )


def _size(model: LoadedModel) -> int:
    return model.input.shape[1]
