"""The photographs that an export is proven on, with the model's own answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.data.dataset import Sample
from batikkit.data.split import check_unchanged, of_split
from batikkit.errors import InputError, VerificationError
from batikkit.images import load_pixels
from batikkit.labels import among_motifs
from batikkit.parity_pack import ParityPack, read_parity_pack, write_parity_pack
from batikkit_exporters.source.loaded import LoadedNet, Source

PARITY_LIMIT = 1000
"""Most test images in a parity pack: 1000 of 288 pixels are 250 MB, and tell a drop of a point apart."""
LARGEST_CHANGE = 0.02
"""Share of test photographs on which a model may answer otherwise than when it was trained, by other rounding."""


def split_pixels(
    source: Source, split: str, image_size: int, *, limit: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The photographs of one split, at most `limit`: uint8 [N, S, S, 3], and their labels int64 [N].

    Raises:
        InputError: there are none, or one changed since training.
    """
    samples = of_split(source.rows, split)
    if not samples:
        raise InputError(f"the split has no {split} images, which this export needs: train with a {split} share")
    # An even stride keeps every motif: the samples are sorted by path, hence by motif.
    samples = samples[:: 1 if limit is None else -(-len(samples) // limit)]
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


def write_parity(path: Path, source: Source, net: LoadedNet, *, samples: Sequence[Sample]) -> ParityPack:
    """Writes the photographs with the model's own answers, and returns what was written but the pixels.

    Raises:
        VerificationError: the model answers otherwise than when it was trained.
    """
    pixels, labels = _pixels(source, samples, net.image_size), _labels(source, samples)
    names = tuple(sample.path for sample in samples)
    probabilities = net.answers(pixels)
    check_recorded(source, names, probabilities)
    write_parity_pack(
        path,
        pixels,
        labels=labels,
        probabilities=probabilities,
        names=names,
        groups=[sample.group for sample in samples],
        image_size=net.image_size,
        caution=source.caution,
    )
    return read_parity_pack(path)


def check_recorded(source: Source, names: Sequence[str], probabilities: NDArray[np.float32]) -> None:
    """Compares the model's answers with those it gave when it was trained, motif by motif.

    Raises:
        VerificationError: they name other motifs, so the model or its labels are not those of the run.
    """
    if source.recorded is None:
        return
    said = dict(zip(source.recorded.paths, source.recorded.predicted, strict=True))
    pairs = [
        (source.recorded.labels[said[name]], source.labels[found])
        for name, found in zip(names, among_motifs(probabilities, source.labels).argmax(axis=1), strict=True)
        if name in said
    ]
    differ = [pair for pair in pairs if pair[0] != pair[1]]
    if len(differ) > LARGEST_CHANGE * len(pairs):
        then, now = differ[0]
        raise VerificationError(
            f"the model of {source.run_id} names other motifs than when it was trained on {len(differ)} of "
            f"{len(pairs)} test photographs ({then} then, {now} now): its model or labels.txt was changed; train again"
        )


def _pixels(source: Source, samples: Sequence[Sample], image_size: int) -> NDArray[np.uint8]:
    return np.stack([load_pixels(source.root / sample.path, image_size) for sample in samples])


def _labels(source: Source, samples: Sequence[Sample]) -> NDArray[np.int64]:
    return np.array([source.labels.index(sample.label) for sample in samples], np.int64)
