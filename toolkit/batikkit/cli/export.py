"""`batikkit export`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from batikkit.cli.options import JsonFile, Quiet, RunsDir, Seed
from batikkit_exporters.variants import DEFAULT_VARIANTS, VARIANTS

LADDER, FOREIGN, INT8 = "The ladder", "A model trained elsewhere", "Calibration and int8"


def _variant_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for every variant in place of the parameter `chosen`, which gets their names."""
    signature = inspect.signature(command, eval_str=True)
    flags = {variant.name.replace("-", "_"): variant for variant in VARIANTS.values()}
    own = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[
                bool, typer.Option(f"--{variant.name}", help=variant.summary, rich_help_panel="Variants")
            ],
        )
        for name, variant in flags.items()
    ]
    others = [parameter for name, parameter in signature.parameters.items() if name != "chosen"]

    def optioned(**values: Any) -> None:
        command(chosen=[variant.name for name, variant in flags.items() if values.pop(name)], **values)

    optioned.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*others[:1], *own, *others[1:])
        ]
    )
    optioned.__name__ = command.__name__
    optioned.__doc__ = (command.__doc__ or "").format(defaults=", ".join(DEFAULT_VARIANTS))
    return optioned


@_variant_options
def export(
    chosen: list[str],
    run: Annotated[Path | None, typer.Argument(help="Run folder.", show_default="the newest run")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of these.", rich_help_panel="Variants")] = False,
    target_drop: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            min=0,
            max=100,
            rich_help_panel=LADDER,
            help="Climb the quantization ladder until --int8 loses at most this.",
        ),
    ] = None,
    target_agreement: Annotated[
        float,
        typer.Option(min=0, max=1, rich_help_panel=LADDER, help="And agrees with the float model at least this much."),
    ] = 0.99,
    all_rungs: Annotated[
        bool, typer.Option("--all-rungs", rich_help_panel=LADDER, help="Climb to the end, for the full table.")
    ] = False,
    compat: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Oldest runtime that has to load the files, such as 2.14.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the photographs are now, if they moved.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=FOREIGN,
            help="A model trained elsewhere: .keras, .h5 or a SavedModel folder.",
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", rich_help_panel=FOREIGN, help="Its labels, one per line.")
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", rich_help_panel=FOREIGN, help="Its split.csv.", show_default="a new split of --data"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", rich_help_panel=FOREIGN, help="Where a foreign model's files go.", show_default="export"
        ),
    ] = None,
    input_range: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH", rich_help_panel=FOREIGN, help="What it takes black and white for.", show_default="0,255"
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="PATH", rich_help_panel=INT8, help="Own calibration photographs: a CSV list or a folder."),
    ] = None,
    calibration_size: Annotated[
        int, typer.Option(rich_help_panel=INT8, help="Train photographs that fix the int8 ranges.")
    ] = 200,
    io: Annotated[
        str, typer.Option(rich_help_panel=INT8, help="Input of int8 files: uint8, or int8 for microcontrollers.")
    ] = "uint8",
    license: Annotated[
        str | None, typer.Option(help="Terms of use, written into the files.", show_default="those of the photographs")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Also write files that break their promise; the exit code stays 1.")
    ] = False,
    seed: Seed = 0,
    runs_dir: RunsDir = Path("runs"),
    json_file: JsonFile = None,
    _quiet: Quiet = False,
) -> None:
    """Export a model to .tflite files, each proven against the original. Default: {defaults}.

    Example: batikkit export --int8 --target-drop 0.5
    """
    from batikkit.cli.answer import made
    from batikkit.console import note
    from batikkit.errors import InputError
    from batikkit.runs import resolve_run
    from batikkit.steps.export import wanted_variants
    from batikkit_exporters.export.plan import LICENSE, Options
    from batikkit_exporters.export.run import export_source
    from batikkit_exporters.source.foreign import PIXEL_RANGE, parse_range, source_of_model
    from batikkit_exporters.source.run import source_of_run

    variants = wanted_variants(list(VARIANTS) if everything else chosen, target_drop=target_drop)
    _refuse_idle(
        {"--labels": labels, "--split": split, "--out": out, "--input-range": input_range},
        needed="--model",
        given=model,
    )
    _refuse_idle({"--all-rungs": all_rungs or None}, needed="--target-drop", given=target_drop)
    if model is not None:
        if labels is None or data is None:
            raise InputError(f"--model {model} needs --labels FILE and --data DIR: photographs to prove it on")
        source = source_of_model(
            model, labels=labels, data=data, split=split, out=out or Path("export"), seed=seed,
            input_range=parse_range(input_range) if input_range else PIXEL_RANGE,
        )  # fmt: skip
    else:
        source = source_of_run(resolve_run(run, runs_dir), data=data)
    options = Options(
        calibration_size=calibration_size, calibration=calibration, seed=seed, io=io, license=license or LICENSE,
        compat=compat, target_drop=target_drop, target_agreement=target_agreement, all_rungs=all_rungs, keep=keep,
    )  # fmt: skip
    note(f"exporting {source.run_id}: {', '.join(variants)}")
    done = export_source(source, variants=variants, options=options, report=note)
    files = [
        {"variant": one.manifest.variant, "file": str(one.path), "size_bytes": one.manifest.size_bytes}
        for one in done.exported
    ]
    made(done.folder, json_file=json_file, answer={"files": files, "refused": dict(done.refused)})
    done.check()
    note(f"next: batikkit bench {done.folder}")


def _refuse_idle(options: dict[str, object], *, needed: str, given: object) -> None:
    """Refuses options that would be ignored, since they belong to another one that was not given."""
    from batikkit.errors import InputError

    for name, value in options.items():
        if value is not None and given is None:
            raise InputError(f"{name} {value}: it belongs to {needed}, which was not given; add that or leave it out")
