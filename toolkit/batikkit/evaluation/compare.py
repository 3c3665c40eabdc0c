"""From predictions to a comparison: pooled over folds, with intervals, every two systems paired image by image."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError
from batikkit.evaluation.comparison import Comparison, Miss, Pair, Part, System
from batikkit.evaluation.metrics_file import evaluate
from batikkit.evaluation.predictions import Predictions, only, pool
from batikkit.paired import holm, mcnemar_p, paired_drop, paired_drop_interval


@dataclass(frozen=True)
class Candidate:
    """What `compare_systems` needs of a system: its predictions and facts of each fold."""

    name: str
    title: str
    predictions: Sequence[Predictions]
    parts: Sequence[Part]
    parameters: int | None = None
    parameters_trained: int | None = None
    elsewhere: Predictions | None = None


def compare_systems(
    candidates: Sequence[Candidate],
    *,
    title: str,
    created: str,
    tested: str,
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    seen: Collection[str] | None = None,
) -> Comparison:
    """Compares systems that were tested on the same images in the same folds.

    Args:
        candidates: At least one, in the order of the table.
        title: Heading.
        created: UTC, ISO 8601.
        tested: What the test images are.
        facts: Name -> value, shown at the end of a report.
        notes: Shown at its beginning.
        seen: Paths of test images whose cloth training saw; None where that is not known.

    Raises:
        InputError: the systems were not tested on the same images.
    """
    pooled = [pool(candidate.predictions) for candidate in candidates]
    first = pooled[0]
    for candidate, other in zip(candidates, pooled, strict=True):
        if other.paths != first.paths or not np.array_equal(other.truth, first.truth):
            raise InputError(f"{candidate.name} and {candidates[0].name} were not tested on the same images")
    names = [candidate.name for candidate in candidates]
    return Comparison(
        title=title,
        created=created,
        tested=tested,
        groups=len(set(first.groups)),
        systems=tuple(_system(c, whole, seen) for c, whole in zip(candidates, pooled, strict=True)),
        pairs=_pairs(names, [whole.right for whole in pooled], first.groups),
        misses=_misses(names, pooled),
        facts=dict(facts or {}),
        notes=tuple(notes),
    )


def _system(candidate: Candidate, whole: Predictions, seen: Collection[str] | None) -> System:
    unseen = None if seen is None else only(whole, [path not in seen for path in whole.paths])
    return System(
        name=candidate.name,
        title=candidate.title,
        evaluation=evaluate(whole),
        parts=tuple(candidate.parts),
        parameters=candidate.parameters,
        parameters_trained=candidate.parameters_trained,
        unseen=evaluate(unseen) if unseen and len(unseen.paths) else None,
        elsewhere=evaluate(candidate.elsewhere) if candidate.elsewhere else None,
    )


def _pairs(names: Sequence[str], right: Sequence[NDArray[np.bool_]], groups: Sequence[str]) -> tuple[Pair, ...]:
    pairs = []
    for one, other in itertools.combinations(range(len(names)), 2):
        # Of equals the later one in the table counts as the better.
        worse, better = (other, one) if right[one].sum() > right[other].sum() else (one, other)
        a, b = right[worse], right[better]
        pairs.append(
            Pair(
                worse=names[worse],
                better=names[better],
                gain_pp=paired_drop(b, a),
                gain_ci95_pp=paired_drop_interval(b, a, groups=groups),
                mcnemar_p=mcnemar_p(b, a, groups=groups),
                holm_p=1.0,
                both_right=int((a & b).sum()),
                only_better=int((b & ~a).sum()),
                only_worse=int((a & ~b).sum()),
                both_wrong=int((~a & ~b).sum()),
            )
        )
    adjusted = holm([pair.mcnemar_p for pair in pairs])
    return tuple(dataclasses.replace(pair, holm_p=p) for pair, p in zip(pairs, adjusted, strict=True))


def _misses(names: Sequence[str], pooled: Sequence[Predictions]) -> tuple[Miss, ...]:
    labels, first = pooled[0].labels, pooled[0]
    answers = np.stack([whole.predicted for whole in pooled])
    return tuple(
        Miss(
            first.paths[index],
            labels[first.truth[index]],
            {name: labels[answers[row, index]] for row, name in enumerate(names)},
        )
        for index in map(int, np.flatnonzero((answers != first.truth).any(axis=0)))
    )
