"""`batikkit train`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batikkit.cli.options import (
    MACHINE_PANEL,
    BackboneAlpha,
    BackboneName,
    CacheGb,
    EngineName,
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
    was_given,
)
from batikkit.errors import InputError
from batikkit.nearest import choices
from batikkit.steps.photographs import grouping_of, prepare

if TYPE_CHECKING:
    from batikkit.training.distributed import Workers
    from batikkit.training.outcome import Trained

Data = Annotated[
    Path | None, typer.Argument(metavar="DIR", help="One subfolder of photographs per motif.", show_default=False)
]
GOING_ON = "Going on"
RESUME_TAKES = {
    "resume", "moved", "overrides", "engine", "cache_gb", "tensorboard", "strategy", "worker_timeout",
    "runs_dir", "json_file", "_quiet",
}  # fmt: skip
"""A resumed run was begun with everything else."""


def _known_strategy(strategy: str) -> str:
    from batikkit.training.cluster import STRATEGIES

    if strategy not in STRATEGIES:
        raise InputError(f"--strategy {strategy!r}: {choices(strategy, STRATEGIES)}")
    return strategy


def _wait(seconds: float) -> float:
    if not 0 < seconds < float("inf"):
        raise InputError(f"--worker-timeout {seconds:g}: give a number of seconds above 0")
    return seconds


def train(
    context: typer.Context,
    data: Data = None,
    preset: Preset = "paper",
    overrides: Overrides = None,
    weights: Weights = "imagenet",
    backbone: BackboneName = None,
    image_size: ImageSize = None,
    backbone_alpha: BackboneAlpha = None,
    precision: Precision = None,
    seed: TrainSeed = None,
    others: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help='Pictures of what is none of the motifs, for the answer "other"; none are needed.',
        ),
    ] = None,
    teachers: Annotated[
        list[Path] | None,
        typer.Option(
            "--teacher",
            metavar="RUN",
            help="A finished run on the same split whose answers are learned too; several are averaged.",
        ),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="More photographs of batik, without labels: the teachers name them."),
    ] = None,
    split_file: SplitFile = None,
    unit: Unit = "cloth",
    group_by: GroupBy = None,
    strict: Strict = False,
    engine: EngineName = "auto",
    cache_gb: CacheGb = 8.0,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Continue this run, named or by its path, where it stopped.", rich_help_panel=GOING_ON
        ),
    ] = None,
    moved: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", help="Where a resumed run's photographs are now.", rich_help_panel=GOING_ON
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write event files into the run folder's tensorboard/.")
    ] = False,
    strategy: Annotated[
        str,
        typer.Option(
            callback=_known_strategy,
            help="mirrored (this machine's GPUs), multi-worker (the machines of TF_CONFIG), or auto.",
            rich_help_panel=MACHINE_PANEL,
        ),
    ] = "auto",
    worker_timeout: Annotated[
        float,
        typer.Option(
            callback=_wait, help="Longest wait for other machines, in seconds.", rich_help_panel=MACHINE_PANEL
        ),
    ] = 600.0,
    runs_dir: RunsDir = Path("runs"),
    json_file: JsonFile = None,
    _quiet: Quiet = False,
) -> None:
    """Train the two-phase MobileNetV2 on a folder of photographs and test it honestly.

    Example: batikkit train photos/ --preset small-data
    """
    if (data is None) == (resume is None):
        raise InputError("name either a folder of photographs to train on, or a stopped run with --resume RUN")
    if moved and not resume:
        raise InputError(f"--data {moved}: it belongs to --resume RUN; name the photographs of a new run as DIR")
    from batikkit.cli.answer import begun
    from batikkit.config import load_config
    from batikkit.console import progress
    from batikkit.runs import Run, resolve_run

    if resume is not None:
        run, batch_size = Run(resolve_run(resume, runs_dir)), _only_batch_size(context, overrides or ())
    else:
        config = load_config(
            preset, overrides=(*(overrides or ()), *(["other=true"] if others else [])),
            network=backbone, image_size=image_size, alpha=backbone_alpha, precision=precision, seed=seed,
        )  # fmt: skip
    from batikkit.training import session
    from batikkit.training.distributed import join
    from batikkit.training.precision import check_precision

    # Before the photographs are looked at: telling cloths apart already asks TensorFlow.
    workers = join(strategy, timeout_s=worker_timeout)
    means = session.Means(progress, engine, cache_gb, tensorboard, workers)
    with workers.leaving():
        if resume is not None:
            trained = session.resume(run, means, batch_size=batch_size, root=moved)
        else:
            assert data is not None
            check_precision(config)
            beginning = session.Beginning(
                runs_dir, Path(preset).stem, weights, others,
                teachers=tuple(resolve_run(teacher, runs_dir) for teacher in teachers or ()),
                unlabelled=unlabelled, begun=begun,
            )  # fmt: skip
            beginning.check()
            grouping = grouping_of(unit, group_by, weights)
            prepared = prepare(data, config, grouping, strict=strict, split_file=split_file)
            trained = session.train(prepared, config, beginning, means)
        _tell(trained, workers, json_file)


def _tell(trained: Trained, workers: Workers, json_file: Path | None) -> None:
    from batikkit.cli.answer import made
    from batikkit.console import note
    from batikkit.evaluation.metrics_file import sentence

    if not workers.chief:
        typer.echo(f"worker {workers.name} is done; the chief has written the run folder")
        return
    typer.echo(f"test: {sentence(trained.evaluation)}")
    typer.echo(f"{trained.epochs} epochs in {trained.seconds:.0f} s")
    report = trained.evaluation.report
    made(
        trained.run,
        json_file=json_file,
        answer={
            "accuracy": report.accuracy, "accuracy_ci95": report.accuracy_ci95, "test_images": report.n,
            "epochs": trained.epochs, "seconds": round(trained.seconds, 2), "caution": trained.evaluation.caution,
        },
    )  # fmt: skip
    note(f"next: batikkit export {trained.run}")


def _only_batch_size(context: typer.Context, overrides: Sequence[str]) -> int | None:
    """The one setting that a resumed run may change, since a machine with less memory can need it.

    Raises:
        InputError: something else was given.
    """
    from batikkit.config import load_config

    given = [
        option.opts[0]
        for option in context.command.params
        if option.name not in RESUME_TAKES and was_given(context, option.name or "")
    ]
    given += [text for text in overrides if not text.startswith("batch_size=")]
    if given:
        raise InputError(
            f"a resumed run keeps what it was begun with, got {', '.join(given)}: leave that out (only batch_size can "
            "be changed), or train a new run"
        )
    return load_config("paper", overrides=overrides).batch_size if overrides else None
