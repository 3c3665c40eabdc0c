"""Laying one thumbnail over another: the affine map that makes two pictures agree best, and how well they then agree.

A copy that was cropped, stretched, shifted or slightly turned has a plain pixel correlation near that of a stranger;
after registration it is near 1, while another part of the same cloth is not. Gauss-Newton on the zero-mean normalised
luminance, from a coarse picture to a fine one (Lucas and Kanade 1981; Baker and Matthews, IJCV 56, 2004), for many
pairs at once.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

LEVELS = ((16, 6, 0.60), (32, 3, 0.80), (64, 1, 0.80), (64, 2, 0.0))
"""Side [pixels], Gauss-Newton steps, and the correlation below which a pair is given up, from coarse to fine."""

MIN_OVERLAP = 0.70
"""A map that leaves less than this share of the picture covered does not count."""

_LARGEST_STEP = 0.08
_LARGEST_RESIDUAL = 1.5
_Floats = NDArray[np.float32]


def register(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> tuple[_Floats, _Floats]:
    """Finds, for each pair, the affine map of coordinates that lays `right` over `left`.

    Args:
        left: uint8 [P, 64, 64], luminance.
        right: uint8 [P, 64, 64], luminance, already in the orientation to be tried.

    Returns:
        correlation: float32 [P], -1..1, zero-mean normalised cross-correlation over the overlap on the finest level
            that was reached; pairs given up on the way get -1.
        maps: float32 [P, 2, 3]; coordinates run from -1 to 1 across the picture.
    """
    count, side = len(left), left.shape[-1]
    maps = np.tile(np.array([[1, 0, 0], [0, 1, 0]], np.float32), (count, 1, 1))
    correlation = np.full(count, -1, np.float32)
    alive = np.arange(count)
    for level_side, steps, give_up in LEVELS:
        if not len(alive):
            break
        a, b = (_shrink(stack[alive], side // level_side) for stack in (left, right))
        found, maps[alive] = _refine(a, b, maps[alive], steps)
        correlation[alive] = np.where(found >= give_up, found, -1)
        alive = alive[found >= give_up]
    return correlation, maps


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
    top = flat[index] * (1 - fx) + flat[index + 1] * fx
    index += side
    bottom = flat[index] * (1 - fx) + flat[index + 1] * fx
    return top * (1 - fy) + bottom * fy, inside


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
    covered = np.maximum(weight.sum(axis=1, keepdims=True), 1)
    centred = (values - (values * weight).sum(axis=1, keepdims=True) / covered) * weight
    variance = np.einsum("pn,pn->p", centred, centred)[:, None] / covered
    return np.asarray(centred / np.sqrt(variance + 1e-3), dtype=np.float32)


def _shrink(stack: NDArray[np.uint8], factor: int) -> _Floats:
    count, side = len(stack), stack.shape[-1] // factor
    tiles = stack.reshape(count, side, factor, side, factor)
    return np.asarray(tiles.mean(axis=(2, 4), dtype=np.float32), dtype=np.float32)


@functools.lru_cache(maxsize=8)
def _grid(side: int) -> tuple[_Floats, _Floats]:
    centres = ((np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1).astype(np.float32)
    y, x = np.meshgrid(centres, centres, indexing="ij")
    return x.ravel(), y.ravel()
