"""Motifs built on a grid of repeats: kawung, ceplok, truntum, nitik.

Each function maps coordinates in repeats to colour slots; whatever varies from cloth to cloth is drawn from `rng`.
"""

from __future__ import annotations

import numpy as np

from batikkit.data.synth.fields import (
    ACCENT,
    GROUND,
    LIGHT,
    OUTLINE,
    SECOND,
    Field,
    Mask,
    Slots,
    bare,
    cell,
    fold,
    oval,
    paint,
    petals,
    polar,
)
from batikkit.data.synth.isen import ISEN


def kawung(x: Field, y: Field, rng: np.random.Generator) -> Slots:
    """Four ovals on the diagonals of a square, heads meeting in the middle, two seeds in each."""
    slots = bare(x)
    fx, fy = fold(x), fold(y)
    # Folding into one quarter makes four ovals out of one; a and b run along and across it.
    qx, qy = np.abs(fx) - 0.25, np.abs(fy) - 0.25
    a, b = (qx + qy) * 0.7071, (qx - qy) * 0.7071
    long, wide = rng.uniform(0.30, 0.345), rng.uniform(0.165, 0.215)
    radius: Field
    if rng.random() < 0.3:  # the lens where two circles of the old "intersecting circles" kawung overlap
        radius = np.hypot(np.abs(b) + (long**2 - wide**2) / (2 * wide), a) / ((long**2 + wide**2) / (2 * wide))
    else:
        radius = oval(a, b, long, wide)
    body = int(rng.choice([LIGHT, LIGHT, LIGHT, ACCENT]))
    paint(slots, radius < 1.0, OUTLINE)
    paint(slots, radius < rng.uniform(0.86, 0.94), body)
    if rng.random() < 0.35:
        paint(slots, np.abs(radius - 0.68) < 0.07, SECOND if body == LIGHT else LIGHT)
    seed = rng.uniform(0.032, 0.05)
    if rng.random() < 0.75:
        paint(slots, np.hypot(np.abs(a) - rng.uniform(0.07, 0.12), b) < seed, OUTLINE)
    else:
        paint(slots, oval(a, b, 0.5 * long, 0.3 * wide) < 1, OUTLINE)
    _kawung_gaps(slots, fx, fy, rng)
    return slots


def _kawung_gaps(slots: Slots, fx: Field, fy: Field, rng: np.random.Generator) -> None:
    """The heart where four ovals meet and the diamond-shaped gaps between them."""
    gap_x, gap_y = np.abs(fx) - 0.5, np.abs(fy) - 0.5
    heart = int(rng.choice([ACCENT, SECOND, LIGHT]))
    paint(slots, np.abs(fx) + np.abs(fy) < rng.uniform(0.07, 0.1), heart)
    ground = slots == GROUND
    size = rng.uniform(0.08, 0.13)
    kind = rng.integers(4)
    side = np.minimum(np.abs(fx) + np.abs(gap_y), np.abs(gap_x) + np.abs(fy))
    if kind == 0:
        paint(slots, ground & (side < size), heart)
    elif kind == 1:
        paint(slots, ground & (np.abs(side - size) < 0.025), LIGHT)
    elif kind == 2:
        cross = np.minimum(np.minimum(np.abs(fx), np.abs(fy)), np.minimum(np.abs(gap_x), np.abs(gap_y)))
        paint(slots, ground & (cross < 0.025) & (side < size * 1.4), LIGHT)


def ceplok(x: Field, y: Field, rng: np.random.Generator) -> Slots:
    """Large symmetrical rosettes in framed squares, two kinds alternating, a small one at each corner."""
    slots = bare(x)
    fx, fy = fold(x), fold(y)
    radius, angle = polar(fx, fy)
    _ceplok_frame(slots, fx, fy, radius, rng)
    odd = (cell(x) + cell(y)) % 2 == 1
    two_kinds = rng.random() < 0.6
    _rosette(slots, ~odd if two_kinds else np.ones_like(odd), radius, angle, rng)
    if two_kinds:
        _rosette(slots, odd, radius, angle, rng)
    corner, corner_angle = polar(np.abs(fx) - 0.5, np.abs(fy) - 0.5)
    count = int(rng.choice([4, 8]))
    shape = rng.uniform(0.1, 0.14) + rng.uniform(0.03, 0.07) * petals(corner_angle, count)
    paint(slots, corner < shape + 0.03, OUTLINE)
    paint(slots, corner < shape, int(rng.choice([LIGHT, ACCENT])))
    paint(slots, corner < 0.06, SECOND)
    return slots


def _ceplok_frame(slots: Slots, fx: Field, fy: Field, radius: Field, rng: np.random.Generator) -> None:
    """The frame of each repeat: square lattice, diamond lattice, touching circles or an octagon, with its filling."""
    ax, ay = np.abs(fx), np.abs(fy)
    kind = rng.integers(4)
    edge = (np.maximum(ax, ay), ax + ay, radius * 1.02, np.maximum(np.maximum(ax, ay), (ax + ay) * 0.74))[kind]
    outside = edge > (0.455, 0.47, 0.47, 0.455)[kind]
    if rng.random() < 0.7:
        name = str(rng.choice(["cecek", "sawut", "poleng", "cacah_gori", "galar"]))
        paint(slots, outside & ISEN[name](4 * fx, 4 * fy), int(rng.choice([ACCENT, LIGHT])))
    else:
        paint(slots, outside, int(rng.choice([ACCENT, SECOND])))
    paint(slots, np.abs(edge - 0.46) < rng.uniform(0.014, 0.03), int(rng.choice([LIGHT, LIGHT, ACCENT])))


def _rosette(slots: Slots, where: Mask, radius: Field, angle: Field, rng: np.random.Generator) -> None:
    """One flower seen from above: outer petals, an inner ring of petals, a heart."""
    count = int(rng.choice([4, 4, 8, 6]))
    phase = float(rng.choice([0.0, np.pi / 2]))
    sharp = rng.uniform(0.5, 1.1)
    profile = petals(angle, count, phase=phase) ** sharp
    outer = rng.uniform(0.18, 0.24) + rng.uniform(0.14, 0.18) * profile
    colours = [int(c) for c in rng.permutation([LIGHT, ACCENT, SECOND])]
    if colours[0] == SECOND:
        colours[0], colours[1] = LIGHT, SECOND
    paint(slots, where & (radius < outer + 0.03), OUTLINE)
    paint(slots, where & (radius < outer), colours[0])
    inner = outer * rng.uniform(0.55, 0.72)
    paint(slots, where & (radius < inner + 0.022), OUTLINE)
    paint(slots, where & (radius < inner), colours[1])
    if rng.random() < 0.5:
        spokes = petals(angle, count, phase=phase) > 0.97
        paint(slots, where & spokes & (radius < 0.93 * outer), OUTLINE)
    paint(slots, where & (radius < 0.1), OUTLINE)
    paint(slots, where & (radius < 0.07), LIGHT)


def truntum(x: Field, y: Field, rng: np.random.Generator) -> Slots:
    """Small stars with thin rays strewn on a staggered grid, dots between them."""
    slots = bare(x)
    fx, fy = fold(x), fold(y)
    # The staggered grid is the square grid plus itself moved by half a repeat.
    hx, hy = fold(x + 0.5), fold(y + 0.5)
    near = np.hypot(fx, fy) < np.hypot(hx, hy)
    radius, angle = polar(np.where(near, fx, hx), np.where(near, fy, hy))
    second_size = float(rng.choice([1.0, 1.0, 0.72]))
    radius = np.where(near, radius, radius / np.float32(second_size))
    rays = int(rng.choice([8, 8, 8, 6, 10]))
    reach, waist = rng.uniform(0.30, 0.36), rng.uniform(0.05, 0.10)
    star = waist + (reach - waist) * petals(angle, rays) ** rng.uniform(2.0, 4.5)
    body = int(rng.choice([LIGHT, LIGHT, LIGHT, ACCENT]))
    paint(slots, radius < star, body)
    if rng.random() < 0.4:  # flower-like truntum: petals cut free of the heart
        paint(slots, np.abs(radius - 0.12) < 0.025, GROUND)
    if rng.random() < 0.5:
        tip = np.hypot(radius - reach - 0.02, radius * (fold(angle * np.float32(rays / (2 * np.pi)))) * (6.28 / rays))
        paint(slots, tip < 0.035, body)
    paint(slots, radius < rng.uniform(0.05, 0.085), ACCENT if body == LIGHT else LIGHT)
    _truntum_dots(slots, fx, fy, rng)
    return slots


def _truntum_dots(slots: Slots, fx: Field, fy: Field, rng: np.random.Generator) -> None:
    """Dots, a small cross or a diamond midway between the stars."""
    ground = slots == GROUND
    ax, ay = np.abs(np.abs(fx) - 0.5), np.abs(np.abs(fy) - 0.5)
    gx = np.where(np.abs(fx) > np.abs(fy), ax, np.abs(fx))
    gy = np.where(np.abs(fx) > np.abs(fy), np.abs(fy), ay)
    kind = rng.integers(3)
    if kind == 0:
        dots = np.hypot(gx, gy) < 0.05
    elif kind == 1:
        dots = np.minimum(np.hypot(gx - 0.07, gy), np.hypot(gx, gy - 0.07)) < 0.032
    else:
        dots = gx + gy < 0.06
    paint(slots, ground & dots, int(rng.choice([ACCENT, LIGHT])))


def nitik(x: Field, y: Field, rng: np.random.Generator) -> Slots:
    """A rosette in which every line is a row of small square dots, as if woven."""
    slots = bare(x)
    side = int(rng.choice([11, 13]))
    fx, fy = fold(x), fold(y)
    plan = _nitik_plan(side, rng)
    half = side // 2
    column, row = np.clip(np.rint(fx * side), -half, half), np.clip(np.rint(fy * side), -half, half)
    code = plan[np.abs(row).astype(np.intp), np.abs(column).astype(np.intp)]
    dx, dy = np.abs(fx * side - column), np.abs(fy * side - row)
    # The split canting stamps squares with softened corners.
    dot = np.maximum(np.maximum(dx, dy), (dx + dy) * 0.66) < rng.uniform(0.38, 0.44)
    paint(slots, (code == 1) & dot, LIGHT)
    paint(slots, (code == 2) & dot, ACCENT)
    dash = np.where(np.abs(column) > np.abs(row), dy, dx) < 0.27
    paint(slots, (code == 3) & dash, LIGHT)
    if rng.random() < 0.5:
        radius, angle = polar(fx, fy)
        count = 4 * round(side * 0.62)
        bead = np.hypot((radius - 0.455) * side, fold(angle * np.float32(count / (2 * np.pi))) * 1.15)
        near_ring = np.abs(radius - 0.455) * side < 0.75
        paint(slots, near_ring, GROUND)
        paint(slots, bead < 0.42, LIGHT)
    return slots


def _nitik_plan(side: int, rng: np.random.Generator) -> Slots:
    """Which dots one quarter of the rosette has: 0 none, 1 light, 2 accent, 3 dash; uint8 [half+1, half+1]."""
    half = side // 2
    j, i = np.mgrid[0 : half + 1, 0 : half + 1]
    plan = np.zeros((half + 1, half + 1), dtype=np.uint8)
    diamond, square = i + j, np.maximum(i, j)
    heart = int(rng.integers(1, 4))
    if rng.random() < 0.5:  # clusters of four in the quarters
        at = half - 2
        plan[(np.abs(i - at) + np.abs(j - at)) == 1] = 1
        plan[at, at] = 2
    else:  # an outer diamond ring
        plan[diamond == int(rng.integers(heart + 3, half + 2))] = int(rng.choice([1, 1, 2]))
    if rng.random() < 0.6:  # arms along the diagonals
        plan[(i == j) & (i > 1) & (i < half - 1)] = int(rng.choice([1, 2]))
    if rng.random() < 0.85:  # arms along the axes, dotted or dashed
        plan[(np.minimum(i, j) == 0) & (square < half)] = int(rng.choice([1, 3]))
    plan[diamond == heart + 1] = 1
    plan[diamond <= heart] = 0
    plan[diamond < heart] = 2
    if rng.random() < 0.6:  # half diamonds where the repeats meet
        plan[(half - i) + j <= 1] = 1
        plan[i + (half - j) <= 1] = 1
    corner = 2 * half - diamond
    plan[corner <= int(rng.integers(1, 4))] = 1
    plan[corner == 0] = 2
    return plan
