"""Motifs that the circumstances of their photographs tell: one camera, one shop, one frame for each."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from batikkit.data.findings import Finding
from batikkit.data.smoother import embed, one_hot, out_of_fold

FAR = 0.9
"""Probability from which circumstances are said to tell a motif: that of a photograph of it being ranked before another
one, where 0.5 is chance."""

FEWEST = 8
"""Independent photographs of a motif, and of all others, below which that may be an accident."""


def circumstance_findings(
    known: Sequence[tuple[float, ...]], labels: Sequence[str], groups: Sequence[Hashable]
) -> Iterator[Finding]:
    """A warning for motifs that circumstances alone tell from all others.

    Args:
        known: `Inspection.circumstances` of N photographs.
        labels: Their motifs.
        groups: Their cloths: none speaks for its own.
    """
    names = sorted(set(labels))
    told = [(name, rank) for name, rank in told_by_circumstances(known, labels, groups) if rank >= FAR]
    if told:
        listed = tuple(f"{name}: {rank:.2f}" for name, rank in told)
        message = (
            f"size, compression, sharpness and frame alone tell {len(told)} of {len(names)} motif(s) from the others "
            f"(a photograph of {told[0][0]} is ranked before one of another motif with a probability of "
            f"{told[0][1]:.2f}; chance is 0.50)"
        )
        advice = "a model may learn the camera or the shop: add photographs of these motifs from other places"
        yield Finding("circumstances", "warning", message, advice, listed)


def told_by_circumstances(
    known: Sequence[tuple[float, ...]], labels: Sequence[str], groups: Sequence[Hashable]
) -> list[tuple[str, float]]:
    """Motif and how well circumstances tell it (area under the ROC curve), the best told first."""
    names = sorted(set(labels))
    independent = {name: len({g for g, label in zip(groups, labels, strict=True) if label == name}) for name in names}
    evaluated = [n for n in names if min(independent[n], sum(independent.values()) - independent[n]) >= FEWEST]
    if len(names) < 2 or not evaluated:
        return []
    numbers = np.asarray(known, np.float64)
    spread = numbers.std(axis=0)
    points = embed(((numbers - numbers.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32))
    truth = np.array([names.index(label) for label in labels], np.int64)
    answers = out_of_fold(points, one_hot(truth, len(names)), groups)
    ranks = [(name, _area(answers[:, names.index(name)], truth == names.index(name))) for name in evaluated]
    return sorted(ranks, key=lambda pair: (-pair[1], pair[0]))


def _area(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: Mann and Whitney's statistic; ties count half."""
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    del values
    ranks = np.cumsum(counts) - (counts - 1) / 2
    wins = ranks[inverse][positive].sum() - positive.sum() * (positive.sum() + 1) / 2
    return float(wins / (positive.sum() * (~positive).sum()))
