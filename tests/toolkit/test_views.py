"""Augmented views: inside the picture, as bright as it, and of the colours that the settings allow."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from batikkit.settings import TrainConfig
from batikkit.training.views import draw_views

STILL = {"rotation": 0.0, "zoom": 0.0, "image_size": 64}


def _views(image: NDArray[np.uint8], config: TrainConfig, count: int = 64) -> NDArray[np.float32]:
    return draw_views(np.repeat(image[None], count, axis=0), config=config, view=0, indices=np.arange(count))


def _places() -> NDArray[np.uint8]:
    """A picture whose red says x and whose green says y, four grey levels a pixel."""
    y, x = np.mgrid[:64, :64] * 4
    return np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("quarter_turns", [False, True])
def test_a_crop_stays_inside_the_picture_whichever_way_it_is_turned(quarter_turns: bool) -> None:
    """Where a view reaches beyond the edge the picture is reflected, and the places in it turn back."""
    views = _views(_places(), TrainConfig(crop_min=0.3, quarter_turns=quarter_turns, **STILL), 200)
    inner = views[:, 1:-1, 1:-1, :2]  # the outermost pixel may lie half a pixel from the edge
    for axis in (1, 2):
        bend = np.abs(np.diff(inner, n=2, axis=axis)).max(axis=(1, 2, 3))
        assert np.all(bend < 0.1), f"{np.sum(bend >= 0.1)} of 200 views reach beyond the picture"


def test_crops_have_the_area_and_the_shape_that_the_settings_say() -> None:
    views = _views(_places(), TrainConfig(crop_min=0.3, **STILL), 400)
    width = (views[:, 32, -1, 0] - views[:, 32, 0, 0]) / 252
    height = (views[:, -1, 32, 1] - views[:, 0, 32, 1]) / 252
    assert 0.29 < (width * height).min() < 0.4
    assert (width * height).max() > 0.9
    assert 0.74 < (width / height).min() < 0.85
    assert 1.18 < (width / height).max() < 1.35


@pytest.mark.parametrize(("setting", "value"), [("rotation", 0.05), ("zoom", 0.1), ("shift", 0.1), ("crop_min", 0.6)])
def test_a_view_is_as_bright_as_its_picture(setting: str, value: float) -> None:
    """Between columns of 100 and of 101 lies 100.5; cut-off fractions would make it 100."""
    image = np.full((64, 64, 3), 100, np.uint8)
    image[:, ::2] = 101
    views = _views(image, TrainConfig(**{**STILL, setting: value}))
    assert views.mean() == pytest.approx(100.5, abs=0.03)


def test_brightness_moves_all_pixels_alike() -> None:
    image = np.random.default_rng(0).integers(100, 150, (64, 64, 3), np.uint8)
    change = _views(image, TrainConfig(brightness=0.1, **STILL)) - image
    assert np.ptp(change, axis=(1, 2, 3)) == pytest.approx(np.zeros(64), abs=1e-3)
    shifts = change.mean(axis=(1, 2, 3))
    assert -25.5 <= shifts.min() < -20
    assert 20 < shifts.max() <= 25.5


def test_contrast_stretches_about_the_mean() -> None:
    image = np.random.default_rng(0).integers(100, 150, (64, 64, 3), np.uint8)
    apart = image - image.mean()
    views = _views(image, TrainConfig(contrast=0.2, **STILL))
    assert views.mean(axis=(1, 2, 3)) == pytest.approx(np.full(64, image.mean()), abs=1e-2)
    factors = [float((view - image.mean()).ravel() @ apart.ravel() / (apart**2).sum()) for view in views]
    for view, factor in zip(views, factors, strict=True):
        assert view == pytest.approx(image.mean() + factor * apart, abs=1e-2)
    assert 0.8 <= min(factors) < 0.85
    assert 1.15 < max(factors) <= 1.2


def test_saturation_leaves_grey_nearly_grey_and_moves_colour() -> None:
    grey = np.full((64, 64, 3), 120, np.uint8)
    gains = _views(grey, TrainConfig(saturation=0.3, **STILL))[:, 0, 0] / 120
    assert np.all(np.abs(gains - 1) <= 0.1 + 1e-5)
    assert np.abs(gains - 1).max() > 0.08
    red = np.full((64, 64, 3), (160, 100, 100), np.uint8)
    colour = _views(red, TrainConfig(saturation=0.3, **STILL), 200)[:, 0, 0]
    spread = (colour[:, 0] - colour[:, 1]) / 60
    assert spread.min() < 0.85
    assert spread.max() > 1.15


def test_no_view_leaves_the_range_of_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    views = _views(image, TrainConfig(brightness=0.5, contrast=1.0, saturation=1.0, **STILL))
    assert views.min() == 0
    assert views.max() == 255
