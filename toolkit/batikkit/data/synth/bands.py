"""Motifs built on bands, patches and clouds: parang, lereng, tambal, megamendung."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from batikkit.data.synth.fields import (
    ACCENT,
    GROUND,
    LIGHT,
    OUTLINE,
    RAMP_START,
    RAMP_STEPS,
    SECOND,
    Field,
    Mask,
    Slots,
    bare,
    cell,
    cell_table,
    fold,
    paint,
    per_cell,
)
from batikkit.data.synth.isen import BAND_ISEN, ISEN, PATCH_ISEN


def parang(x: Field, y: Field, rng: np.random.Generator) -> Slots:
    """Bands of leaning S-shaped blades, each with a round head at both ends, and a row of diamonds between bands."""
    slots = bare(x)
    band, v = cell(y), fold(y)
    lean = rng.uniform(0.75, 1.15)
    pitch = rng.uniform(0.30, 0.44)
    shift = per_cell(cell_table(rng), band, np.zeros_like(band))
    u = x + shift
    blade, core = _blades(u, v, lean, pitch, rng)
    body = int(rng.choice([LIGHT, LIGHT, LIGHT, ACCENT]))
    paint(slots, np.abs(v) < 0.395, int(rng.choice([GROUND, OUTLINE, SECOND])))
    paint(slots, blade, body)
    if rng.random() < 0.2:  # parang seling: every other band in another dye
        paint(slots, blade & (band % 2 == 1), ACCENT if body == LIGHT else LIGHT)
    if rng.random() < 0.5:
        paint(slots, core, OUTLINE)
    _mlinjon(slots, u, v, pitch, rng)
    return slots


def _blades(u: Field, v: Field, lean: float, pitch: float, rng: np.random.Generator) -> tuple[Mask, Mask]:
    """The blades (gareng) of a band and the fine line inside each."""
    norm = float(np.hypot(lean, 1.0))
    bend = rng.uniform(0.08, 0.16) * pitch
    curve = np.float32(bend) * np.sin(v * np.float32(2 * np.pi / 0.62))
    across = fold((u - np.float32(lean) * v - curve) / np.float32(pitch)) * np.float32(pitch / norm)
    half = rng.uniform(0.36, 0.41) * pitch / norm
    # Below each head the blade is cut in from one side, above from the right, below from the left: the S.
    notch = np.float32(rng.uniform(0.7, 1.0) * half) * np.exp(-(((np.abs(v) - np.float32(0.17)) / 0.035) ** 2))
    width = np.where(across * np.sign(v) > 0, half - notch, half)
    blade = (np.abs(across) < width) & (np.abs(v) < 0.29)
    head_radius = min(0.40 * pitch, 0.115)
    reach = 0.38 - head_radius
    for side in (-1.0, 1.0):
        du = fold((u - np.float32(lean * side * reach + side * 0.12 * pitch)) / np.float32(pitch)) * np.float32(pitch)
        blade |= np.hypot(du, v - np.float32(side * reach)) < head_radius
    core = (np.abs(across) < 0.14 * half) & (np.abs(v) < 0.12)
    return blade, core


def _mlinjon(slots: Slots, u: Field, v: Field, pitch: float, rng: np.random.Generator) -> None:
    """The dark strip between two bands with its diamonds, and the line that edges it."""
    w = 0.5 - np.abs(v)  # 0 in the middle of the strip
    paint(slots, w < 0.1, OUTLINE if rng.random() < 0.6 else GROUND)
    if rng.random() < 0.4:
        paint(slots, np.abs(w - 0.1) < 0.012, LIGHT)
    diamond = np.abs(fold(u / pitch)) * (pitch * rng.uniform(0.42, 0.6)) + w
    paint(slots, diamond < 0.078, LIGHT if rng.random() < 0.7 else ACCENT)
    paint(slots, diamond < 0.022, OUTLINE)


def lereng(x: Field, y: Field, rng: np.random.Generator) -> Slots:
    """Many narrow straight bands, each with another small filling, set apart by plain lines; no mlinjon."""
    slots = bare(x)
    count = int(rng.integers(4, 7))
    widths = rng.uniform(0.6, 1.5, count)
    edges = np.concatenate([[0.0], np.cumsum(widths / widths.sum())])
    v = y - np.floor(y)
    names = rng.choice(BAND_ISEN, size=count, replace=False)
    for k, name in enumerate(names):
        lower, width = float(edges[k]), float(edges[k + 1] - edges[k])
        inside = (v >= lower) & (v < lower + width)
        w = (v[inside] - np.float32(lower)) / np.float32(width) - np.float32(0.5)
        u = x[inside] / np.float32(width) * np.float32(rng.uniform(0.75, 1.1))
        base, mark = _pair(rng)
        line = int(rng.choice([LIGHT, OUTLINE, ACCENT]))
        fill = ISEN[str(name)](u, np.clip(w * 1.35, -0.5, 0.499))
        rim = np.abs(w)
        band = np.where(fill & (rim < 0.36), mark, base)
        slots[inside] = np.where(rim > 0.42, line if line != base else mark, band)
    return slots


def _pair(rng: np.random.Generator) -> tuple[int, int]:
    """Two slots that stand out from each other: what lies under a filling, and the filling."""
    pairs = ((GROUND, LIGHT), (OUTLINE, LIGHT), (SECOND, LIGHT), (LIGHT, OUTLINE), (LIGHT, SECOND), (ACCENT, LIGHT))
    return pairs[int(rng.integers(len(pairs)))]


def tambal(x: Field, y: Field, rng: np.random.Generator) -> Slots:
    """Patchwork: squares cut into triangles along their diagonals, each patch with its own filling."""
    slots = bare(x)
    fx, fy, column, row = fold(x), fold(y), cell(x), cell(y)
    patch, seam = _patches(fx, fy, column, row, rng)
    count = 8
    for k in range(count):
        inside = patch == k
        angle = float(rng.choice([0.0, np.pi / 4]))
        density = float(rng.uniform(3.0, 4.6))
        c, s = np.float32(np.cos(angle) * density), np.float32(np.sin(angle) * density)
        px, py = x[inside], y[inside]
        base, mark = _pair(rng)
        fill = ISEN[str(rng.choice(PATCH_ISEN))](c * px + s * py, c * py - s * px)
        slots[inside] = np.where(fill, mark, base)
    paint(slots, seam, int(rng.choice([LIGHT, OUTLINE])))
    return slots


def _patches(
    fx: Field, fy: Field, column: NDArray[np.intp], row: NDArray[np.intp], rng: np.random.Generator
) -> tuple[Slots, Mask]:
    """Number (0..7) of the patch each pixel lies in, and the seams between patches."""
    cut = per_cell(cell_table(rng), column, row)
    whole = rng.uniform(0.05, 0.25)
    quarters = rng.uniform(0.4, 0.95)
    falling, rising = fx - fy, fx + fy
    one_cut = (cut >= whole) & (cut < quarters)
    two_cuts = cut >= quarters
    flip = (column + row) % 2 == 0
    diagonal = np.where(flip, falling, rising)
    number = np.where(one_cut, (diagonal > 0) * 1, 0)
    number = np.where(two_cuts, (falling > 0) * 2 + (rising > 0) * 1, number)
    salt = per_cell(cell_table(rng), column, row) * 8
    patch = ((salt.astype(np.intp) + 3 * number) % 8).astype(np.uint8)
    thin = rng.uniform(0.012, 0.025)
    seam = np.maximum(np.abs(fx), np.abs(fy)) > 0.5 - thin
    seam |= one_cut & (np.abs(diagonal) < 1.4 * thin)
    seam |= two_cuts & (np.minimum(np.abs(falling), np.abs(rising)) < 1.4 * thin)
    return patch, seam


def megamendung(x: Field, y: Field, rng: np.random.Generator) -> Slots:
    """Scalloped clouds drawn out sideways to curved points, contour within contour in 4 to 7 shades, with curls."""
    slots = bare(x)
    row_height = np.float32(rng.uniform(0.31, 0.40))
    steps = int(rng.integers(4, RAMP_STEPS + 1))
    contour = rng.uniform(0.10, 0.135) / steps
    ramp = RAMP_START + np.rint(np.linspace(0, RAMP_STEPS - 1, steps)).astype(np.uint8)
    if rng.random() < 0.3:
        ramp = ramp[::-1]
    lobes = _cloud_lobes(rng)
    jitter, mirror, sizes = cell_table(rng), cell_table(rng), cell_table(rng)
    # Two layers of rows, the second over the first, so that a cloud may be taller than its row.
    for layer in (0, 1):
        row = 2 * cell((y / row_height - layer) / 2) + layer
        fy = y - row * row_height
        sx = x + np.float32(0.5 * layer) + np.float32(0.8) * per_cell(jitter, np.zeros_like(row), row)
        column = cell(sx)
        flip = np.where(per_cell(mirror, column, row) < 0.5, np.float32(1), np.float32(-1))
        scale = np.float32(0.85) + np.float32(0.25) * per_cell(sizes, column, row)
        depth, curl = _cloud(fold(sx) * flip / scale, fy / scale, lobes)
        inside = depth > 0
        band = np.clip((depth[inside] - np.float32(0.022)) / np.float32(contour), 0, steps - 1).astype(np.intp)
        slots[inside] = np.where((depth[inside] < 0.022) | curl[inside], LIGHT, ramp[band])
    return slots


def _cloud_lobes(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Centre and radius of the round lobes of a cloud; the first two carry a curl."""
    lobes = [
        (rng.uniform(-0.16, -0.10), rng.uniform(0.05, 0.10), rng.uniform(0.15, 0.18)),
        (rng.uniform(0.10, 0.17), rng.uniform(-0.09, -0.03), rng.uniform(0.12, 0.15)),
    ]
    small = rng.uniform((-0.28, -0.14, 0.07), (0.28, 0.15, 0.115), (int(rng.integers(3, 6)), 3))
    return lobes + [(float(cx), float(cy), float(radius)) for cx, cy, radius in small]


def _cloud(dx: Field, dy: Field, lobes: list[tuple[float, float, float]]) -> tuple[Field, Mask]:
    """Depth under the rim of a cloud (negative outside) and the light lines of its curls."""
    swing = dy - np.float32(0.35) * dx * np.abs(dx) * np.float32(2) + np.float32(0.12) * dx
    body = np.float32(0.16) * np.clip(1 - np.abs(dx) * np.float32(1 / 0.49), 0, None) - np.abs(swing)
    depth = body + np.float32(0.008)
    curl = np.zeros(dx.shape, dtype=np.bool_)
    for number, (cx, cy, radius) in enumerate(lobes):
        ox, oy = dx - np.float32(cx), dy - np.float32(cy)
        distance = np.sqrt(ox * ox + oy * oy)
        depth = np.maximum(depth, np.float32(radius) - distance)
        if number < 2:
            near = distance < 0.72 * radius
            turns = np.arctan2(oy[near], ox[near]) / np.float32(2 * np.pi) * (1 - 2 * number)
            curl[near] = np.abs(fold(distance[near] / np.float32(0.48 * radius) - turns)) < 0.2
    return depth, curl
