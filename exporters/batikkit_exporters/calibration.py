"""The representative data set: the photographs that fix a quantized network's ranges, and which they were."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.data.dataset import Sample
from batikkit.data.split import SplitRow, check_unchanged, of_split
from batikkit.data.tree import image_files
from batikkit.digest import file_sha256
from batikkit.errors import InputError
from batikkit.images import load_pixels

CALIBRATION_FILE = "calibration.csv"
DEFAULT_SIZE = 200
LEAST_LIKENESS = 0.3
"""Neighbouring pixels of photographs correlate at 0.7 to 1, of noise at 0."""
NOISY_SHARE = 0.1


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

    def pixels(self) -> NDArray[np.uint8]:
        """The same as uint8 [N + 2, S, S, 3]."""
        return np.concatenate([image.astype(np.uint8) for image in self.images()])

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
    chosen = _dealt(by_label)[:size]
    for sample in chosen:
        check_unchanged(root, sample)
    return CalibrationSet(root, chosen, image_size, seed)


def read_calibration(path: Path, *, rows: Sequence[SplitRow], root: Path, image_size: int) -> CalibrationSet:
    """The photographs that a user's own list or folder names.

    Args:
        path: A CSV file with a column `path` (and `label`), relative to `root`; or a folder of one subfolder per motif.
        rows: The split, whose test and validation photographs are refused.
        root: The data set's folder.
        image_size: Side of the model's input [pixels].

    Raises:
        InputError: no photographs, photographs of one motif, images of noise, or images that are to be tested on.
    """
    if path.is_dir():
        root, names = path, [(file, Path(file).parent.name) for file in image_files(path)]
    else:
        names = _read_names(path)
    samples = tuple(Sample(name, label, _digest(root, name), "") for name, label in names)
    _refuse_test_images(samples, rows, path)
    motifs = {sample.label for sample in samples}
    if len(motifs) < 2:
        raise InputError(
            f"{path} shows {len(motifs)} motif(s) in {len(samples)} photographs: ranges must come from all motifs"
        )
    by_label = {motif: [sample for sample in samples if sample.label == motif] for motif in motifs}
    found = CalibrationSet(root, _dealt(by_label), image_size, 0)
    _refuse_noise(found, path)
    return found


def _dealt(by_label: Mapping[str, Sequence[Sample]]) -> tuple[Sample, ...]:
    """One photograph of each motif after the other, as weights are rounded by the first of them."""
    rounds = max(len(samples) for samples in by_label.values())
    labels = sorted(by_label)
    return tuple(by_label[label][i] for i in range(rounds) for label in labels if i < len(by_label[label]))


def list_sha256(path: Path, *, root: Path) -> str:
    """Hash of a user's own list or folder and of every photograph it names, hex: another one means other ranges.

    Raises:
        InputError: the list or a photograph cannot be read.
    """
    if path.is_dir():
        root, names = path, [(file, "") for file in image_files(path)]
    else:
        names = _read_names(path)
    text = "\n".join(f"{name} {label} {_digest(root, name)}" for name, label in names)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_names(path: Path) -> list[tuple[str, str]]:
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the calibration list {path}: give a CSV file or a folder of images") from error
    if not rows or "path" not in rows[0]:
        raise InputError(f"{path} names no photographs: its first line must be path,label")
    return [(row["path"], row.get("label") or Path(row["path"]).parent.name) for row in rows]


def _digest(root: Path, name: str) -> str:
    try:
        return file_sha256(root / name)
    except OSError as error:
        raise InputError(f"cannot read calibration image {root / name}: {error.strerror}") from error


def _refuse_test_images(samples: Sequence[Sample], rows: Sequence[SplitRow], path: Path) -> None:
    split_of = {row.sample.sha256: row.split for row in rows if row.sample.sha256}
    held = [sample for sample in samples if split_of.get(sample.sha256) in ("test", "validation")]
    if held:
        split = split_of[held[0].sha256]
        raise InputError(
            f"{path} holds {len(held)} image(s) of the {split} split, such as {held[0].path}: a file may not be "
            "tuned on what tests it"
        )


def _refuse_noise(found: CalibrationSet, path: Path) -> None:
    """Photographs are smooth: neighbouring pixels are alike. Ranges from noise are those of no real input."""
    likeness = [_likeness(load_pixels(found.root / s.path, found.image_size)) for s in found.samples]
    noisy = [s.path for s, alike in zip(found.samples, likeness, strict=True) if alike < LEAST_LIKENESS]
    if len(noisy) > NOISY_SHARE * len(found.samples):
        raise InputError(f"{path}: {len(noisy)} of {len(found.samples)} images are noise, such as {noisy[0]}")


def _likeness(pixels: NDArray[np.uint8]) -> float:
    """Correlation of horizontally neighbouring pixels (-1..1); 0 for one flat colour."""
    grey = pixels.mean(axis=2)
    left, right = grey[:, :-1].reshape(-1), grey[:, 1:].reshape(-1)
    if left.std() == 0 or right.std() == 0:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])


def _chance(seed: int, sample: Sample) -> str:
    return hashlib.sha256(f"{seed}/{sample.sha256 or sample.path}".encode()).hexdigest()
