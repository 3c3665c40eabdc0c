"""Names the motif on a picture in three lines of Python: `from batikkit import Classifier`.

classifier = Classifier("android_demo_assets")
answer = classifier.classify(frame)
print(answer.label or "not sure", answer.probability)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from batikkit import runs
from batikkit.assets.manifest import ASSETS_MANIFEST, find_variant, read_assets_manifest
from batikkit.assets.readme import recommended
from batikkit.assets.rejection import Rejection, calibrated
from batikkit.errors import InputError
from batikkit.images import damage_named, decode, load_pixels, resize
from batikkit.labels import OTHER
from batikkit.metrics import best_first
from batikkit.tflite.labelled import open_labelled
from batikkit.tflite.runtime import Wishes

Picture = str | Path | Image.Image | NDArray[np.uint8]
"""A file; a Pillow image; or uint8 [H, W, 3], red, green, blue."""

_MOST_THREADS = 128
"""A runtime asked for a million begins to make them, and takes the machine's processes along."""

_PREFERRED = ("int8", "float16", "dynamic", "float32", "int16x8")


@dataclass(frozen=True)
class Answer:
    """What a model says of one picture.

    Attributes:
        label: The motif; None where the best label is "other", or the folder's rule says "not sure".
        probability: Of the best motif (0..1), the figure that the rule compares with its threshold.
        scores: Probability of every label, the best first; of equals the first of the label file.
    """

    label: str | None
    probability: float
    scores: Mapping[str, float]

    @property
    def other(self) -> bool:
        """Whether it is taken for none of the motifs, rather than being unsure of one."""
        return self.best == OTHER

    @property
    def best(self) -> str:
        """The motif with the largest score, sure or not."""
        return next(iter(self.scores))


class Classifier:
    """A model, its labels and, in a folder that `batikkit assets` wrote, its rule for "not sure".

    Elsewhere there is no such rule: every picture gets a label, unless the best is "other". Not thread-safe: give
    each thread its own.

    Args:
        model: A `.tflite` file, a folder of assets, an export folder or a run.
        labels: Label file; the one beside the model when None.
        runtime: Name of a runtime; the first that works when None.
        threads: Threads of the runtime.
        input_range: What black and white become in the input of a file that nobody else tells of.
        logits: The file leaves out the softmax.

    Raises:
        InputError: no such model, damaged, no labels, labels that do not match the output, or no count of threads.
        VerificationError: the labels are another model's, or in another order.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        labels: str | Path | None = None,
        runtime: str | None = None,
        threads: int = 1,
        input_range: tuple[float, float] | None = None,
        logits: bool = False,
    ) -> None:
        if not isinstance(threads, int) or not 1 <= threads <= _MOST_THREADS:
            raise InputError(f"threads={threads!r}: give a whole number from 1 to {_MOST_THREADS}, at most the cores")
        if not isinstance(model, str | Path):
            raise InputError(f"{type(model).__name__} is no model: give the path of a .tflite file, a folder or a run")
        self.path = find_model(Path(model))
        wishes = Wishes(input_range, logits)
        self._model, self.labels = open_labelled(
            self.path, labels=Path(labels) if labels else None, runtime=runtime, threads=threads, wishes=wishes
        )
        self.rule = _rule(self.path)
        self.image_size = self._model.input.shape[1]

    @property
    def caution(self) -> str:
        """What must be known of these answers, one line; empty where all is known."""
        return "" if self.rule else self._model.caution

    def classify(self, image: Picture, *, bgr: bool = False) -> Answer:
        """Answers one picture, whole and upright.

        Args:
            image: A path, a Pillow image, or uint8 [H, W, 3] with red first.
            bgr: The array has blue first, as OpenCV and some cameras give it.

        Raises:
            InputError: it cannot be read, or is none of these.
        """
        raw = self._model.classify(self.pixels(image, bgr=bgr))
        scores: NDArray[Any] = calibrated(raw, self.rule.temperature) if self.rule else raw
        ranked = {self.labels[i]: float(scores[i]) for i in best_first(scores)}
        label, probability = next(iter(ranked.items()))
        sure = label != OTHER if self.rule is None else self.rule.names(label, probability)
        return Answer(label if sure else None, probability, ranked)

    def pixels(self, image: Picture, *, bgr: bool = False) -> NDArray[np.uint8]:
        """What the model is shown of a picture: uint8 [image_size, image_size, 3], red first.

        Raises:
            InputError: it cannot be read, or is none of these.
        """
        if isinstance(image, np.ndarray):
            return resize(Image.fromarray(_rgb(image, bgr=bgr)), self.image_size)
        if bgr:
            raise InputError(
                f"bgr=True for {type(image).__name__}: only an array has an order of colours, leave it out"
            )
        if isinstance(image, Image.Image):
            if 0 in image.size:
                raise InputError(f"an image of {image.width}x{image.height} pixels is no picture: it shows nothing")
            with damage_named(Path(getattr(image, "filename", "") or "the picture")):
                return resize(decode(image), self.image_size)
        if not isinstance(image, str | Path):
            raise InputError(f"{_no_picture(image)}: give a path, a Pillow image or a uint8 array")
        return load_pixels(Path(image), self.image_size)


def _no_picture(thing: object) -> str:
    if thing is None:  # what cv2.imread answers for a file that it cannot read, and a camera without a frame
        return "None is no picture, the file or the camera gave none"
    return f"{type(thing).__name__} is no picture"


def find_model(place: Path) -> Path:
    """The model file that is meant by a file, a folder of assets, an export folder or a run.

    Raises:
        InputError: there is none.
    """
    if not place.is_dir():
        return place
    if (place / ASSETS_MANIFEST).is_file():
        return place / recommended(read_assets_manifest(place)).file
    for folder in (place / runs.EXPORT_FOLDER, place):
        found = {path.stem: path for path in sorted(folder.glob("*.tflite"))}
        for name in (*_PREFERRED, *found):
            if name in found:
                return found[name]
    raise InputError(f"{place} holds no .tflite file: run 'batikkit export' first, or name a model")


def _rule(model: Path) -> Rejection | None:
    return read_assets_manifest(model.parent).rejection if find_variant(model) else None


def _rgb(image: NDArray[Any], *, bgr: bool) -> NDArray[np.uint8]:
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        more = ": drop the fourth channel with frame[..., :3]" if image.ndim == 3 and image.shape[2] == 4 else ""
        raise InputError(f"an array of shape {image.shape} is no picture, give [height, width, 3]{more}")
    if image.dtype != np.uint8:
        raise InputError(f"an array of {image.dtype} is no picture: give uint8, 0 to 255, not scaled")
    return np.ascontiguousarray(image[..., ::-1] if bgr else image)
