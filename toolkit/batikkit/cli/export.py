"""`batikkit export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from batikkit.cli.options import RunsDir, Seed


def export(
    run: Annotated[Path | None, typer.Argument(help="Run folder.", show_default="the newest run")] = None,
    float32: Annotated[bool, typer.Option("--float32", help="The reference in full precision.")] = False,
    float16: Annotated[bool, typer.Option("--float16", help="Half the size, the same answers.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="Integer kernels, uint8 in, float32 scores out.")] = False,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="int8 weights, float activations.")] = False,
    int16x8: Annotated[bool, typer.Option("--int16x8", help="int8 weights, 16-bit activations.")] = False,
    int8_qat: Annotated[bool, typer.Option("--int8-qat", help="int8, fine-tuned to answer as the original.")] = False,
    pruned: Annotated[bool, typer.Option("--pruned", help="Half the weights zero: a smaller download.")] = False,
    clustered: Annotated[bool, typer.Option("--clustered", help="32 values per layer: a smaller download.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All of these.")] = False,
    target_drop: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS", min=0, max=100, help="Climb the quantization ladder until --int8 loses at most this."
        ),
    ] = None,
    target_agreement: Annotated[
        float, typer.Option(min=0, max=1, help="And agrees with the float model at least this much.")
    ] = 0.99,
    all_rungs: Annotated[bool, typer.Option("--all-rungs", help="Climb to the end, for the full table.")] = False,
    compat: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Oldest runtime that has to load the files, such as 2.14.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the photographs are now, if they moved.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A model trained elsewhere: .keras, .h5 or a SavedModel folder.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help="Its labels, one per line.")] = None,
    split: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its split.csv.", show_default="a new split of --data")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where a foreign model's files go.", show_default="export")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Own calibration photographs: a CSV list or a folder.")
    ] = None,
    calibration_size: Annotated[int, typer.Option(help="Train photographs that fix the int8 ranges.")] = 200,
    io: Annotated[str, typer.Option(help="Input of int8 files: uint8, or int8 for microcontrollers.")] = "uint8",
    license: Annotated[
        str | None, typer.Option(help="Terms of use, written into the files.", show_default="those of the photographs")
    ] = None,
    seed: Seed = 0,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Export a model to .tflite files, each proven against the original. Default: float32, float16 and int8.

    Example: batikkit export --int8 --target-drop 0.5
    """
    from batikkit.console import note
    from batikkit.errors import InputError, VerificationError
    from batikkit.runs import resolve_run
    from batikkit_exporters.export import LICENSE, Options, export_source
    from batikkit_exporters.recipes import DEFAULT_VARIANTS, RECIPES
    from batikkit_exporters.source import source_of_model, source_of_run

    chosen = {
        "float32": float32, "float16": float16, "int8": int8 or target_drop is not None, "dynamic": dynamic,
        "int16x8": int16x8, "int8-qat": int8_qat, "pruned": pruned, "clustered": clustered,
    }  # fmt: skip
    variants = [name for name in RECIPES if everything or chosen[name]] or list(DEFAULT_VARIANTS)
    _refuse_idle({"--labels": labels, "--split": split, "--out": out}, needed="--model", given=model)
    _refuse_idle({"--all-rungs": all_rungs or None}, needed="--target-drop", given=target_drop)
    if model is not None:
        if labels is None or data is None:
            raise InputError(f"--model {model} needs --labels FILE and --data DIR: photographs to prove it on")
        source = source_of_model(model, labels=labels, data=data, split=split, out=out or Path("export"), seed=seed)
    else:
        source = source_of_run(resolve_run(run, runs_dir), data=data)
    options = Options(
        calibration_size=calibration_size, calibration=calibration, seed=seed, io=io, license=license or LICENSE,
        compat=compat, target_drop=target_drop, target_agreement=target_agreement, all_rungs=all_rungs,
    )  # fmt: skip
    note(f"exporting {source.run_id}: {', '.join(variants)}")
    exported = export_source(source, variants=variants, options=options, report=note)
    typer.echo(str(exported[0].path.parent))
    short = [done for done in exported if not done.goal_met]
    if short:
        raise VerificationError(
            f"no rung reached a drop of {target_drop:g} points and {target_agreement:.1%} agreement; "
            f"{short[0].path} is the nearest, see {short[0].path.parent / 'ladder.md'}"
        )
    note("next: batikkit bench")


def _refuse_idle(options: dict[str, object], *, needed: str, given: object) -> None:
    """Refuses options that would be ignored, since they belong to another one that was not given."""
    from batikkit.errors import InputError

    for name, value in options.items():
        if value is not None and given is None:
            raise InputError(f"{name} {value}: it belongs to {needed}, which was not given; add that or leave it out")
