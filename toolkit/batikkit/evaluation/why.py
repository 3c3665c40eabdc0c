"""Which training photographs speak for each mistake: those that make others like them read as the wrong motif.

A ridge regression on frozen features (see `data.smoother`) answers each test photograph as a weighted vote of all
training photographs. Of those of the motif that the model said, the ones with the most weight are named: a wrong label,
a confusing photograph or a cloth of two motifs shows there.
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
from batikkit.console import Advance
from batikkit.data.check_page import page_of, strip, text
from batikkit.data.features import Describer, features_of
from batikkit.data.smoother import embed, solved
from batikkit.data.split import of_split
from batikkit.errors import InputError
from batikkit.evaluation.held_out import HeldOut, Knowledge
from batikkit.evaluation.predictions import Predictions
from batikkit.network.frozen import best_describer

NAMED = 3
_SHOWN = 200


@dataclass(frozen=True)
class Reason:
    """One mistake and what speaks for it.

    Attributes:
        path: The photograph that was misread.
        truth: Its motif.
        answer: The motif that the model said.
        speaking: Training photographs of that motif, the heaviest first.
        votes: Their votes, in shares of one; a photograph that is its own copy would have 1.
    """

    path: str
    truth: str
    answer: str
    speaking: tuple[str, ...]
    votes: tuple[float, ...]


def describer_of(weights: str, knowledge: Knowledge) -> Describer:
    """What compares photographs, before any time goes into answers.

    Raises:
        InputError: no network, or the training photographs are not known or gone.
    """
    describer = best_describer(weights)
    if describer is None:
        raise InputError("--why compares photographs by a network: name a no-top .h5 file with --weights PATH")
    if knowledge.root is None or not of_split(knowledge.rows, "train"):
        raise InputError("--why needs the run's training photographs: name a run, or a file exported from one")
    if not knowledge.root.is_dir():
        raise InputError(f"--why needs the run's training photographs, which are no longer at {knowledge.root}")
    return describer


def find_reasons(
    held: HeldOut,
    predictions: Predictions,
    knowledge: Knowledge,
    describer: Describer,
    *,
    advance: Advance | None = None,
) -> tuple[Reason, ...]:
    """Names for each mistake the training photographs that speak most for it.

    Args:
        held: The photographs that were asked about.
        predictions: The model's answers on them.
        knowledge: What the model was trained on, and where that lies.
        describer: Describes photographs.
        advance: Called with (done, total).

    Raises:
        InputError: a training photograph is gone.
    """
    learned = of_split(knowledge.rows, "train")
    assert knowledge.root is not None
    wrong = np.flatnonzero(~predictions.right)
    if not len(wrong):
        return ()
    theirs = features_of(knowledge.root, learned, describer, advance=advance)
    ours = features_of(held.root, [held.samples[i] for i in wrong], describer, advance=advance)
    weights = _votes(theirs, ours)
    labels, names = np.array([sample.label for sample in learned]), predictions.labels
    reasons = []
    for row, i in zip(weights, wrong.tolist(), strict=True):
        truth, answer = names[int(predictions.truth[i])], names[int(predictions.predicted[i])]
        said = np.flatnonzero(labels == answer)
        heaviest = said[np.argsort(-row[said])][:NAMED].tolist()
        reasons.append(
            Reason(
                predictions.paths[i], truth, answer, tuple(learned[j].path for j in heaviest),
                tuple(round(float(row[j]), 3) for j in heaviest),
            )
        )  # fmt: skip
    return tuple(reasons)


def _votes(learned: NDArray[np.float32], asked: NDArray[np.float32]) -> NDArray[np.float64]:
    """Float64 [Q, N]: the weight of each of N training photographs in the answer to each of Q others."""
    points = embed(np.concatenate([learned, asked]))
    known, wanted = points[: len(learned)], points[len(learned) :]
    return np.asarray(wanted @ solved(known.T @ known, known.T), np.float64)


def encode_reasons(reasons: Sequence[Reason]) -> bytes:
    """`why.csv`: one line for each pair of a mistake and a training photograph that speaks for it."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(("path", "truth", "answer", "training_path", "vote"))
    for one in reasons:
        for path, vote in zip(one.speaking, one.votes, strict=True):
            writer.writerow((one.path, one.truth, one.answer, path, vote))
    return written.getvalue().encode("utf-8")


def write_reasons(folder: Path, reasons: Sequence[Reason], *, asked: Path, learned: Path, described: str) -> None:
    """Writes `why.csv` and `why.html`, where each mistake stands beside what speaks for it."""
    atomic.write_bytes(folder / "why.csv", encode_reasons(reasons))
    parts = [
        "<h1>What speaks for each mistake</h1>",
        f"<p>Training photographs of the motif that the model said, by their weight in a linear answer. Seen by "
        f"{text(described)}, not by the model itself.</p><div class=groups>",
    ]
    for number, one in enumerate(reasons[:_SHOWN], 1):
        votes = ", ".join(f"{vote:.2f}" for vote in one.votes)
        parts += [
            f"<div class=group><h4>{number}. {text(one.truth)}, read as {text(one.answer)}</h4>",
            f"{strip(asked, [one.path])}<h4>training photographs of {text(one.answer)} (votes {votes})</h4>",
            f"{strip(learned, one.speaking)}</div>",
        ]
    more = len(reasons) - _SHOWN
    parts.append(f"</div>{f'<p>{more} more in why.csv</p>' if more > 0 else ''}")
    atomic.write_text(folder / "why.html", page_of("what speaks for each mistake", parts))
