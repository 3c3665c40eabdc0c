"""`predictions.csv`: what a model said of every test image. Light: no TensorFlow.

With it two models are compared image by image, folds are pooled and mistakes are looked up without running anything.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit import atomic
from batikkit.errors import InputError

PREDICTIONS_FILE = "predictions.csv"
_COLUMNS = ("path", "label", "group", "predicted")
_PREFIX = "p:"


@dataclass(frozen=True)
class Predictions:
    """Answers for N test images.

    Attributes:
        labels: C motifs, in output order.
        paths: N POSIX paths relative to the data set.
        groups: N group names; images of one group are not independent of each other.
        truth: int64 [N], index of the right motif.
        probabilities: float32 [N, C].
    """

    labels: tuple[str, ...]
    paths: tuple[str, ...]
    groups: tuple[str, ...]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """int64 [N], index of the most probable motif."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        """bool [N]."""
        return np.asarray(self.predicted == self.truth, np.bool_)


def pool(parts: Sequence[Predictions]) -> Predictions:
    """The predictions of several folds as one, in the order of the folds.

    Raises:
        InputError: the folds have other labels, or share an image.
    """
    paths = tuple(path for part in parts for path in part.paths)
    if len({part.labels for part in parts}) != 1 or len(set(paths)) != len(paths):
        raise InputError("the folds do not belong together: their labels differ, or an image is tested twice")
    return Predictions(
        parts[0].labels,
        paths,
        tuple(group for part in parts for group in part.groups),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
    )


def only(predictions: Predictions, chosen: Sequence[bool]) -> Predictions:
    """Those of some images."""
    index = np.flatnonzero(chosen)
    return Predictions(
        predictions.labels,
        tuple(predictions.paths[i] for i in index),
        tuple(predictions.groups[i] for i in index),
        predictions.truth[index],
        predictions.probabilities[index],
    )


def encode_predictions(predictions: Predictions) -> str:
    """The CSV text; probabilities to 9 digits, from which float32 is read back exactly."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    labels = predictions.labels
    writer.writerow((*_COLUMNS, *(_PREFIX + label for label in labels)))
    rows = zip(
        predictions.paths, predictions.truth, predictions.groups, predictions.predicted, predictions.probabilities,
        strict=True,
    )  # fmt: skip
    for path, truth, group, predicted, values in rows:
        writer.writerow((path, labels[truth], group, labels[predicted], *(f"{value:.9g}" for value in values)))
    return text.getvalue()


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Writes the file."""
    atomic.write_text(path, encode_predictions(predictions))


def read_predictions(path: Path) -> Predictions:
    """Reads the file.

    Raises:
        InputError: missing or damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            head, *rows = csv.reader(stream, strict=True)
        if tuple(head[:4]) != _COLUMNS or len(head) < 6 or not rows:
            raise ValueError("its columns are not those of predictions")
        labels = tuple(name.removeprefix(_PREFIX) for name in head[4:])
        probabilities = np.array([[float(value) for value in row[4:]] for row in rows], np.float32)
        if probabilities.shape != (len(rows), len(labels)):
            raise ValueError("a line is too short or too long")
        return Predictions(
            labels,
            tuple(row[0] for row in rows),
            tuple(row[2] for row in rows),
            np.array([labels.index(row[1]) for row in rows], np.int64),
            probabilities,
        )
    except OSError as error:
        raise InputError(f"cannot read predictions {path}: {error.strerror}") from error
    except (ValueError, IndexError, csv.Error) as error:
        raise InputError(f"{path} is damaged ({error}): train or evaluate again") from error
