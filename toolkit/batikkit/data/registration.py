"""Laying one thumbnail over another: the affine map that makes two pictures agree best, and how well they then agree.

A copy that was cropped, stretched, shifted or slightly turned has a plain pixel correlation near that of a stranger;
after registration it is near 1, while another part of the same cloth is not. Gauss-Newton on the zero-mean normalised
luminance, from a coarse picture to a fine one (Lucas and Kanade 1981; Baker and Matthews, IJCV 56, 2004), for many
pairs at once, from a first guess that `windows.place` makes.

Pictures are blurred by one pixel first: thumbnails of fine patterns hold detail that no resampling keeps, which would
cost true copies a tenth of their correlation. Coarse pictures are brought to even light, so that neither a shadow nor
a caption leads the alignment astray.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from batikkit.data.windows import SEARCH_SIDE

MIDDLE_SIDE = 64
LEVELS = ((SEARCH_SIDE, 3, 0.25), (MIDDLE_SIDE, 3, 0.65))
"""Side [pixels], Gauss-Newton steps, and the correlation below which a pair is given up, from coarse to fine."""

FINE_STEPS = 1
WORTH_REFINING = 0.70
"""Steps on the whole thumbnail, after the `LEVELS`, and the agreement below which they are not worth it."""

MIN_OVERLAP = 0.70
"""A map that leaves less than this share of the picture covered does not count."""

CELLS = 8
"""Agreement is judged in 8 x 8 cells of the picture."""

MAX_CELLS_IGNORED = 0.25
OUTLIER = 4.0
"""Cells that disagree over 4 times more than the median cell (a caption, a mark) are ignored, up to a quarter."""

_LIGHT_REACH = 9 / 32
_LARGEST_STEP = 0.08
_LARGEST_RESIDUAL = 1.5
_Floats = NDArray[np.float32]


def register(left: NDArray[np.uint8], right: NDArray[np.uint8], maps: _Floats) -> tuple[_Floats, _Floats]:
    """Improves, for each pair, the affine map of coordinates that lays `right` over `left`.

    Args:
        left: uint8 [P, 128, 128], luminance.
        right: uint8 [P, 128, 128], luminance, already in the orientation to be tried.
        maps: float32 [P, 2, 3], first guesses; coordinates run from -1 to 1 across the picture.

    Returns:
        agreement: float32 [P], -1..1, zero-mean normalised cross-correlation of the finest pictures over the overlap
            without `OUTLIER` cells; pairs given up on the way get -1.
        maps: float32 [P, 2, 3].
    """
    maps = maps.copy()
    result = np.full(len(left), -1, np.float32)
    alive = np.arange(len(left))
    for side, steps, give_up in LEVELS:
        if len(alive):
            a, b = (even_light(stack[alive], side) for stack in (left, right))
            found, maps[alive] = _refine(a, b, maps[alive], steps)
            alive = alive[found >= give_up]
    for steps in (0, FINE_STEPS):
        if len(alive):
            a, b = (blurred(stack[alive].astype(np.float32)) for stack in (left, right))
            if steps:
                _, maps[alive] = _refine(a, b, maps[alive], steps)
            result[alive] = _agreement(a, *warp(b, maps[alive]))
            alive = alive[result[alive] >= WORTH_REFINING]
    return result, maps


def even_light(pictures: NDArray[np.uint8], side: int) -> _Floats:
    """Shrinks pictures uint8 [P, N, N] to float32 [P, side, side] of zero mean and unit variance around each pixel."""
    # Blurred to what the smaller picture can hold, so that copies of different sharpness shrink to the same pixels.
    small = _shrink(blurred(blurred(pictures.astype(np.float32))), pictures.shape[-1] // side)
    reach = round(_LIGHT_REACH * side) // 2
    mean = _box_mean(small, reach)
    deviation = np.sqrt(np.maximum(_box_mean(small * small, reach) - mean * mean, 0))
    # A share of the whole picture's contrast, so that even places stay even instead of showing noise.
    return np.asarray((small - mean) / (deviation + 0.3 * small.std(axis=(1, 2), keepdims=True) + 1e-3), np.float32)


def _agreement(left: _Floats, values: _Floats, inside: NDArray[np.bool_]) -> _Floats:
    """Correlation [P] of pictures [P, N, N] with laid-over values [P, N * N], less the cells that disagree most."""
    side = left.shape[-1]
    target, covered = left.reshape(values.shape), inside.astype(np.float32)
    weight = covered
    for _ in range(3):  # what is ignored changes mean and variance, and these what is ignored
        a, b = _normalised_by(target, weight), _normalised_by(values, weight)
        weight = covered * _kept_cells((a - b) ** 2 * covered, covered, side)
    a, b = _normalised(target, weight), _normalised(values, weight)
    return np.asarray(np.einsum("pn,pn->p", a, b) / np.maximum(weight.sum(axis=1), 1), np.float32)


def _kept_cells(error: _Floats, covered: _Floats, side: int) -> _Floats:
    """float32 [P, N * N]: 0 in the cells whose error stands out, else 1."""
    cell = side // CELLS
    total, area = (
        stack.reshape(-1, CELLS, cell, CELLS, cell).sum(axis=(2, 4)).reshape(-1, CELLS * CELLS)
        for stack in (error, covered)
    )
    mean = total / np.maximum(area, 1)
    limit = np.maximum(OUTLIER * np.median(mean, axis=1), np.quantile(mean, 1 - MAX_CELLS_IGNORED, axis=1))
    kept = (mean <= limit[:, None]).astype(np.float32).reshape(-1, CELLS, 1, CELLS, 1)
    return np.broadcast_to(kept, (len(kept), CELLS, cell, CELLS, cell)).reshape(len(kept), -1)


def warp(pictures: _Floats, maps: _Floats) -> tuple[_Floats, NDArray[np.bool_]]:
    """Samples each picture where its map sends the grid of pixel centres (bilinear).

    Args:
        pictures: float32 [P, N, N].
        maps: float32 [P, 2, 3].

    Returns:
        values: float32 [P, N * N].
        inside: bool [P, N * N], False where the map leaves the picture.
    """
    count, side = len(pictures), pictures.shape[-1]
    x, y = _grid(side)
    wanted = maps[:, :, :2] @ np.stack([x, y]) + maps[:, :, 2:]
    wanted = (wanted + 1) * np.float32(side / 2) - np.float32(0.5)
    inside = ((wanted >= -0.5) & (wanted <= side - 0.5)).all(axis=1)
    wanted = np.clip(wanted, 0, np.float32(side - 1.001))
    corner = wanted.astype(np.int32)
    fx, fy = np.moveaxis(wanted - corner, 1, 0)
    flat = pictures.ravel()
    index = corner[:, 1] * side + corner[:, 0] + (np.arange(count, dtype=np.int32) * side * side)[:, None]
    top, right = flat.take(index), flat.take(index + 1)
    top += (right - top) * fx
    index += side
    bottom, right = flat.take(index), flat.take(index + 1)
    bottom += (right - bottom) * fx
    top += (bottom - top) * fy
    return top, inside


def _refine(left: _Floats, right: _Floats, maps: _Floats, steps: int) -> tuple[_Floats, _Floats]:
    """Gauss-Newton from `maps`; returns the best correlation met on the way and the maps that gave it."""
    count, side = len(left), left.shape[-1]
    target = left.reshape(count, -1)
    best, best_maps = np.full(count, -1, np.float32), maps.copy()
    for step in range(steps + 1):
        values, inside = warp(right, maps)
        weight = inside.astype(np.float32)
        a, b = _normalised(target, weight), _normalised(values, weight)
        covered = weight.sum(axis=1)
        correlation = np.einsum("pn,pn->p", a, b) / np.maximum(covered, 1)
        better = (correlation > best) & (covered >= MIN_OVERLAP * side * side)
        best[better], best_maps[better] = correlation[better], maps[better]
        if step < steps:
            maps = _compose(maps, _gauss_newton_step(a, b, weight, side))
    return best, best_maps


def _gauss_newton_step(a: _Floats, b: _Floats, weight: _Floats, side: int) -> _Floats:
    x, y = _grid(side)
    picture = b.reshape(-1, side, side)
    down, across = (np.asarray(np.gradient(picture, 2 / side, axis=a)).reshape(b.shape) * weight for a in (1, 2))
    jacobian = np.stack([across * x, across * y, across, down * x, down * y, down], axis=1)
    residual = np.clip(a - b, -_LARGEST_RESIDUAL, _LARGEST_RESIDUAL) * weight
    # The small diagonal keeps a picture without detail in one direction from running away along it.
    curvature = jacobian @ jacobian.swapaxes(1, 2) + np.eye(6, dtype=np.float32) * np.float32(2.5e-6 * side**4)
    step = np.linalg.solve(curvature, jacobian @ residual[..., None])[..., 0]
    return np.clip(step, -_LARGEST_STEP, _LARGEST_STEP).astype(np.float32).reshape(-1, 2, 3)


def _compose(maps: _Floats, step: _Floats) -> _Floats:
    linear = maps[:, :, :2]
    turned = linear @ (np.eye(2, dtype=np.float32) + step[:, :, :2])
    return np.concatenate([turned, linear @ step[:, :, 2:] + maps[:, :, 2:]], axis=2)


def _normalised(values: _Floats, weight: _Floats) -> _Floats:
    """Zero mean and unit variance over the covered part, 0 outside."""
    return _normalised_by(values, weight) * weight


def _normalised_by(values: _Floats, weight: _Floats) -> _Floats:
    """Scaled so that mean and variance are 0 and 1 where `weight` is 1."""
    covered = np.maximum(weight.sum(axis=1, keepdims=True), 1)
    centred = values - (values * weight).sum(axis=1, keepdims=True) / covered
    variance = np.einsum("pn,pn,pn->p", centred, centred, weight)[:, None] / covered
    return np.asarray(centred / np.sqrt(variance + 1e-3), dtype=np.float32)


def blurred(pictures: _Floats) -> _Floats:
    """Blurs by 1 2 1 in both directions."""
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    both = rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    return np.asarray(both / 16, dtype=np.float32)


def _box_mean(pictures: _Floats, reach: int) -> _Floats:
    """Mean over the (2 reach + 1)^2 pixels around each, mirrored at the border."""
    width = 2 * reach + 1
    padded = np.pad(pictures, ((0, 0), (reach + 1, reach), (reach + 1, reach)), mode="reflect")
    sums = padded.cumsum(axis=1, dtype=np.float64).cumsum(axis=2)
    box = sums[:, width:, width:] - sums[:, :-width, width:] - sums[:, width:, :-width] + sums[:, :-width, :-width]
    return np.asarray(box / width**2, dtype=np.float32)


def _shrink(stack: _Floats, factor: int) -> _Floats:
    count, side = len(stack), stack.shape[-1] // factor
    tiles = stack.reshape(count, side, factor, side, factor)
    return np.asarray(tiles.mean(axis=(2, 4), dtype=np.float32), dtype=np.float32)


@functools.lru_cache(maxsize=8)
def _grid(side: int) -> tuple[_Floats, _Floats]:
    centres = ((np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1).astype(np.float32)
    y, x = np.meshgrid(centres, centres, indexing="ij")
    return x.ravel(), y.ravel()
