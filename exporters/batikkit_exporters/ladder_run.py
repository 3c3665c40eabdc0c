"""Climbs the ladder for an export under way and writes its table: JSON, Markdown and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit_exporters import build
from batikkit_exporters.convert import convert
from batikkit_exporters.judgement import summon
from batikkit_exporters.ladder import Climbed, Goal, Material, Report, climb
from batikkit_exporters.ladder_page import write_ladder
from batikkit_exporters.recipes import find_recipe


def climb_ladder(
    shared: Path,
    frozen: Any,
    *,
    validation: NDArray[np.uint8],
    labels: NDArray[np.int64],
    train: NDArray[np.uint8],
    turns: bool,
    mirrors: bool,
    target_drop: float,
    target_agreement: float,
    all_rungs: bool,
    folder: Path,
    report: Report,
) -> Climbed:
    """Climbs, and writes `ladder.json`, `ladder.md` and `ladder.png` to the export folder.

    Args:
        shared: What the variants of this export share.
        frozen: The frozen graph, for the converter's own int8.
        validation: uint8 [N, S, S, 3]; `labels` int64 [N].
        train: uint8 [M, S, S, 3], for distillation.
        turns: The network takes quarter turns for the same motif; `mirrors`: mirror images.
        target_drop: Most points lost.
        target_agreement: Least agreement (0..1).
        all_rungs: Climb to the end all the same.
        folder: Where the table goes.
        report: Called with one line per candidate.
    """
    content = (shared / build.FLOAT).read_bytes()
    pixels = np.load(shared / build.CALIBRATION, mmap_mode="r")
    jury = summon(content, validation, labels, turns=turns, mirrors=mirrors)
    report(f"ladder: judged on {jury.photographs} validation photographs in {len(jury.images)} views")

    def plain() -> bytes:
        images = (image[None].astype(np.float32) for image in pixels)
        return convert(frozen, find_recipe("int8"), images=lambda: images)

    material = Material(content, plain, np.asarray(pixels[:-2]), train, jury)
    goal = Goal(drop_pp=target_drop, agreement=target_agreement)
    climbed = climb(material, goal, all_rungs=all_rungs, report=report)
    write_ladder(climbed, folder)
    return climbed
