"""`metrics.json`: a classifier's figures on test images, for people and for machines. Light: no TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.errors import InputError
from batikkit.evaluation.predictions import Predictions
from batikkit.metrics import (
    ClassificationReport,
    ClassMetrics,
    classification_report,
    expected_calibration_error,
)

SCHEMA_VERSION = 2
"""2: intervals of groups, for every motif too."""


@dataclass(frozen=True)
class Evaluation:
    """A report, the labels its rows belong to, the calibration error of the probabilities (0..1), and a caution.

    The caution is what a reader of the figures must know, such as that test cloths were seen in training; else empty.
    """

    labels: tuple[str, ...]
    report: ClassificationReport
    calibration_error: float
    caution: str = ""


def evaluate(predictions: Predictions, *, caution: str = "") -> Evaluation:
    """Judges a model's answers; images of one group count as depending on each other."""
    report = classification_report(
        predictions.truth, predictions.predicted, classes=len(predictions.labels), groups=predictions.groups
    )
    error = expected_calibration_error(predictions.probabilities, predictions.truth)
    return Evaluation(predictions.labels, report, error, caution)


@dataclass(frozen=True)
class ConfusedPair:
    """Two motifs that are taken for each other: how often the first for the second, and the second for the first."""

    first: str
    second: str
    first_as_second: int
    second_as_first: int


def confused_pairs(evaluation: Evaluation) -> tuple[ConfusedPair, ...]:
    """Every pair of motifs that was confused, the most confused first."""
    labels, matrix = evaluation.labels, evaluation.report.confusion
    pairs = [
        ConfusedPair(labels[i], labels[j], matrix[i][j], matrix[j][i])
        for i in range(len(labels))
        for j in range(i + 1, len(labels))
        if matrix[i][j] + matrix[j][i]
    ]
    return tuple(sorted(pairs, key=lambda p: (-p.first_as_second - p.second_as_first, p.first, p.second)))


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Writes `metrics.json`."""
    atomic.write_json(path, {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(evaluation)})


def read_evaluation(path: Path) -> Evaluation:
    """Reads `metrics.json`.

    Raises:
        InputError: missing, damaged, or of another schema version.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema_version"] != SCHEMA_VERSION:
            raise InputError(
                f"{path} has schema_version {raw['schema_version']!r}, this batikkit reads {SCHEMA_VERSION}: train or "
                "evaluate again"
            )
        return evaluation_from(raw)
    except OSError as error:
        raise InputError(f"cannot read metrics {path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}): train or evaluate again") from error


def evaluation_from(raw: dict[str, Any]) -> Evaluation:
    """An evaluation from its JSON values.

    Raises:
        KeyError, TypeError, ValueError: they are not those of an evaluation.
    """
    return Evaluation(tuple(raw["labels"]), _report(raw["report"]), raw["calibration_error"], raw.get("caution", ""))


def _report(raw: dict[str, Any]) -> ClassificationReport:
    return ClassificationReport(
        **{
            **raw,
            "accuracy_ci95": tuple(raw["accuracy_ci95"]),
            "per_class": tuple(map(_class_from, raw["per_class"])),
            "confusion": tuple(tuple(row) for row in raw["confusion"]),
        }
    )


def _class_from(raw: dict[str, Any]) -> ClassMetrics:
    interval = raw["recall_ci95"]
    return ClassMetrics(**{**raw, "recall_ci95": None if interval is None else tuple(interval)})


def sentence(evaluation: Evaluation) -> str:
    """The figures in one line, with the interval and the number of images and groups."""
    report = evaluation.report
    low, high = report.accuracy_ci95
    count = f"n = {report.n}" + (f" in {report.groups} groups" if report.groups < report.n else "")
    caution = f" ({evaluation.caution})" if evaluation.caution else ""
    return (
        f"accuracy {report.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}, {count}), "
        f"macro precision {report.macro_precision:.3f}, recall {report.macro_recall:.3f}, F1 {report.macro_f1:.3f}"
        f"{caution}"
    )
