"""`metrics.json`: a classifier's figures on test images, for people and for machines. Light: no TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.errors import InputError
from batikkit.metrics import (
    ClassificationReport,
    ClassMetrics,
    classification_report,
    expected_calibration_error,
)
from batikkit.predictions import Predictions

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Confusion:
    """How often images of one motif were taken for another."""

    truth: str
    predicted: str
    count: int


@dataclass(frozen=True)
class Evaluation:
    """A report, the labels its rows belong to, and the calibration error of the probabilities (0..1)."""

    labels: tuple[str, ...]
    report: ClassificationReport
    calibration_error: float


def evaluate(predictions: Predictions) -> Evaluation:
    """Judges a model's answers."""
    report = classification_report(predictions.truth, predictions.predicted, classes=len(predictions.labels))
    error = expected_calibration_error(predictions.probabilities, predictions.truth)
    return Evaluation(predictions.labels, report, error)


def worst_confusions(evaluation: Evaluation, *, most: int = 10) -> tuple[Confusion, ...]:
    """The most frequent mistakes, largest first."""
    labels, matrix = evaluation.labels, evaluation.report.confusion
    pairs = [
        Confusion(labels[i], labels[j], count)
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return tuple(sorted(pairs, key=lambda pair: (-pair.count, pair.truth, pair.predicted))[:most])


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
                f"{path} has schema_version {raw['schema_version']!r}: this batikkit reads {SCHEMA_VERSION}"
            )
        return Evaluation(tuple(raw["labels"]), _report(raw["report"]), raw["calibration_error"])
    except OSError as error:
        raise InputError(f"cannot read metrics {path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}): train or evaluate again") from error


def _report(raw: dict[str, Any]) -> ClassificationReport:
    return ClassificationReport(
        **{
            **raw,
            "accuracy_ci95": tuple(raw["accuracy_ci95"]),
            "per_class": tuple(ClassMetrics(**row) for row in raw["per_class"]),
            "confusion": tuple(tuple(row) for row in raw["confusion"]),
        }
    )


def sentence(evaluation: Evaluation) -> str:
    """The figures in one line, with the interval and the number of images."""
    report = evaluation.report
    low, high = report.accuracy_ci95
    return (
        f"accuracy {report.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}, n = {report.n}), "
        f"macro precision {report.macro_precision:.3f}, recall {report.macro_recall:.3f}, F1 {report.macro_f1:.3f}"
    )
