"""Gates: results held against the limits of a budget. What cannot be judged fails and says why."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from batikkit.paired import images_needed
from batikkit_benchmarks.budget import Budget, Limits
from batikkit_benchmarks.report import Gate, MotifDrop, Parity, Result
from batikkit_benchmarks.tables import image_count

MOTIF_IMAGES = 30
"""A motif with fewer independent test images than this is not judged: one would be more than three points."""

Measure = Callable[[Result, float], float | None]


def check(results: Iterable[Result], budget: Budget) -> tuple[Gate, ...]:
    """Holds every result against its limits."""
    gates = []
    for result in results:
        limits = budget.limits(result.variant)
        for name, measure in MEASURES.items():
            limit = getattr(limits, name)
            if limit is None:
                continue
            value = measure(result, limit)
            reason = _doubt(name, value, limits, result)
            within = value is not None and (value <= limit if name.startswith("max") else value >= limit)
            remark = reason or (_motifs_left_out(result, limit) if name == "max_motif_drop" else "")
            shown = None if value is None else round(value, 6)
            gates.append(Gate(name, result.name, limit, shown, within and not reason, remark))
    return tuple(gates)


def _of_parity(figure: Callable[[Parity], float | None]) -> Measure:
    return lambda result, _limit: figure(result.parity) if result.parity else None


MEASURES: Mapping[str, Measure] = {
    "max_p90_ms": lambda result, _limit: result.latency_ms.p90,
    "max_size_mb": lambda result, _limit: result.size_bytes / 1e6,
    "max_rss_mb": lambda result, _limit: result.peak_rss_bytes / 1e6 or None,
    "max_drop": _of_parity(lambda parity: parity.drop_pp),
    "max_drop_upper": _of_parity(lambda parity: parity.drop_ci95_pp[1] if parity.drop_ci95_pp else None),
    "max_motif_drop": lambda result, limit: max(
        (motif.drop_pp for motif in _gated_motifs(result, limit) if motif.drop_pp is not None), default=None
    ),
    "min_agreement": _of_parity(lambda parity: parity.agreement),
    "min_top1": _of_parity(lambda parity: parity.top1),
}


def _doubt(name: str, value: float | None, limits: Limits, result: Result) -> str:
    """Why a gate cannot be judged; empty where it can."""
    limit = getattr(limits, name)
    if name == "max_p90_ms":
        return "" if result.valid else f"not valid: {result.notes[0]}"
    if name == "max_rss_mb" and value is None:
        return "not measured: a page in a browser cannot tell its memory"
    if name in ("max_size_mb", "max_rss_mb"):
        return ""
    if result.parity is None:
        return "not measured: no test images; keep parity.npz beside the file, or name photographs with --data"
    if name != "min_top1" and result.parity.reference is None:
        return "not measured: no reference; bench the float32 file with it"
    if name == "max_motif_drop":
        wanted = _motif_images(limit)
        return f"too few images to tell: no motif has {wanted} independent ones" if value is None else ""
    if name.startswith("min"):
        return _one_decides(value or 0.0, limit, result.parity.n)
    margin = limit if name == "max_drop_upper" or limits.max_drop_upper is None else limits.max_drop_upper
    return _drop_unclear(value or 0.0, limit, max(limit, margin), result.parity)


def _one_decides(value: float, limit: float, n: int) -> str:
    """A fraction is not judged where one image is more than the limit leaves; a limit of 1 asks for every image."""
    spare = 1 - limit
    if spare <= 0 or n * spare >= 1 - 1e-9 or value + 1 / n < limit:
        return ""
    return f"too few images to tell: one of {n} is {100 / n:.1f} %; {math.ceil(1 / spare - 1e-9)} are needed"


def _drop_unclear(value: float, limit: float, margin: float, parity: Parity) -> str:
    """A drop is judged where the images could rule out `margin`, and where it is not the limit that they leave open."""
    assert parity.drop_ci95_pp is not None
    assert parity.resolution_pp is not None
    low, high = parity.drop_ci95_pp
    if low > limit:
        return ""  # the images are enough to see that it fails
    if parity.resolution_pp > margin:
        grouped = parity.groups is not None and parity.groups < parity.n
        needed = images_needed(margin, grouped=grouped)
        cure = (
            "no number of images rules out every loss"
            if needed is None
            else (f"{needed} independent {'groups' if grouped else 'images'} are needed")
        )
        return (
            f"too few images to tell: {image_count(parity)} without one flip would still leave up to "
            f"{parity.resolution_pp:.1f} points; {cure}"
        )
    return f"too few images to tell: the interval, {low:+.1f} to {high:+.1f}, holds the limit" if value > limit else ""


def _gated_motifs(result: Result, limit: float) -> list[MotifDrop]:
    motifs = result.parity.per_motif.values() if result.parity else ()
    return [motif for motif in motifs if motif.independent >= _motif_images(limit)]


def _motif_images(limit: float) -> int:
    """Enough that one image is at most the limit."""
    return max(MOTIF_IMAGES, math.ceil(100 / limit - 1e-9) if limit > 0 else 0)


def _motifs_left_out(result: Result, limit: float) -> str:
    gated, tested = len(_gated_motifs(result, limit)), len(result.parity.per_motif) if result.parity else 0
    if gated == tested:
        return ""
    return f"{gated} of {tested} motifs judged: the others have under {_motif_images(limit)} independent images"
