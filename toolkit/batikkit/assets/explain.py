"""Given the scores that a phone got for golden images, names the mistake that explains them best."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.assets.faults import Mistake, answers, hypotheses, open_golden
from batikkit.assets.golden import EXPECTED_FILE, GOLDEN_FOLDER, hellinger, read_expected
from batikkit.assets.manifest import AssetsManifest
from batikkit.assets.readings import ENOUGH, STALE, Naming, Scale, find_scale, namings, read_order
from batikkit.assets.resizes import RESIZES
from batikkit.errors import InputError
from batikkit.tflite.runtime import LoadedModel

Scores = NDArray[np.float32]

CLOSE = 1.5
"""Mistakes whose distance is within this factor of the best one's are named as well."""

NEAR = 0.2
"""Hellinger distance up to which an explanation without a rival holds though a score is beyond the tolerance: another
library's bilinear filter rounds single pixels differently, and a small network notices."""

NOISE = 0.03
"""Hellinger distance that rounding alone causes, per unit of tolerance."""


@dataclass(frozen=True)
class Observation:
    """What a phone said: scores float32 [C] of a variant for a golden image, in the order of labels.txt.

    `scale` says that the app wrote them otherwise, and how; `scores` are probabilities all the same.
    """

    image: str
    variant: str
    scores: Scores
    scale: Scale | None = None


@dataclass(frozen=True)
class Explanation:
    """A mistake, or none, against all observations.

    Attributes:
        fault: None: the app does everything right.
        resizes: The ways of resizing that fit, best first: more than one where these images do not tell them apart.
        distance: Mean Hellinger distance to the observed scores (0..1).
        largest_difference: Of any score (0..1).
        within: Whether every score lies within its variant's tolerance.
    """

    fault: Mistake | None
    resizes: tuple[str, ...]
    distance: float
    largest_difference: float
    within: bool

    @property
    def name(self) -> str:
        """The fault's name, or `none`."""
        return self.fault.name if self.fault else "none"


@dataclass(frozen=True)
class Verdict:
    """The best explanation, others that fit about as well, and all of them by distance.

    `scale`: how the app scales its scores, beside whatever else it does; None where it does not.
    """

    best: Explanation
    rivals: tuple[Explanation, ...]
    ranking: tuple[Explanation, ...]
    scale: Scale | None = None

    @property
    def right(self) -> bool:
        """Whether the app does everything right."""
        return self.explained and self.best.fault is None and self.scale is None

    @property
    def explained(self) -> bool:
        """Whether the best explanation accounts for what was seen."""
        return self.best.within or (self.best.distance <= NEAR and not self.rivals)


def explain(
    folder: Path,
    manifest: AssetsManifest,
    observations: Sequence[Observation],
    open_variant: Callable[[str], LoadedModel],
) -> Verdict:
    """Compares the observations with what each mistake would have given.

    Args:
        folder: The folder of assets.
        manifest: Its manifest.
        observations: At least one.
        open_variant: Loads the model of a variant.

    Raises:
        InputError: an observation names no image of the folder.
    """
    models = {name: open_variant(name) for name in sorted({seen.variant for seen in observations})}
    fits: _Fits = defaultdict(list)
    for seen in observations:
        model, image = models[seen.variant], open_golden(folder / GOLDEN_FOLDER / seen.image)
        for hypothesis, scores in answers(model, hypotheses(image, model)):
            fits[hypothesis.name, hypothesis.resize].append(_fit(hypothesis.fault, scores, seen, manifest))
    _add_namings(fits, list(namings(manifest.labels)), observations, manifest)
    noise = NOISE * max(manifest.variant(name).tolerance for name in models)
    scale = next((seen.scale for seen in observations if seen.scale), None)
    verdict = _verdict(fits, noise, scale)
    if verdict.best.within or len({seen.image for seen in observations}) < ENOUGH:
        return verdict
    # Golden pictures follow each other in the order of the labels, so that late answers look like labels a line off.
    stale = _stale(folder, observations, manifest)
    distance = float(np.mean([fit.distance for fit in stale]))
    if distance <= NEAR / 2 and CLOSE * distance + noise < verdict.best.distance:
        fits[STALE.name, "antialias"] = stale
        return _verdict(fits, noise, scale)
    if verdict.explained:
        return verdict
    # Only where nothing else explains the scores: some order of labels comes near to any of them.
    shown = [seen.scores for seen in observations]
    for resize in RESIZES:
        order = read_order(manifest.labels, [fit.scores for fit in fits["none", resize]], shown)
        if order is not None:
            _add_namings(fits, [order], observations, manifest, resizes=(resize,))
    again = _verdict(fits, noise, scale)
    return again if again.explained else verdict


def _stale(folder: Path, observations: Sequence[Observation], manifest: AssetsManifest) -> list[_Fit]:
    """Of each observation the golden scores of the other picture that comes nearest."""
    vectors = read_expected(folder / GOLDEN_FOLDER / EXPECTED_FILE)
    found = []
    for seen in observations:
        others = (vector.scores[seen.variant].values() for vector in vectors if vector.file != seen.image)
        ways = [_fit(STALE, scores, seen, manifest) for of_one in others for scores in of_one]
        found.append(min(ways, key=lambda fit: fit.distance))
    return found


def _verdict(fits: _Fits, noise: float, scale: Scale | None) -> Verdict:
    # The sorts are stable and `none` comes first: a mistake that is invisible in these images is not preferred to none.
    by_fault: dict[str, list[Explanation]] = defaultdict(list)
    for (name, resize), some in fits.items():
        by_fault[name].append(_explanation(resize, some))
    ranking = tuple(sorted((_joined(some, noise) for some in by_fault.values()), key=_distance))
    near = _near(ranking, noise)
    # An app is not accused where these images cannot tell the mistake from none.
    best = next((e for e in near if e.fault is None), near[0])
    return Verdict(best, tuple(e for e in near if e is not best), ranking, scale)


def _add_namings(
    fits: _Fits,
    found: Sequence[Naming],
    observations: Sequence[Observation],
    manifest: AssetsManifest,
    resizes: Sequence[str] = tuple(RESIZES),
) -> None:
    """What the right way gives under wrong names."""
    for naming in found:
        for resize in resizes:
            for seen, right in zip(observations, fits["none", resize], strict=True):
                ways = [_fit(naming, shown, seen, manifest) for shown in naming.applied(right.scores)]
                fits[naming.name, resize].append(min(ways, key=lambda fit: fit.distance))


def _fit(fault: Mistake | None, scores: Scores, seen: Observation, manifest: AssetsManifest) -> _Fit:
    difference = float(np.abs(scores - seen.scores).max())
    within = difference <= manifest.variant(seen.variant).tolerance
    return _Fit(fault, hellinger(scores, seen.scores), difference, within, scores)


@dataclass(frozen=True)
class _Fit:
    """How near one hypothesis comes to one observation."""

    fault: Mistake | None
    distance: float
    difference: float
    within: bool
    scores: Scores


_Fits = dict[tuple[str, str], list[_Fit]]


def _distance(explanation: Explanation) -> float:
    return explanation.distance


def _near(ranking: Sequence[Explanation], noise: float) -> list[Explanation]:
    """Those of a ranking by distance that the first does not clearly beat."""
    limit = max(CLOSE * ranking[0].distance, ranking[0].distance + noise)
    return [explanation for explanation in ranking if explanation.distance <= limit]


def _joined(ways: Sequence[Explanation], noise: float) -> Explanation:
    """One mistake under several ways of resizing: the best of them, with all those that fit as well."""
    near = _near(sorted(ways, key=_distance), noise)
    return replace(near[0], resizes=tuple(way.resizes[0] for way in near))


def _explanation(resize: str, fits: Sequence[_Fit]) -> Explanation:
    distance = float(np.mean([fit.distance for fit in fits]))
    largest = max(fit.difference for fit in fits)
    return Explanation(fits[0].fault, (resize,), distance, largest, all(fit.within for fit in fits))


def read_observations(path: Path, manifest: AssetsManifest, images: Sequence[str]) -> tuple[Observation, ...]:
    """Reads the scores that an app wrote: one object, or a list of them, `{"image", "variant", "scores"}`.

    `scores` is a list in the order of labels.txt, or an object by label; `variant` may be left out where the folder
    holds one model.

    Raises:
        InputError: unreadable, or it does not fit the folder.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read scores {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}): write {{'image', 'variant', 'scores'}}") from error
    entries = raw if isinstance(raw, list) else [raw]
    if not entries:
        raise InputError(f"{path} holds no scores: write the answer for at least one golden image")
    observations = tuple(_observation(path, entry, manifest, images) for entry in entries)
    scale = find_scale([seen.scores for seen in observations], source=str(path))
    if scale is None:
        return observations
    return tuple(replace(seen, scores=seen.scores / np.float32(scale.factor), scale=scale) for seen in observations)


def _observation(path: Path, entry: Any, manifest: AssetsManifest, images: Sequence[str]) -> Observation:
    if not isinstance(entry, dict) or "image" not in entry or "scores" not in entry:
        raise InputError(f"{path}: an entry needs 'image', 'variant' and 'scores', and this one is {str(entry)[:80]}")
    image = Path(str(entry["image"])).name
    if image not in images:
        raise InputError(f"{path}: {image!r} is no golden image of this folder: choose {', '.join(images)}")
    variant = entry.get("variant") or (manifest.variants[0].name if len(manifest.variants) == 1 else None)
    if variant is None:
        names = ", ".join(v.name for v in manifest.variants)
        raise InputError(f"{path}: say which model answered for {image} with 'variant': {names}")
    manifest.variant(str(variant))
    return Observation(image, str(variant), _scores(path, image, entry["scores"], manifest.labels))


def _scores(path: Path, image: str, given: Any, labels: Sequence[str]) -> Scores:
    if isinstance(given, dict):
        # One name that is none of the labels, such as "background", is what a list shifted by a line gives.
        if len(given) != len(labels) or len(set(labels) - set(given)) > 1:
            raise InputError(f"{path}: the scores of {image} are not those of {', '.join(labels)}")
        given = [given.get(label, 0.0) for label in labels]
    try:
        scores = np.array(given, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: the scores of {image} are no numbers") from error
    if scores.shape != (len(labels),) or not np.isfinite(scores).all():
        raise InputError(f"{path}: {image} needs {len(labels)} finite scores in the order of labels.txt")
    return scores
