"""What more photographs would bring: the error falls with their number, and the curve goes on as it went.

Accuracies come from out-of-fold predictions on frozen features, learned from a part of the cloths of all motifs, or of
one. `A - B / n^c` (an inverse power law, Cortes et al. 1994) is fitted through them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batikkit.console import Advance
from batikkit.data.smoother import Floats, deal_folds, one_hot, solved

SHARES = (0.3, 0.45, 0.65, 1.0)
"""Parts of the cloths that are learned from, to see how accuracy grows."""

POWER = 0.5
"""How fast the error falls. Free exponents of curves this short are noise; of 0.35 to 1 this one foretold halves of
`batik10` best, size and bias of its errors together."""

MORE = 40
"""Photographs that a motif is imagined to get."""

_FOLDS = 10
_REPEATS = 4
_RESAMPLED = 400
_FEWEST = 6


@dataclass(frozen=True)
class Gain:
    """What more photographs would bring.

    Attributes:
        what: A motif, or `all` for all of them in proportion.
        images: Photographs there are.
        more: Photographs to add.
        points: Points of accuracy, of which every motif has the same share, that they would bring.
        ci95: Interval of that, from resampled cloths.
        own: The motif's own accuracy now, in per cent; the mean of all where `what` is `all`.
    """

    what: str
    images: int
    more: int
    points: float
    ci95: tuple[float, float]
    own: float


@dataclass(frozen=True)
class Learning:
    """How accuracy grows with photographs.

    Attributes:
        measured: Photographs learned from, and the mean of the motifs' accuracies [%] then.
        doubled: What twice as many would bring.
        motifs: What `MORE` of one motif would bring, the most first; motifs of very few cloths are left out.
    """

    measured: tuple[tuple[int, float], ...]
    doubled: Gain
    motifs: tuple[Gain, ...]


@dataclass(frozen=True)
class _Set:
    points: Floats
    truth: NDArray[np.int64]
    cloth: NDArray[np.int64]
    targets: Floats
    seed: int


def learn(
    points: Floats, labels: Sequence[str], groups: Sequence[Hashable], *, seed: int = 0, advance: Advance | None = None
) -> Learning:
    """Measures how accuracy grows with photographs, and goes on from there.

    Args:
        points: Float64 [N, M], as `smoother.embed` makes them.
        labels: N motifs.
        groups: N cloths.
        seed: Deals folds and chooses parts.
        advance: Called with (done, total).
    """
    names = sorted(set(labels))
    truth = np.array([names.index(label) for label in labels], np.int64)
    places = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    cloth = np.array([places[group] for group in groups], np.int64)
    photographs = _Set(points, truth, cloth, one_hot(truth, len(names)), seed)
    evaluated = [k for k in range(len(names)) if len(set(cloth[truth == k])) >= _FEWEST]
    rng = np.random.default_rng(seed)
    resampled = [rng.choice(len(places), len(places)) for _ in range(_RESAMPLED)]
    counts, right = _curve(photographs, None)
    if advance:
        advance(1, 1 + len(evaluated))
    count = len(truth)
    doubled = _gain("all", photographs, counts, right, count, count, resampled)
    gains = []
    for number, k in enumerate(evaluated, 2):
        found, answers = _curve(photographs, k, whole=right[-1])
        gains.append(_gain(names[k], photographs, found, answers, int((truth == k).sum()), MORE, resampled, k))
        if advance:
            advance(number, 1 + len(evaluated))
    weight = equal_motifs(truth)
    measured = tuple((round(n), round(100 * float(r @ weight), 1)) for n, r in zip(counts, right, strict=True))
    return Learning(measured, doubled, tuple(sorted(gains, key=lambda gain: -gain.points)))


def _curve(photographs: _Set, motif: int | None, *, whole: Floats | None = None) -> tuple[list[float], list[Floats]]:
    """For each of `SHARES` how many photographs (of the motif) were learned from, and how often each one was right."""
    shares = SHARES if whole is None else SHARES[:-1]
    found = [_right(photographs, share, motif) for share in shares]
    if whole is not None:
        assert motif is not None
        found.append(((photographs.truth == motif).sum() * (1 - 1 / _FOLDS), whole))
    return [count for count, _ in found], [right for _, right in found]


def _right(photographs: _Set, share: float, motif: int | None) -> tuple[float, Floats]:
    points, truth, cloth, targets = photographs.points, photographs.truth, photographs.cloth, photographs.targets
    right, counts = np.zeros(len(truth)), []
    folds = min(_FOLDS, len(set(cloth.tolist())))
    for repeat in range(_REPEATS):
        rng = np.random.default_rng((photographs.seed, repeat))
        fold_of = deal_folds(cloth.tolist(), folds, seed=photographs.seed + repeat)
        for fold in range(folds):
            inside = fold_of != fold
            ours = inside if motif is None else inside & (truth == motif)
            names = np.unique(cloth[ours])
            kept = rng.permutation(names)[: max(1, round(share * len(names)))]
            learned = inside & (np.isin(cloth, kept) | ~ours)
            right[~inside] += answers(points, truth, targets, learned, ~inside) == truth[~inside]
            counts.append((learned & ours).sum())
    return float(np.mean(counts)), right / _REPEATS


def equal_motifs(truth: NDArray[np.int64]) -> Floats:
    """Float64 [N] of sum 1 that weighs every motif the same, as rare ones matter too."""
    weight = 1.0 / np.bincount(truth)[truth]  # a motif of which nothing is there weighs nothing
    return np.asarray(weight / weight.sum(), np.float64)


def answers(
    points: Floats, truth: NDArray[np.int64], targets: Floats, learned: NDArray[np.bool_], asked: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """What those asked are read as by a ridge regression of those learned from, every motif weighing the same."""
    weight = equal_motifs(truth[learned]) * learned.sum()
    mean = weight @ targets[learned] / weight.sum()
    known = points[learned].T * weight
    ridge = solved(known @ points[learned], known @ (targets[learned] - mean))
    return np.asarray((points[asked] @ ridge + mean).argmax(axis=1), np.int64)


def fitted(counts: Sequence[float], accuracies: Sequence[float], *, power: float = POWER) -> tuple[float, float]:
    """`A` and `B` of `A - B / n^power` by least squares; `B` is not below 0, since more photographs do no harm."""
    steps = np.asarray(counts, np.float64) ** -power
    heights = np.asarray(accuracies, np.float64)
    spread = steps - steps.mean()
    slope = max(0.0, -float((spread * heights).sum() / max((spread**2).sum(), 1e-12)))
    return float(heights.mean() + slope * steps.mean()), slope


def _gain(
    what: str,
    photographs: _Set,
    counts: Sequence[float],
    right: Sequence[Floats],
    images: int,
    more: int,
    resampled: Sequence[NDArray[np.int64]],
    motif: int | None = None,
) -> Gain:
    weight = equal_motifs(photographs.truth)
    sums = np.stack([np.bincount(photographs.cloth, weights=one * weight) for one in right])
    sizes = np.bincount(photographs.cloth, weights=weight)
    step = counts[-1] ** -POWER - (counts[-1] * (images + more) / images) ** -POWER
    points = 100 * step * fitted(counts, sums.sum(axis=1) / sizes.sum())[1]
    drawn = [100 * step * fitted(counts, sums[:, some].sum(axis=1) / sizes[some].sum())[1] for some in resampled]
    low, high = np.quantile(drawn, (0.025, 0.975))
    own = right[-1][photographs.truth == motif].mean() if motif is not None else right[-1] @ weight
    ci95 = round(float(low), 2), round(float(high), 2)
    return Gain(what, images, more, round(points, 2), ci95, round(100 * float(own), 1))


def told(learning: Learning) -> list[str]:
    """What more photographs would bring, a line each for people, the most helpful motif first."""
    (count, read), doubled = learning.measured[-1], learning.doubled
    lines = [
        f"{read:.1f} % are read by a linear head on frozen features that learned from {count}; twice as many "
        f"photographs of every motif would bring about {_points(doubled)}"
    ]
    lines += [
        f"{gain.more} more photographs of {gain.what} ({gain.images} now, {gain.own:.0f} % of them read) would bring "
        f"about {_points(gain)}"
        for gain in learning.motifs
    ]
    return lines


def _points(gain: Gain) -> str:
    return f"{gain.points:.1f} points ({gain.ci95[0]:.1f} to {gain.ci95[1]:.1f})"
