"""Climbs the ladder for an export under way and writes its table: JSON, Markdown and a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import MissingExtraError
from batikkit_exporters import shared_files
from batikkit_exporters.convert import convert
from batikkit_exporters.ladder.judgement import summon
from batikkit_exporters.ladder.page import write_ladder
from batikkit_exporters.ladder.rungs import Climbed, Goal, Material, Report, climb
from batikkit_exporters.quantization.tfmot_qat import load_tfmot, train_qat
from batikkit_exporters.recipes import find_recipe
from batikkit_exporters.source import LoadedNet


def climb_ladder(
    shared: Path,
    net: LoadedNet,
    *,
    validation: NDArray[np.uint8],
    labels: NDArray[np.int64],
    train: NDArray[np.uint8],
    seed: int,
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
        net: The model, for the converter's own int8 and for training.
        validation: uint8 [N, S, S, 3]; `labels` int64 [N].
        train: uint8 [M, S, S, 3], for training.
        seed: Orders the train photographs.
        turns: The network takes quarter turns for the same motif; `mirrors`: mirror images.
        target_drop: Most points lost.
        target_agreement: Least agreement (0..1).
        all_rungs: Climb to the end all the same.
        folder: Where the table goes.
        report: Called with one line per candidate.
    """
    content = (shared / shared_files.FLOAT).read_bytes()
    pixels = np.load(shared / shared_files.CALIBRATION, mmap_mode="r")
    jury = summon(content, validation, labels, turns=turns, mirrors=mirrors)
    report(f"ladder: judged on {jury.photographs} validation photographs in {len(jury.images)} views")

    def plain() -> bytes:
        images = (image[None].astype(np.float32) for image in pixels)
        return convert(net.frozen, find_recipe("int8"), images=lambda: images)

    tfmot = _tfmot(net, train, seed, report)
    material = Material(content, plain, tfmot, np.asarray(pixels[:-2]), train, jury)
    goal = Goal(drop_pp=target_drop, agreement=target_agreement)
    climbed = climb(material, goal, all_rungs=all_rungs, report=report)
    write_ladder(climbed, folder)
    return climbed


def _tfmot(net: LoadedNet, train: NDArray[np.uint8], seed: int, report: Report) -> Callable[[int, float], bytes] | None:
    """Training with tensorflow-model-optimization, where it is installed and there is a Keras model to train."""
    if net.keras is None:
        return None
    try:
        load_tfmot()
    except MissingExtraError as error:
        report(f"ladder: its own training only, without tensorflow-model-optimization ({error})")
        return None

    def trained(epochs: int, rate: float) -> bytes:
        # Trained on labels it becomes another classifier, at times a better one, and agrees far less.
        return train_qat(net.keras, train, net.answers(train), epochs=epochs, learning_rate=rate, seed=seed)

    return trained
