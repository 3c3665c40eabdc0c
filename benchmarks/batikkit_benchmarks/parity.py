"""How far a file's answers are from the reference's on the same images. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from batikkit.intervals import accuracy_interval
from batikkit.labels import among_motifs, motif_count
from batikkit.metrics import expected_calibration_error
from batikkit.paired import drop_resolution, mcnemar_p, paired_drop, paired_drop_interval
from batikkit_benchmarks.report import Flip, MotifDrop, Parity

Scores = NDArray[np.float32]


def evaluate(
    scores: Scores,
    truth: NDArray[np.int64],
    *,
    labels: Sequence[str],
    images: Sequence[str],
    source: str,
    groups: Sequence[str] | None = None,
    cautions: Sequence[str] = (),
    reference: Scores | None = None,
    reference_name: str | None = None,
    images_per_s: float | None = None,
) -> Parity:
    """Accuracy of `scores`, and where there is a reference, everything that compares them pairwise.

    Args:
        scores: float32 [N, C] probabilities of the file under test.
        truth: int64 [N], the right class of each image.
        labels: C motifs.
        images: N names.
        source: What the images were.
        groups: N names; images of one group depend on each other. None where that is not known.
        cautions: What must be known of these figures, one line each.
        reference: float32 [N, C] probabilities of the reference on the same images.
        reference_name: Whose they are.
        images_per_s: Rate of the evaluation.
    """
    # "other" is an answer, and counts where answers are compared.
    answers, expected = scores, reference
    scores = _asked(scores, truth, labels)
    reference = None if reference is None else _asked(reference, truth, labels)
    right = scores.argmax(1) == truth
    reference_right = None if reference is None else reference.argmax(1) == truth
    accuracy = Parity(
        source=source,
        n=len(truth),
        top1=float(right.mean()),
        top1_ci95=accuracy_interval(right, groups),
        calibration_error=expected_calibration_error(scores, truth),
        per_motif=_per_motif(right, reference_right, truth, labels, groups),
        images_per_s=images_per_s,
        groups=None if groups is None else len(set(groups)),
        cautions=tuple(cautions),
    )
    if expected is None or reference is None or reference_right is None:
        return accuracy
    values = {name: getattr(accuracy, name) for name in accuracy.__dataclass_fields__}
    values |= {
        "reference": reference_name,
        "reference_top1": float(reference_right.mean()),
        "drop_pp": paired_drop(reference_right, right),
        "drop_ci95_pp": paired_drop_interval(reference_right, right, groups=groups),
        "resolution_pp": drop_resolution(len(right), groups),
        "mcnemar_p": mcnemar_p(reference_right, right, groups=groups),
        "agreement": float(np.mean(answers.argmax(1) == expected.argmax(1))),
        "max_abs_diff": float(np.abs(answers - expected).max()),
        "reference_calibration_error": expected_calibration_error(reference, truth),
        "flipped": _flips(answers, expected, truth, labels, images),
    }
    return Parity(**values)


def _asked(scores: Scores, truth: NDArray[np.int64], labels: Sequence[str]) -> Scores:
    """Of photographs of motifs it is asked which one it is, whatever else could be answered."""
    return among_motifs(scores, labels) if (truth < motif_count(labels)).all() else scores


def _per_motif(
    right: NDArray[np.bool_],
    reference_right: NDArray[np.bool_] | None,
    truth: NDArray[np.int64],
    labels: Sequence[str],
    groups: Sequence[str] | None,
) -> dict[str, MotifDrop]:
    drops = {}
    for index, label in enumerate(labels):
        mine = truth == index
        if not mine.any():
            continue
        top1 = float(right[mine].mean())
        before = None if reference_right is None else float(reference_right[mine].mean())
        drop = None if before is None else 100 * (before - top1)
        apart = None if groups is None else len({group for group, own in zip(groups, mine, strict=True) if own})
        drops[label] = MotifDrop(int(mine.sum()), top1, before, drop, apart)
    return drops


def _flips(
    scores: Scores, reference: Scores, truth: NDArray[np.int64], labels: Sequence[str], images: Sequence[str]
) -> tuple[Flip, ...]:
    answers, expected = scores.argmax(1), reference.argmax(1)
    return tuple(
        Flip(
            image=images[index],
            truth=labels[truth[index]],
            reference=labels[expected[index]],
            answer=labels[answers[index]],
            reference_probability=round(float(reference[index, expected[index]]), 4),
            probability=round(float(scores[index, answers[index]]), 4),
        )
        for index in map(int, np.flatnonzero(answers != expected))
    )
