"""The representative data set: the photographs that fix a quantized network's ranges, and which they were."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.dataset import Sample
from batikkit.errors import InputError
from batikkit.images import load_pixels
from batikkit.split import SplitRow, check_unchanged, of_split

CALIBRATION_FILE = "calibration.csv"
DEFAULT_SIZE = 200


@dataclass(frozen=True)
class CalibrationSet:
    """Photographs of the train split, equally many per motif as far as there are any.

    Attributes:
        root: Folder that the samples' paths are relative to.
        samples: In the order in which they are shown to the converter.
        image_size: Side of the model's input [pixels].
        seed: What drew them.
    """

    root: Path
    samples: tuple[Sample, ...]
    image_size: int
    seed: int

    def images(self) -> Iterator[NDArray[np.float32]]:
        """Yields float32 [1, S, S, 3] 0..255: the photographs, then the two anchors.

        The all-0 and all-255 anchors make the input range exactly 0..255, hence the input quantization exactly
        (scale 1, zero point 0): consumers such as MediaPipe feed raw bytes whatever the file's scale says.
        """
        for sample in self.samples:
            yield load_pixels(self.root / sample.path, self.image_size)[None].astype(np.float32)
        for value in (0, 255):
            yield np.full((1, self.image_size, self.image_size, 3), value, np.float32)

    def csv(self) -> bytes:
        """`calibration.csv`: path, label and sha256 of each photograph, UTF-8."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("path", "label", "sha256"))
        writer.writerows((sample.path, sample.label, sample.sha256) for sample in self.samples)
        return text.getvalue().encode("utf-8")

    def sha256(self) -> str:
        """Hash of `calibration.csv`, hex."""
        return hashlib.sha256(self.csv()).hexdigest()


def draw_calibration(
    rows: Sequence[SplitRow], *, root: Path, image_size: int, size: int = DEFAULT_SIZE, seed: int = 0
) -> CalibrationSet:
    """Draws up to `size` photographs, one motif after the other, from the train split only.

    Raises:
        InputError: fewer than two motifs in the train split, a size below the number of motifs, or a photograph that is
            gone or changed since training.
    """
    by_label: dict[str, list[Sample]] = defaultdict(list)
    for sample in sorted(of_split(rows, "train"), key=lambda s: _chance(seed, s)):
        by_label[sample.label].append(sample)
    if len(by_label) < 2:
        raise InputError(f"the train split has {len(by_label)} motif(s): calibration needs all of them")
    if size < len(by_label):
        raise InputError(f"--calibration-size {size} is below one photograph per motif: use {len(by_label)} or more")
    rounds = max(len(samples) for samples in by_label.values())
    dealt = [by_label[label][i] for i in range(rounds) for label in sorted(by_label) if i < len(by_label[label])]
    chosen = tuple(dealt[:size])
    for sample in chosen:
        check_unchanged(root, sample)
    return CalibrationSet(root, chosen, image_size, seed)


def _chance(seed: int, sample: Sample) -> str:
    return hashlib.sha256(f"{seed}/{sample.sha256 or sample.path}".encode()).hexdigest()
