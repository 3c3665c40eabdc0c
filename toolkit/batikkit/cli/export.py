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
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the photographs are now, if they moved.")
    ] = None,
    calibration_size: Annotated[int, typer.Option(help="Train photographs that fix the int8 ranges.")] = 200,
    io: Annotated[str, typer.Option(help="Input of int8 files: uint8, or int8 for microcontrollers.")] = "uint8",
    license: Annotated[
        str | None, typer.Option(help="Terms of use, written into the files.", show_default="those of the photographs")
    ] = None,
    seed: Seed = 0,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Export a trained run to .tflite files, each proven against the Keras model. Default: float32, float16 and int8.

    Example: batikkit export --int8
    """
    from batikkit.console import note
    from batikkit.runs import model_file, resolve_run
    from batikkit_exporters.recipes import DEFAULT_VARIANTS

    wanted = {"float32": float32, "float16": float16, "int8": int8, "dynamic": dynamic, "int16x8": int16x8}
    variants = [name for name, chosen in wanted.items() if chosen] or list(DEFAULT_VARIANTS)
    chosen_run = resolve_run(run, runs_dir)
    model_file(chosen_run)  # said before TensorFlow takes seconds to load
    from batikkit_exporters.export import LICENSE, export_run

    note(f"exporting {chosen_run}: {', '.join(variants)}")
    exported = export_run(
        chosen_run, variants=variants, data=data, calibration_size=calibration_size, seed=seed, io=io,
        license=license or LICENSE, report=note,
    )  # fmt: skip
    typer.echo(str(exported[0].path.parent))
    note("next: batikkit bench")
