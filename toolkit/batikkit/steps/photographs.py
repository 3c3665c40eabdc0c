"""Photographs made ready for a training: what stays together, looked at and split, everything odd told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batikkit.errors import InputError
from batikkit.nearest import choices

if TYPE_CHECKING:
    from batikkit.data.prepared import Grouping, PreparedData
    from batikkit.settings import TrainConfig

UNITS = ("cloth", "copy")


def known_unit(unit: str) -> str:
    """The unit of a split.

    Raises:
        InputError: there is no such unit.
    """
    if unit not in UNITS:
        raise InputError(f"--unit {unit!r}: {choices(unit, UNITS)}")
    return unit


def existing_weights(weights: str) -> str:
    """The weights that are meant, before minutes go into looking at photographs.

    Raises:
        InputError: they are a file that is not there.
    """
    if weights not in ("imagenet", "none") and not Path(weights).is_file():
        raise InputError(
            f"no weight file {weights}: name a MobileNetV2 no-top .h5 file, or an EfficientNet-Lite0 .pth file, with "
            "--weights PATH"
        )
    return weights


def grouping_of(unit: str, group_by: str | None, weights: str, *, folds: int = 0) -> Grouping:
    """What keeps photographs together; the backbone's weights tell cloths apart too."""
    from batikkit.data.prepared import Grouping
    from batikkit.data.split import SPLITS
    from batikkit.network.texture import best_texture

    # A training from scratch may still use what Keras downloaded before.
    return Grouping(unit, group_by, best_texture("imagenet" if weights == "none" else weights), max(folds, len(SPLITS)))


def prepare(
    data: Path, config: TrainConfig, grouping: Grouping, *, strict: bool = False, split_file: Path | None = None
) -> PreparedData:
    """Scans, groups and splits a folder, telling the user of everything odd in it."""
    from batikkit.console import progress, warn
    from batikkit.data.prepared import load_dataset

    with progress("check images") as advance:
        prepared = load_dataset(
            data,
            grouping=grouping,
            strict=strict,
            split_file=split_file,
            ratios=config.ratios,
            seed=config.seed,
            advance=advance,
        )
    for line in prepared.notes:
        warn(line)
    return prepared
