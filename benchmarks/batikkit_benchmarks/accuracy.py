"""From what files said about the test images to the parity of each result, against the right reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.data.photographs import Photographs
from batikkit.tflite.interpreters import RUNTIMES
from batikkit_benchmarks.parity import evaluate
from batikkit_benchmarks.plan import Configuration
from batikkit_benchmarks.report import Parity, Result
from batikkit_benchmarks.targets import Target

UNGROUPED_PHOTOGRAPHS = "which photographs of the folder depend on each other is not known: every one counts on its own"


@dataclass(frozen=True)
class Answers:
    """What one file under one runtime said about the test images.

    Attributes:
        scores: float32 [N, C] probabilities; NaN rows where an image could not be read.
        photographs: The images, when they were not those of the parity pack.
        images_per_s: Rate of the evaluation, when photographs were decoded.
    """

    scores: NDArray[np.float32]
    photographs: Photographs | None
    images_per_s: float | None


Evaluated = dict[tuple[Path, str], Answers]
"""File and runtime -> its answers: the number of threads changes none of them."""
Known = dict[Any, tuple[Parity | None, int]]
"""Parities computed before, and how many photographs could not be read."""


def with_parity(
    configurations: Iterable[Configuration],
    results: Iterable[Result],
    evaluated: Evaluated,
    known: Known,
) -> Iterator[Result]:
    """Adds parity to each result: against Keras on a parity pack, on photographs against the float32 file beside it.

    Args:
        configurations: What was measured.
        results: Of each, without parity.
        evaluated: The answers.
        known: Parities computed before, which this call adds to.
    """
    for wanted, result in zip(configurations, results, strict=True):
        key = wanted.target.path, wanted.runtime
        answers = evaluated.get(key)
        if answers is None:
            yield result
            continue
        reference = _reference(wanted, configurations, evaluated) if answers.photographs is not None else None
        place = (*key, None if reference is None else reference[0])
        if place not in known:
            known[place] = _parity(wanted.target, answers, None if reference is None else reference[1])
        parity, unread = known[place]
        notes = (f"{unread} unreadable photograph(s) left out",) if unread else ()
        yield dataclasses.replace(result, parity=parity, notes=(*result.notes, *notes))


def _reference(
    wanted: Configuration, measured: Iterable[Configuration], evaluated: Evaluated
) -> tuple[tuple[Path, str], Answers] | None:
    """The float32 file of the same folder and labels, under the same runtime if it was benched there.

    A file of another folder is another model: how far two trainings agree says nothing about a quantization.
    """
    found = []
    for other in measured:
        target, key = other.target, (other.target.path, other.runtime)
        same = target.path.parent == wanted.target.path.parent and target.labels == wanted.target.labels
        if same and target.variant == "float32" and key in evaluated:
            found.append((other.runtime != wanted.runtime, RUNTIMES.index(other.runtime), key))
    if not found:
        return None
    key = min(found)[2]
    return key, evaluated[key]


def _parity(target: Target, answers: Answers, reference: Answers | None) -> tuple[Parity | None, int]:
    if answers.photographs is None:
        return _against_keras(target, answers), 0
    return _on_photographs(target, answers, reference)


def _against_keras(target: Target, answers: Answers) -> Parity:
    assert target.pack is not None
    return evaluate(
        answers.scores,
        target.pack.labels,
        labels=target.labels,
        images=target.pack.names,
        source="parity.npz",
        groups=target.pack.groups if target.pack.grouped else None,
        cautions=target.pack.cautions,
        reference=target.pack.probabilities,
        reference_name="keras",
    )


def _on_photographs(target: Target, answers: Answers, reference: Answers | None) -> tuple[Parity | None, int]:
    photographs = answers.photographs
    assert photographs is not None
    readable = ~np.isnan(answers.scores[:, 0])
    if not readable.any():
        return None, len(readable)
    comparable = reference is not None and reference.scores.shape == answers.scores.shape
    parity = evaluate(
        answers.scores[readable],
        photographs.truth[readable],
        labels=target.labels,
        images=[name for name, kept in zip(photographs.names, readable, strict=True) if kept],
        source=str(photographs.root),
        cautions=(UNGROUPED_PHOTOGRAPHS,),
        reference=reference.scores[readable] if reference is not None and comparable else None,
        reference_name="float32" if comparable else None,
        images_per_s=answers.images_per_s,
    )
    return parity, int((~readable).sum())
