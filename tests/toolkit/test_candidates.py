"""Which pairs are aligned: the right ones, turned the right way, and not many more."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from batikkit.data import candidates
from batikkit.data.candidates import find_candidates
from batikkit.data.fingerprint import Fingerprint, fingerprint, oriented
from batikkit.data.synth.writing import picture
from batikkit.data.windows import WINDOWS


def random_prints(count: int) -> list[Fingerprint]:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (count, 8), dtype=np.uint64)
    tones = rng.integers(0, 256, (count, 128, 128), dtype=np.uint8)
    colours = rng.integers(0, 256, (count, 1, 1, 3), dtype=np.uint8).repeat(16, 1).repeat(16, 2)
    return [Fingerprint(*look) for look in zip(hashes, tones, colours, strict=True)]


def test_the_number_of_alignments_grows_with_images_not_with_pairs() -> None:
    for count in (100, 1000):
        assert len(find_candidates(random_prints(count))) <= candidates.NEAREST * count


def test_blocks_do_not_change_the_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    prints = random_prints(300)
    whole = find_candidates(prints)
    monkeypatch.setattr(candidates, "_BLOCK_PAIRS", 500)
    blocks = find_candidates(prints)
    assert len(whole) > 300
    for name, column in vars(whole).items():
        assert (column == getattr(blocks, name)).all(), name


@pytest.mark.parametrize("orientation", range(8))
@pytest.mark.parametrize("window", [1, 2, 3, 6])
def test_a_turned_part_comes_up_first_with_its_turn_and_its_window(orientation: int, window: int) -> None:
    whole = picture("tambal", 0, size=256, seed=11)
    left, top, right, bottom = (round(share * 256) for share in WINDOWS[window])
    part = whole[top:bottom, left:right]
    turned = np.ascontiguousarray(oriented(part, orientation))
    other = picture("tambal", 1, size=256, seed=11)
    found = find_candidates([fingerprint(Image.fromarray(image)) for image in (other, turned, whole)])
    assert (found.inner[0], found.outer[0], found.window[0]) == (1, 2, window)
    assert np.array_equal(oriented(turned, int(found.turn[0])), part)


def test_neither_brightness_nor_contrast_hides_a_copy_but_another_colour_does() -> None:
    image = Image.fromarray(picture("megamendung", 0, size=256, seed=11))
    edits = [ImageEnhance.Brightness(image).enhance(1.2), ImageEnhance.Contrast(image).enhance(0.7)]
    red, green, blue = image.split()
    dyed = Image.merge("RGB", (blue, green, red))
    pixels = np.asarray(image)
    assert abs(pixels[..., 0].mean() - pixels[..., 2].mean()) > 40
    for edit in edits:
        assert len(find_candidates([fingerprint(image), fingerprint(edit)]))
    assert not len(find_candidates([fingerprint(image), fingerprint(dyed)]))
