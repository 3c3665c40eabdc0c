"""`history.csv`: one line per finished epoch."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HISTORY_FILE = "history.csv"


@dataclass(frozen=True)
class Epoch:
    """One finished epoch.

    Attributes:
        epoch: Its number in the run, from 1.
        phase: Number of its phase, 1 or 2; 1 for the only one.
        learning_rate: Of its last step.
        loss: Mean weighted training loss [nats].
        accuracy: Right answers among the training views, 0..1.
        val_loss: Mean cross-entropy on the validation images [nats].
        val_accuracy: Right answers among them, 0..1.
        seconds: Time.
    """

    epoch: int
    phase: int
    learning_rate: float
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


COLUMNS = tuple(column.name for column in dataclasses.fields(Epoch))


def encode_history(history: Sequence[Epoch]) -> str:
    """The CSV text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(dataclasses.astuple(epoch) for epoch in history)
    return text.getvalue()


def read_history(path: Path) -> tuple[dict[str, float], ...]:
    """The lines as numbers; none where there is no file."""
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as stream:
        return tuple({key: float(value) for key, value in row.items()} for row in csv.DictReader(stream))
