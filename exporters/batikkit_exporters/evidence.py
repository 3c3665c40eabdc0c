"""The photographs that an export is proven on, with the model's own answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.data.dataset import Sample
from batikkit.data.split import check_unchanged, of_split
from batikkit.errors import InputError
from batikkit.images import load_pixels
from batikkit.parity_pack import PARITY_FILE, write_parity_pack
from batikkit_exporters.source import LoadedNet, Source

PROOF_IMAGES = 8
PARITY_LIMIT = 1000
"""Most test images in a parity pack: 1000 of 288 pixels are 250 MB, and tell a drop of a point apart."""


def split_pixels(source: Source, split: str, image_size: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All photographs of one split, uint8 [N, S, S, 3], and their labels int64 [N].

    Raises:
        InputError: there are none, or one changed since training.
    """
    samples = of_split(source.rows, split)
    if not samples:
        raise InputError(f"the split has no {split} images, which this export needs: train with a {split} share")
    for sample in samples:
        check_unchanged(source.root, sample)
    return _pixels(source, samples, image_size), _labels(source, samples)


def tested_samples(source: Source) -> Sequence[Sample]:
    """Photographs of the test split, at most `PARITY_LIMIT`.

    Raises:
        InputError: there are none, or one changed since training.
    """
    samples = of_split(source.rows, "test")
    if not samples:
        raise InputError("the split has no test images: parity cannot be shown; train with a test share")
    # An even stride keeps every motif in the pack: the samples are sorted by path, hence by motif.
    samples = samples[:: -(-len(samples) // PARITY_LIMIT)]
    for sample in samples:
        check_unchanged(source.root, sample)
    return samples


def write_proof(path: Path, source: Source, net: LoadedNet, *, samples: Sequence[Sample]) -> None:
    """Writes a few of the photographs with the model's answers, to prove each file on."""
    chosen = np.linspace(0, len(samples) - 1, min(PROOF_IMAGES, len(samples))).astype(int)
    images = _pixels(source, [samples[i] for i in chosen], net.image_size)
    np.savez(path, images=images, probabilities=net.answers(images))


def write_parity(source: Source, net: LoadedNet, *, samples: Sequence[Sample]) -> float:
    """Writes the parity pack to the export folder and returns the model's accuracy on it (0..1)."""
    pixels, labels = _pixels(source, samples, net.image_size), _labels(source, samples)
    probabilities = net.answers(pixels)
    write_parity_pack(
        source.folder / PARITY_FILE,
        pixels,
        labels=labels,
        probabilities=probabilities,
        names=[sample.path for sample in samples],
        groups=[sample.group for sample in samples],
        image_size=net.image_size,
    )
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def _pixels(source: Source, samples: Sequence[Sample], image_size: int) -> NDArray[np.uint8]:
    return np.stack([load_pixels(source.root / sample.path, image_size) for sample in samples])


def _labels(source: Source, samples: Sequence[Sample]) -> NDArray[np.int64]:
    return np.array([source.labels.index(sample.label) for sample in samples], np.int64)
