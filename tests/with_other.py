"""A run whose exports end with the label "other", and a folder of its assets with pictures of every answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from batikkit import Classifier
from batikkit.assets.build import build_assets
from batikkit.assets.classifier import Answer
from batikkit.assets.manifest import AssetsManifest, write_assets_manifest
from batikkit.assets.rejection import Rejection
from commands import run
from drawn_stripes import write_stripes

TEMPERATURE = 2.0
"""Far from 1, so that who forgets it gets other confidences."""
_EACH = 6


@dataclass(frozen=True)
class Asked:
    """A folder of assets with one float32 model, and what Python's Classifier says of pictures, by their paths.

    Of the pictures some are named, some are unsure and some are "other", none of them near a limit. They have the
    model's size, so that no way of resizing plays a part.
    """

    folder: Path
    manifest: AssetsManifest
    answers: dict[Path, Answer]

    @property
    def tolerance(self) -> float:
        """Of scores, between runtimes."""
        return self.manifest.variants[0].tolerance


def kind(answer: Answer) -> str:
    """What apps say in different words."""
    return "other" if answer.other else "unsure" if answer.label is None else "named"


def train_with_other(place: Path, weights: str) -> Path:
    """Trains on `place/photos`, shown `place/strangers`, and exports float32; `place/more` has more strangers."""
    rng = np.random.default_rng(11)
    write_stripes(place / "photos", per_class=40)
    for name in ("strangers", "more"):
        (place / name).mkdir()
        for number in range(12):
            blots = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
            Image.fromarray(blots).resize((80, 80), Image.Resampling.NEAREST).save(place / name / f"{number}.png")
    code = run("train", place / "photos", "--preset", "smoke", "--weights", weights,
                       "--others", place / "strangers", "--runs-dir", place / "runs", "--unit", "copy",
                       "--set", "head=solved", "--set", "phase2_epochs=0")  # fmt: skip
    assert code == 0
    assert run("export", "--float32", "--runs-dir", place / "runs") == 0
    return next((place / "runs").iterdir())


def ask(trained: Path, place: Path, out: Path) -> Asked:
    """Builds the folder, with a rule that leaves some pictures unsure, and asks Python."""
    made = build_assets(trained, out / "assets")
    variant = made.manifest.variant("float32")
    manifest = replace(made.manifest, variants=(variant,), rejection=Rejection(TEMPERATURE, 0.0))
    write_assets_manifest(made.folder, manifest)
    classifier = Classifier(made.folder)
    (out / "pictures").mkdir()
    answers = {}
    for number, source in enumerate([*sorted((place / "more").iterdir()), *sorted((place / "photos").rglob("*.png"))]):
        path = out / "pictures" / f"{number:03d}.png"
        Image.fromarray(classifier.pixels(source)).save(path)
        answers[path] = classifier.classify(path)
    sure = sorted(answer.probability for answer in answers.values() if not answer.other)
    # The widest gap between two confidences that leaves enough on either side.
    gap = max(range(_EACH, len(sure) - _EACH + 1), key=lambda i: sure[i] - sure[i - 1])
    threshold = round((sure[gap] + sure[gap - 1]) / 2, 4)
    manifest = replace(manifest, rejection=Rejection(TEMPERATURE, threshold))
    write_assets_manifest(made.folder, manifest)
    classifier = Classifier(made.folder)
    asked = {path: classifier.classify(path) for path in answers}
    return Asked(made.folder, manifest, _some_of_each(asked, threshold, 2 * variant.tolerance))


def _some_of_each(answers: dict[Path, Answer], threshold: float, margin: float) -> dict[Path, Answer]:
    chosen: dict[Path, Answer] = {}
    for path, answer in answers.items():
        first, second = list(answer.scores.values())[:2]
        clear = first - second > margin and abs(first - threshold) > margin
        if clear and sum(kind(known) == kind(answer) for known in chosen.values()) < _EACH:
            chosen[path] = answer
    counts = Counter(map(kind, chosen.values()))
    assert min(counts[name] for name in ("named", "unsure", "other")) >= 4, counts
    return chosen
