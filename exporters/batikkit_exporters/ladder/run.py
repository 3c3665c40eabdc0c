"""Climbs the ladder for an export under way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import MissingExtraError
from batikkit_exporters.convert import convert
from batikkit_exporters.ladder.evaluation import Jury, summon
from batikkit_exporters.ladder.rungs import Climbed, Goal, Material, Report, climb
from batikkit_exporters.quantization.tfmot_qat import load_tfmot, train_qat
from batikkit_exporters.source.loaded import LoadedNet, Source
from batikkit_exporters.variants.materials import Materials


def climb_ladder(
    materials: Materials,
    net: LoadedNet,
    jury: Jury,
    goal: Goal,
    *,
    seed: int,
    all_rungs: bool,
    report: Report,
) -> Climbed:
    """Climbs until a candidate meets the goal.

    Args:
        materials: What candidates are made from.
        net: The model, for training by tensorflow-model-optimization.
        jury: Validation photographs.
        goal: What is good enough.
        seed: Orders the train photographs.
        all_rungs: Climb to the end all the same.
        report: Called with one line per candidate.
    """
    report(f"ladder: judged on {jury.photographs} validation photographs in {len(jury.images)} views")

    def plain() -> bytes:
        return convert(materials.graph(), "int8", "int8", images=materials.calibration_images)

    train = np.asarray(materials.train())
    material = Material(
        float32=materials.float32(),
        plain=plain,
        tfmot=_tfmot(net, train, seed, report),
        calibration=np.asarray(materials.calibration()[:-2]),
        train=train,
        jury=jury,
    )
    return climb(material, goal, all_rungs=all_rungs, report=report)


def jury_of(source: Source, float32: bytes, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Jury:
    """A jury of the source's validation photographs, in the views that its network was trained to take for the same."""
    return summon(float32, images, labels, turns=source.turns, mirrors=source.mirrors)


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
