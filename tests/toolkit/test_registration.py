"""Alignment finds the crop, stretch or slight turn that was really applied, and gives up on strangers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from batikkit.data.duplicates import MIN_AGREEMENT
from batikkit.data.fingerprint import fingerprint
from batikkit.data.registration import even_light, register
from batikkit.data.synth.writing import picture
from batikkit.data.windows import SEARCH_SIDE, place


def tone(image: Image.Image) -> NDArray[np.uint8]:
    return fingerprint(image).tone


def cloth(motif: str, index: int = 0) -> Image.Image:
    return Image.fromarray(picture(motif, index, size=256, seed=5))


def align(
    inner: NDArray[np.uint8], outer: NDArray[np.uint8], window: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    _, maps = place(even_light(inner, SEARCH_SIDE), even_light(outer, SEARCH_SIDE), window)
    return register(inner, outer, maps)


@pytest.mark.parametrize("motif", ["kawung", "megamendung", "parang", "truntum"])
def test_a_crop_is_found_with_its_scale_and_shift(motif: str) -> None:
    whole = cloth(motif)
    left, top, right, bottom = 16, 8, 244, 250
    crop = whole.crop((left, top, right, bottom)).resize((256, 256))
    agreement, maps = align(tone(crop)[None], tone(whole)[None])
    assert agreement[0] > 0.95
    wanted = [[(right - left) / 256, 0, (left + right) / 256 - 1], [0, (bottom - top) / 256, (top + bottom) / 256 - 1]]
    assert np.abs(maps[0] - wanted).max() < 0.01


def test_a_slight_turn_is_found() -> None:
    whole = cloth("megamendung")
    turned = whole.rotate(3, Image.Resampling.BICUBIC).crop((10, 10, 246, 246)).resize((256, 256))
    agreement, maps = align(tone(turned)[None], tone(whole)[None])
    assert agreement[0] > 0.95
    assert abs(abs(np.degrees(np.arctan2(maps[0, 1, 0], maps[0, 0, 0]))) - 3) < 0.5


def test_the_same_picture_needs_no_map_and_a_change_of_light_does_not_matter() -> None:
    same = tone(cloth("ceplok"))
    shaded = (same * np.linspace(0.4, 1, 128)).astype(np.uint8)
    agreement, maps = align(np.stack([same, same]), np.stack([same, (same * 0.6 + 10).astype(np.uint8)]))
    assert (agreement > 0.99).all()
    assert np.abs(maps - [[1, 0, 0], [0, 1, 0]]).max() < 0.01
    assert np.abs(align(same[None], shaded[None])[1] - [[1, 0, 0], [0, 1, 0]]).max() < 0.02


def test_a_caption_does_not_count_but_another_picture_in_half_of_it_does() -> None:
    whole = cloth("kawung")
    captioned, halved = whole.copy(), whole.copy()
    ImageDraw.Draw(captioned).rectangle((20, 200, 190, 246), fill=(250, 250, 250))
    halved.paste(cloth("parang").crop((0, 0, 256, 128)), (0, 0))
    agreement, _ = align(tone(whole)[None].repeat(2, 0), np.stack([tone(captioned), tone(halved)]))
    assert agreement[0] > 0.98
    assert agreement[1] < MIN_AGREEMENT - 0.1


@pytest.mark.parametrize("motif", ["kawung", "nitik", "lereng"])
def test_other_cloths_of_the_same_motif_stay_well_below(motif: str) -> None:
    tones = np.stack([tone(cloth(motif, index)) for index in range(12)])
    a, b = np.array([(a, b) for a in range(12) for b in range(a)]).T
    agreement, _ = align(tones[a], tones[b])
    assert agreement.max() < MIN_AGREEMENT - 0.1


def test_pictures_without_detail_do_no_harm() -> None:
    flat = np.full((1, 128, 128), 128, np.uint8)
    stripes = np.tile((np.arange(128) % 8 * 30).astype(np.uint8), (1, 128, 1))
    for left, right in ((flat, flat), (flat, stripes), (stripes, stripes)):
        agreement, maps = align(left, right)
        assert np.isfinite(agreement).all()
        assert np.isfinite(maps).all()


def test_no_pairs_give_no_results() -> None:
    none = np.zeros((0, 128, 128), np.uint8)
    assert register(none, none, np.zeros((0, 2, 3), np.float32))[0].shape == (0,)
