"""What the page says of a photograph: motifs, scores, latency, and "not batik / not sure" by the folder's own rule."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from batikkit.assets.classifier import Classifier
from batikkit.assets.manifest import read_assets_manifest
from batikkit.assets.readme import recommended
from batikkit.assets.wording import TEXTS
from batikkit.images import load_pixels
from batikkit.labels import OTHER
from batikkit.motif_names import display_name


@dataclass(frozen=True)
class Answer:
    """The answer for one photograph: calibrated scores by label (0..1), the best first, and the rule's verdict."""

    scores: tuple[tuple[str, float], ...]
    named: bool
    latency_ms: float
    model: str

    def sentence(self, language: str) -> str:
        """The answer in words, Markdown."""
        label, confidence = self.scores[0]
        texts, motif = TEXTS[language], display_name(label, language)
        answer = "named" if self.named else "other" if label == OTHER else "unsure"
        verdict = texts[answer].format(motif=motif, confidence=confidence)
        return f"{verdict}\n\n{texts['latency'].format(model=self.model, latency_ms=self.latency_ms)}"


class Responder:
    """Answers photographs with the recommended model of a folder of assets.

    Raises:
        InputError: not a folder of assets, or its model does not load.
    """

    def __init__(self, folder: Path, *, runtime: str | None = None) -> None:
        self.manifest = read_assets_manifest(folder)
        self._file = recommended(self.manifest).file
        self._classifier = Classifier(folder / self._file, runtime=runtime)

    def answer(self, path: Path) -> Answer:
        """Answers one image file.

        Raises:
            InputError: it is no image that can be read.
        """
        pixels = load_pixels(path, self._classifier.image_size)
        started = time.perf_counter()
        found = self._classifier.classify(pixels)
        latency_ms = (time.perf_counter() - started) * 1e3
        return Answer(tuple(found.scores.items()), found.label is not None, latency_ms, self._file)
