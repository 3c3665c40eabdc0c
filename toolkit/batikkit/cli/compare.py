"""`batikkit compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from batikkit.cli.options import (
    BackboneAlpha,
    BackboneName,
    CacheGb,
    EngineName,
    Folds,
    GroupBy,
    ImageSize,
    JsonFile,
    Overrides,
    Precision,
    Preset,
    Quiet,
    RunsDir,
    SplitFile,
    Strict,
    TrainSeed,
    Unit,
    Weights,
)
from batikkit.errors import InputError


def compare(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="One subfolder of photographs per motif.")],
    folds: Folds = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where it goes.", show_default="RUNS_DIR/compare-DIR-PRESET"),
    ] = None,
    also: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Other photographs to test every system on too: another collection, one subfolder per motif.",
        ),
    ] = None,
    preset: Preset = "paper",
    overrides: Overrides = None,
    weights: Weights = "imagenet",
    backbone: BackboneName = None,
    image_size: ImageSize = None,
    backbone_alpha: BackboneAlpha = None,
    precision: Precision = None,
    seed: TrainSeed = None,
    split_file: SplitFile = None,
    unit: Unit = "cloth",
    group_by: GroupBy = None,
    strict: Strict = False,
    engine: EngineName = "auto",
    cache_gb: CacheGb = 8.0,
    runs_dir: RunsDir = Path("runs"),
    json_file: JsonFile = None,
    _quiet: Quiet = False,
) -> None:
    """Train and test the paper's three systems on the same images: a CNN from scratch, MobileNetV2 frozen, fine-tuned.

    Presets without a second phase have no fine-tuned system. The same command goes on where it was stopped; what is
    finished is kept.

    Example: batikkit compare photos/ --preset small-data --folds 5
    """
    from batikkit.cli.comparison_output import show
    from batikkit.config import load_config
    from batikkit.console import note, progress, warn
    from batikkit.steps.photographs import grouping_of, prepare
    from batikkit.training.comparison_plan import check_also, check_phases
    from batikkit.training.precision import check_precision

    if folds and split_file:
        raise InputError(f"--folds {folds} makes its own splits: leave out --split {split_file}, or --folds")
    config = load_config(
        preset, overrides=overrides or (),
        network=backbone, image_size=image_size, alpha=backbone_alpha, precision=precision, seed=seed,
    )  # fmt: skip
    check_phases(config)
    if also:
        check_also(also, data)
    check_precision(config)
    grouping = grouping_of(unit, group_by, weights, folds=folds)
    prepared = prepare(data, config, grouping, strict=strict, split_file=split_file)
    from batikkit.evaluation.reports import write_reports
    from batikkit.training.session import Means
    from batikkit.training.systems import also_held_out
    from batikkit.training.systems import compare as compare_systems

    suffix = f"-{folds}-folds" if folds else ""
    folder = out or runs_dir / f"compare-{data.resolve().name}-{Path(preset).stem}{suffix}"
    others = None
    if also:  # before anything is trained: it may not be usable
        with progress("check other images") as advance:
            others = also_held_out(also, prepared, grouping, advance=advance)
        for line in others.notes:
            warn(line)
    means = Means(progress, engine, cache_gb)
    found = compare_systems(prepared, config, means, out=folder, weights=weights, folds=folds, also=others, say=note)
    show(found, write_reports(folder, found, name="comparison"), json_file=json_file)
