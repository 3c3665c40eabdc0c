"""`batikkit train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batikkit.cli.options import (
    BackboneAlpha,
    CacheGb,
    EngineName,
    GroupBy,
    ImageSize,
    Overrides,
    Preset,
    RunsDir,
    SplitFile,
    Strict,
    TrainSeed,
    Weights,
)
from batikkit.errors import InputError

if TYPE_CHECKING:
    from batikkit.config import TrainConfig
    from batikkit.prepared import PreparedData

Data = Annotated[
    Path | None, typer.Argument(metavar="DIR", help="One subfolder of photographs per motif.", show_default=False)
]


def train(
    data: Data = None,
    preset: Preset = "paper",
    overrides: Overrides = None,
    weights: Weights = "imagenet",
    image_size: ImageSize = None,
    backbone_alpha: BackboneAlpha = None,
    seed: TrainSeed = None,
    split_file: SplitFile = None,
    group_by: GroupBy = None,
    strict: Strict = False,
    engine: EngineName = "auto",
    cache_gb: CacheGb = 8.0,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Continue this run where it stopped.")] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Train the two-phase MobileNetV2 on a folder of photographs and test it honestly.

    Example: batikkit train photos/ --preset small-data
    """
    if (data is None) == (resume is None):
        raise InputError("name either a folder of photographs to train on, or a stopped run with --resume RUN")
    from batikkit.config import load_config
    from batikkit.console import progress

    if resume is not None:
        from batikkit.train import resume_run

        trained = resume_run(resume, bar=progress, engine=engine, cache_gb=cache_gb)
    else:
        assert data is not None
        config = load_config(preset, overrides=overrides or (), image_size=image_size, alpha=backbone_alpha, seed=seed)
        prepared = prepare(data, config, strict=strict, group_by=group_by, split_file=split_file)
        from batikkit.train import train_run

        name = Path(preset).stem
        trained = train_run(
            prepared, config, runs_dir=runs_dir, name=name, weights=weights, bar=progress, engine=engine,
            cache_gb=cache_gb,
        )  # fmt: skip
    from batikkit.evaluation import sentence

    typer.echo(f"test: {sentence(trained.evaluation)}")
    typer.echo(f"{trained.epochs} epochs in {trained.seconds:.0f} s; run folder: {trained.run}")
    typer.echo("next: batikkit export")


def prepare(
    data: Path,
    config: TrainConfig,
    *,
    strict: bool = False,
    group_by: str | None = None,
    split_file: Path | None = None,
) -> PreparedData:
    """Scans, groups and splits a folder, telling the user of everything odd in it."""
    from batikkit.console import note, progress
    from batikkit.prepared import load_dataset

    with progress("check images") as advance:
        prepared = load_dataset(
            data,
            strict=strict,
            group_by=group_by,
            split_file=split_file,
            ratios=config.ratios,
            seed=config.seed,
            advance=advance,
        )
    for line in prepared.notes:
        note(f"batikkit: {line}")
    return prepared
