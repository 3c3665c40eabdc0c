"""Grids and second-order rounding: what they promise, on numbers small enough to check."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from batikkit_exporters.quantization.grid import grid_over, weight_scale
from batikkit_exporters.quantization.layerwise import compensate


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (-1.0, 1.0), (-3.2, 0.7), (2.0, 5.0)])
def test_a_grid_holds_zero_exactly_and_covers_its_range(low: float, high: float) -> None:
    grid = grid_over(low, high)
    smallest, largest = grid.limits()
    assert -128 <= grid.zero_point <= 127
    assert smallest <= min(low, 0) + grid.scale
    assert largest >= high - grid.scale


def test_pixels_get_the_exact_grid() -> None:
    grid = grid_over(0.0, 255.0)
    assert (grid.scale, grid.zero_point) == (1.0, -128)


def test_16_bit_grids_are_symmetric() -> None:
    assert grid_over(-1.0, 3.0, "int16").zero_point == 0


def test_compensated_rounding_beats_rounding_to_nearest() -> None:
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(4000, 24)) @ rng.normal(size=(24, 24))  # inputs that vary together
    weights = rng.normal(size=(1, 8, 24))
    scale = weight_scale(weights[0], axis=0)[None] * 8  # coarse, as if 5 bits
    covariance = (inputs.T @ inputs / len(inputs))[None]
    rounded = compensate(weights, covariance, lambda chosen: np.rint(chosen / scale[:, :, 0]) * scale[:, :, 0])
    nearest = np.rint(weights / scale) * scale
    assert np.allclose(rounded / scale, np.rint(rounded / scale))

    def error(chosen: np.ndarray) -> float:
        return float(np.mean((inputs @ (chosen - weights)[0].T) ** 2))

    assert error(rounded) < 0.7 * error(nearest)
