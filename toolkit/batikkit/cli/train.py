"""`batikkit train`."""

from __future__ import annotations

from collections.abc import Sequence
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
    from batikkit.data.prepared import PreparedData
    from batikkit.training.distributed import Workers
    from batikkit.training.train import Trained

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
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write event files into the run folder's tensorboard/.")
    ] = False,
    strategy: Annotated[
        str, typer.Option(help="mirrored (this machine's GPUs), multi-worker (the machines of TF_CONFIG), or auto.")
    ] = "auto",
    worker_timeout: Annotated[float, typer.Option(help="Longest wait for other machines [seconds].")] = 600.0,
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
        batch_size = _only_batch_size(overrides or (), preset=preset, image_size=image_size, alpha=backbone_alpha)
    else:
        assert data is not None
        config = load_config(preset, overrides=overrides or (), image_size=image_size, alpha=backbone_alpha, seed=seed)
        prepared = prepare(data, config, strict=strict, group_by=group_by, split_file=split_file)
    from batikkit.training.distributed import join
    from batikkit.training.train import resume_run, train_run

    workers = join(strategy, timeout_s=worker_timeout)
    with workers.leaving():
        if resume is not None:
            trained = resume_run(
                resume, bar=progress, engine=engine, cache_gb=cache_gb, batch_size=batch_size, tensorboard=tensorboard,
                workers=workers,
            )  # fmt: skip
        else:
            trained = train_run(
                prepared, config, runs_dir=runs_dir, name=Path(preset).stem, weights=weights, bar=progress,
                engine=engine, cache_gb=cache_gb, tensorboard=tensorboard, workers=workers,
            )  # fmt: skip
        _tell(trained, workers)


def _tell(trained: Trained, workers: Workers) -> None:
    from batikkit.evaluation.metrics_file import sentence

    if not workers.chief:
        typer.echo(f"worker {workers.name} is done; the chief has written the run folder")
        return
    typer.echo(f"test: {sentence(trained.evaluation)}")
    typer.echo(f"{trained.epochs} epochs in {trained.seconds:.0f} s; run folder: {trained.run}")
    typer.echo("next: batikkit export")


def _only_batch_size(overrides: Sequence[str], **settings: object) -> int | None:
    """The one setting that a resumed run may change, since a machine with less memory can need it."""
    from batikkit.config import load_config

    changed = [name for name, value in settings.items() if value is not None and (name, value) != ("preset", "paper")]
    changed += [text for text in overrides if not text.startswith("batch_size=")]
    if changed:
        raise InputError(f"a resumed run keeps its settings, got {', '.join(changed)}: only batch_size can be changed")
    return load_config("paper", overrides=overrides).batch_size if overrides else None


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
    from batikkit.data.prepared import load_dataset

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
