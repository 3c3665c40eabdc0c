"""Names the motif on a photograph: a `.tflite` file, its labels and images in, ranked motifs out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batikkit.errors import InputError
from batikkit.images import load_pixels
from batikkit.labels import LABELS_FILE, read_labels
from batikkit.metrics import best_first
from batikkit.tflite.labelled import check_labelled
from batikkit.tflite.probe import vet
from batikkit.tflite.runtime import LoadedModel, open_model


@dataclass(frozen=True)
class Guess:
    """One motif and its probability (0..1)."""

    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The best guesses for one image, most probable first; of equals the first of the label file."""

    image: Path
    guesses: tuple[Guess, ...]


class Classifier:
    """A model with its labels.

    Args:
        path: A `.tflite` file.
        labels: Label file; the one beside the model when None.
        runtime: Name of a runtime; the first that works when None.
        threads: Threads of the runtime.

    Raises:
        InputError: damaged file, no labels, or labels that do not match the output.
        VerificationError: the labels are another model's, or in another order.
    """

    def __init__(self, path: Path, *, labels: Path | None = None, runtime: str | None = None, threads: int = 1) -> None:
        vet(path, runtime=runtime)
        self.model: LoadedModel = open_model(path, runtime=runtime, threads=threads)
        source = labels or path.parent / LABELS_FILE
        self.labels = read_labels(source)
        outputs = self.model.output.shape[-1]
        if outputs != len(self.labels):
            raise InputError(
                f"{path} has {outputs} outputs but {source} names {len(self.labels)} labels: use the label file of the "
                "same export"
            )
        check_labelled(path, self.labels, source=source)

    def predict(self, images: Sequence[Path], *, top: int = 3) -> Iterator[Prediction]:
        """Yields one prediction per image file, in order.

        Raises:
            InputError: an unreadable image, or `top` below 1.
        """
        if top < 1:
            raise InputError(f"--top {top}: ask for at least one motif")
        for image in images:
            scores = self.model.classify(load_pixels(image, self.model.input.shape[1]))
            best = best_first(scores)[:top]
            yield Prediction(image, tuple(Guess(self.labels[i], float(scores[i])) for i in best))
