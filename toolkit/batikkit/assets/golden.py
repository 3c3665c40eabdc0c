"""Golden vectors: photographs and the scores that a correct app gets for them, per variant and way of resizing."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from batikkit import atomic
from batikkit.assets.faults import RIGHT, answers, hypotheses, read_both
from batikkit.assets.manifest import inside
from batikkit.assets.resizes import RESIZES
from batikkit.assets.scenes import SCENES, draw_scene
from batikkit.console import Advance
from batikkit.errors import InputError
from batikkit.metrics import best_first
from batikkit.tflite.runtime import LoadedModel

GOLDEN_FOLDER = "golden"
EXPECTED_FILE = "expected.json"
SCHEMA_VERSION = 1
ATTEMPTS = 6
TOP = 3
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class GoldenVector:
    """One photograph with what is right for it.

    Attributes:
        file: Its name in `golden/`.
        sha256: Of its bytes.
        width: As stored [pixels].
        height: As stored [pixels].
        orientation: EXIF orientation in the file, 1 when upright.
        scores: float32 [C] by variant and way of resizing.
    """

    file: str
    sha256: str
    width: int
    height: int
    orientation: int
    scores: dict[str, dict[str, Scores]]


def draw_golden(models: Mapping[str, LoadedModel], *, advance: Advance) -> dict[str, bytes]:
    """Draws every scene several times and keeps the picture in which the usual mistakes are told apart best.

    Args:
        models: By variant; all with the same input size.
        advance: Called with (scenes done, scenes in all).

    Returns:
        PNG bytes by file name.
    """
    size = next(iter(models.values())).input.shape[1]
    chosen = {}
    for number, scene in enumerate(SCENES):
        attempts = [draw_scene(scene, number=number, image_size=size, attempt=attempt) for attempt in range(ATTEMPTS)]
        # The earliest of equals: max() keeps the first, so chance plays no part.
        chosen[f"{number + 1:02d}-{scene.name}.png"] = max(attempts, key=lambda data: separation(data, models))
        advance(number + 1, len(SCENES))
    return chosen


def separation(data: bytes, models: Mapping[str, LoadedModel]) -> float:
    """Hellinger distance between the two mistakes of a picture that are told apart worst, mean over variants."""
    with Image.open(io.BytesIO(data)) as image:
        return sum(_worst_pair(image, model) for model in models.values()) / len(models)


def _worst_pair(image: Image.Image, model: LoadedModel) -> float:
    """Mistakes that give the same tensor (a crop of a square image) cannot be told apart and do not count."""
    told: dict[bytes, Scores] = {}
    for hypothesis, scores in answers(model, hypotheses(image, model, resizes=("antialias",))):
        told.setdefault(hypothesis.tensor.tobytes(), scores)
    return min(hellinger(a, b) for a, b in itertools.combinations(told.values(), 2))


def hellinger(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Distance of two distributions [C], 0..1; unlike a plain difference it also sees small probabilities change."""
    apart = np.sqrt(np.maximum(a, 0)) - np.sqrt(np.maximum(b, 0))
    return float(np.sqrt(np.sum(np.square(apart, dtype=np.float64)) / 2))


def expect(pictures: Mapping[str, bytes], models: Mapping[str, LoadedModel]) -> tuple[GoldenVector, ...]:
    """Runs every model on every picture under every way of resizing."""
    return tuple(_vector(name, data, models) for name, data in pictures.items())


def _vector(name: str, data: bytes, models: Mapping[str, LoadedModel]) -> GoldenVector:
    with Image.open(io.BytesIO(data)) as image:
        orientation, size = int(image.getexif().get(0x0112, 1)), image.size
        _, upright = read_both(image)
    scores = {
        variant: {
            name: model.classify(RIGHT.picture(upright, upright, model.input.shape[1], resize))
            for name, resize in RESIZES.items()
        }
        for variant, model in models.items()
    }
    width, height = size
    return GoldenVector(name, hashlib.sha256(data).hexdigest(), width, height, orientation, scores)


def write_expected(path: Path, vectors: Sequence[GoldenVector], labels: Sequence[str]) -> None:
    """Writes `expected.json`, scores to six digits and the best labels of each for people to read."""
    images = [
        {
            "file": v.file, "sha256": v.sha256, "width": v.width, "height": v.height, "orientation": v.orientation,
            "top": {name: _top(ways["antialias"], labels) for name, ways in v.scores.items()},
            "scores": {name: {way: _rounded(s) for way, s in ways.items()} for name, ways in v.scores.items()},
        }
        for v in vectors
    ]  # fmt: skip
    text = json.dumps({"schema_version": SCHEMA_VERSION, "labels": list(labels), "images": images}, ensure_ascii=False)
    # One image per line: an app's test reads it, and a difference between two versions stays readable.
    atomic.write_text(path, text.replace('{"file"', '\n{"file"') + "\n")


def _rounded(scores: Scores) -> list[float]:
    return [round(float(score), 6) for score in scores]


def _top(scores: Scores, labels: Sequence[str]) -> list[list[Any]]:
    best = best_first(scores)[:TOP]
    return [[labels[i], round(float(scores[i]), 4)] for i in best]


def read_expected(path: Path) -> tuple[GoldenVector, ...]:
    """Reads `expected.json`.

    Raises:
        InputError: missing or damaged.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema_version"] != SCHEMA_VERSION:
            raise InputError(
                f"{path} has schema_version {raw['schema_version']!r}: this batikkit reads {SCHEMA_VERSION}"
            )
        return tuple(_from_raw(raw["images"]))
    except OSError as error:
        raise InputError(f"cannot read golden vectors {path}: {error.strerror}; make the folder again") from error
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error!r}): make the folder again with 'batikkit assets'") from error


def _from_raw(images: list[dict[str, Any]]) -> Iterator[GoldenVector]:
    if not images:
        raise ValueError("no images: nothing would be proven")
    for raw in images:
        scores = {
            variant: {way: np.array(values, np.float32) for way, values in ways.items()}
            for variant, ways in raw["scores"].items()
        }
        if any(values.ndim != 1 for ways in scores.values() for values in ways.values()):
            raise ValueError("scores are no list of numbers")
        yield GoldenVector(
            inside(str(raw["file"])),
            raw["sha256"],
            int(raw["width"]),
            int(raw["height"]),
            int(raw["orientation"]),
            scores,
        )
