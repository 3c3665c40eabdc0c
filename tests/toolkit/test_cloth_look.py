"""The look of a cloth depends neither on place nor on turn, and on nearness only by a shift of scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from batikkit.data.cloth_look import COLOURS, LOOK_SIDE, SCALES, PlainTexture, cloth_looks, colours, lab
from batikkit.data.synth.writing import picture
from batikkit.network.texture import best_texture

Pixels = NDArray[np.uint8]
MOTIFS = ("kawung", "parang", "truntum")


def resized(pixels: Pixels, side: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR))


@pytest.fixture(scope="module", params=MOTIFS)
def endless(request: pytest.FixtureRequest) -> Pixels:
    """A cloth that goes on the same in all directions: 4 x 4 times a drawn picture and its mirror images."""
    one = picture(request.param, 0, size=112, seed=5)
    row = np.concatenate([one, one[:, ::-1]], axis=1)
    return np.tile(np.concatenate([row, row[::-1]]), (2, 2, 1))


def textures(*pictures: Pixels) -> NDArray[np.float32]:
    return PlainTexture()(np.stack(pictures))


def test_lab_of_known_colours() -> None:
    known = {
        (255, 0, 0): (53.24, 80.09, 67.20),
        (0, 255, 0): (87.73, -86.18, 83.18),
        (0, 0, 255): (32.30, 79.19, -107.86),
        (255, 255, 255): (100, 0, 0),
        (119, 119, 119): (50.03, 0, 0),
        (0, 0, 0): (0, 0, 0),
    }
    found = lab(np.array(list(known), np.uint8))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, list(known.values()), atol=0.06)


def test_colours_are_shares_of_unit_length() -> None:
    half = np.zeros((64, 64, 3), np.uint8)
    half[:32] = (255, 0, 0)
    found = colours(half).astype(np.float64)
    assert found.shape == (COLOURS,)
    np.testing.assert_allclose(np.sort(found)[-2:], np.sqrt(0.5), atol=1e-3)
    assert np.count_nonzero(found) == 2


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("motif", MOTIFS)
def test_turning_changes_nothing(motif: str, quarters: int) -> None:
    drawn = picture(motif, 1, size=LOOK_SIDE, seed=3)
    turned = np.ascontiguousarray(np.rot90(drawn, quarters))
    before, after = textures(drawn, turned)
    assert (before * after).sum(axis=1).min() > 0.9995
    assert np.array_equal(colours(drawn), colours(turned))


def test_place_changes_little(endless: Pixels) -> None:
    """Of a cloth that is the same all over; pictures of 14 pixels still differ by where the window begins."""
    windows = [endless[y : y + LOOK_SIDE, x : x + LOOK_SIDE] for y, x in ((0, 0), (37, 90), (111, 13))]
    first, *others = textures(*windows)
    for other in others:
        assert (first * other).sum(axis=1).min() > 0.9
        assert first[0] @ other[0] > 0.99
    shares = [colours(window).astype(np.float64) for window in windows]
    assert min(shares[0] @ other for other in shares) > 0.995


def test_from_twice_as_near_it_looks_the_same_two_scales_on(endless: Pixels) -> None:
    far, near = textures(resized(endless, LOOK_SIDE), endless[:LOOK_SIDE, :LOOK_SIDE])
    shifted = (far[: SCALES - 2] * near[2:]).sum(axis=1)
    assert shifted.min() > 0.95
    assert shifted.min() > (far * near).sum(axis=1).max()


def test_windows_of_one_cloth_are_more_alike_than_those_of_two() -> None:
    """A whole drawn cloth each, in the dyes and the drawing of its own."""
    drawn = [picture("kawung", index, size=2 * LOOK_SIDE, seed=11) for index in range(6)]
    corners = (slice(0, LOOK_SIDE), slice(LOOK_SIDE, None))
    first, second = ([cloth[corner, corner] for cloth in drawn] for corner in corners)
    one, two = textures(*first), textures(*second)
    alike = np.einsum("asd,btd->abst", one, two).max(axis=(2, 3))
    assert alike.argmax(axis=1).tolist() == list(range(6))


def test_looks_are_of_unit_length_in_half_precision() -> None:
    drawn = [picture(motif, 0, size=LOOK_SIDE, seed=1) for motif in MOTIFS]
    for look in cloth_looks(drawn, PlainTexture()):
        assert look.texture.shape[0] == SCALES
        assert look.texture.dtype == look.colours.dtype == np.float16
        np.testing.assert_allclose(np.linalg.norm(look.texture.astype(np.float64), axis=1), 1, atol=1e-3)
        np.testing.assert_allclose(np.linalg.norm(look.colours.astype(np.float64)), 1, atol=1e-3)
    assert cloth_looks([], PlainTexture()) == []


def test_a_flat_picture_is_described_without_noise() -> None:
    flat, grain = np.full((2, LOOK_SIDE, LOOK_SIDE, 3), 130, np.uint8)
    grain = grain.copy()
    grain[::7, ::5] += 1
    assert np.isfinite(textures(flat, grain)).all()
    assert not textures(flat).any()


def test_another_backbones_weights_tell_no_cloths_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "lite0.pth").write_bytes(b"tensors")
    assert isinstance(best_texture(tmp_path / "lite0.pth"), PlainTexture)


@pytest.mark.parametrize("weights", ["none", "nowhere/weights.h5"])
def test_without_weights_the_plain_statistics_describe(weights: str) -> None:
    assert isinstance(best_texture(weights), PlainTexture)
    assert "without a network" in best_texture(weights).name
