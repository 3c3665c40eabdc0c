"""Parts of a picture: hashed as if they had been cut out, and found again where they were cut."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from batikkit.data.fingerprint import fingerprint, hamming, oriented, perceptual_hashes
from batikkit.data.registration import even_light
from batikkit.data.synth.writing import picture
from batikkit.data.windows import SEARCH_SIDE, WINDOWS, averaging, place, window_hashes


def cloth(motif: str, index: int = 0) -> Image.Image:
    return Image.fromarray(picture(motif, index, size=256, seed=5))


def part_of(image: Image.Image, window: int) -> Image.Image:
    return image.crop(tuple(round(share * 256) for share in WINDOWS[window]))  # type: ignore[arg-type]


@pytest.mark.parametrize("window", range(len(WINDOWS)))
def test_the_hash_of_a_part_is_that_of_a_crop_in_every_orientation(window: int) -> None:
    for motif in ("ceplok", "tambal", "megamendung"):
        hashes = window_hashes(fingerprint(cloth(motif)).tone[None])[0, window]
        crop = np.asarray(part_of(cloth(motif), window).convert("L").resize((128, 128)))
        for orientation in range(8):
            turned = Image.fromarray(np.ascontiguousarray(oriented(crop, orientation)))
            bits = hamming(perceptual_hashes(turned)[0], hashes[orientation])
            assert bits <= 6, (motif, orientation)


def coarse(*images: Image.Image) -> NDArray[np.float32]:
    return even_light(np.stack([fingerprint(image).tone for image in images]), SEARCH_SIDE)


@pytest.mark.parametrize("window", range(len(WINDOWS)))
def test_a_part_is_found_where_it_was_cut(window: int) -> None:
    images = [cloth(motif, 1) for motif in ("kawung", "parang", "truntum", "tambal")]
    correlation, maps = place(coarse(*(part_of(i, window) for i in images)), coarse(*images), window)
    left, top, right, bottom = WINDOWS[window]
    wanted = [[right - left, 0, left + right - 1], [0, bottom - top, top + bottom - 1]]
    assert np.abs(maps - wanted).max() < 0.06
    assert correlation.min() > 0.6


def test_strangers_correlate_little_wherever_they_are_placed() -> None:
    images = [cloth(motif, index) for motif in ("kawung", "parang", "tambal") for index in range(4)]
    pictures = coarse(*images)
    a, b = np.array([(a, b) for a in range(12) for b in range(a)]).T
    for window in range(len(WINDOWS)):
        correlation, _ = place(pictures[a], pictures[b], window)
        assert np.quantile(correlation, 0.9) < 0.45


def test_averaging_keeps_means_and_reads_the_span_only() -> None:
    matrix = averaging(128, 32, 0.25, 0.75)
    assert matrix.shape == (32, 128)
    assert np.allclose(matrix.sum(axis=1), 1)
    assert not matrix[:, :32].any()
    assert not matrix[:, 96:].any()
    assert np.allclose(averaging(32, 24) @ np.arange(32), (np.arange(24) + 0.5) * 32 / 24 - 0.5, atol=0.2)
