"""`batikkit assets`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batikkit.cli.options import JsonFile, Quiet, RunsDir

if TYPE_CHECKING:
    from batikkit.assets.litert_js import Files


def assets(
    run: Annotated[Path | None, typer.Argument(help="Run folder.", show_default="the newest run")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new or empty folder.")] = Path(
        "android_demo_assets"
    ),
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the photographs are now, if they moved.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an older folder of assets.")] = False,
    web: Annotated[
        bool | None,
        typer.Option(
            "--web/--no-web",
            help="The page that is the app, in web/. It needs LiteRT.js, which is fetched from npm once.",
            show_default="where LiteRT.js can be had",
        ),
    ] = None,
    litert_js: Annotated[
        Path | None,
        typer.Option("--litert-js", metavar="DIR", help="The folder @litertjs of a node_modules; nothing is fetched."),
    ] = None,
    hugging_face: Annotated[
        bool, typer.Option("--hugging-face", help="Begin the model card with the Hub's header; upload it as README.md.")
    ] = False,
    croissant: Annotated[
        bool, typer.Option("--croissant", help="Describe the split as a Croissant data set, in croissant/.")
    ] = False,
    again: Annotated[
        str | None, typer.Option(metavar="TEXT", help="How to make it again, for the model card.", hidden=True)
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    json_file: JsonFile = None,
    _quiet: Quiet = False,
) -> None:
    """Write the drop-in folder for apps: models, labels, golden vectors, model card, README and Kotlin code.

    Example: batikkit assets --out android_demo_assets
    """
    from batikkit.assets.build import Extras, build_assets
    from batikkit.assets.targets import targets
    from batikkit.cli.answer import made
    from batikkit.console import note, progress
    from batikkit.runs import resolve_run

    chosen = resolve_run(run, runs_dir)
    extras = Extras(_engine(litert_js, web=web), hugging_face, croissant)
    with progress("golden images") as advance:
        done = build_assets(
            chosen, out, data=data, replace=force, again=again, extras=extras, report=note, advance=advance
        )
    for variant, figures in zip(done.manifest.variants, done.figures, strict=True):
        size = f"{variant.manifest.size_bytes / 1e6:.2f} MB"
        typer.echo(f"{variant.file}: {size}, test accuracy {figures.evaluation.report.accuracy:.1%}")
        for target in targets(figures):
            typer.echo(f"  {target.what}: {target.value:.1%} (aim: {target.wanted}): {target.verdict}")
    typer.echo(f"{sum(path.stat().st_size for path in out.rglob('*') if path.is_file()) / 1e6:.2f} MB in all")
    made(out, json_file=json_file, answer={"variants": [variant.file for variant in done.manifest.variants]})
    note(f"next: batikkit verify {out}")


def _engine(source: Path | None, *, web: bool | None) -> Files | None:
    """LiteRT.js: a must where the page is asked for; else its absence is told, and the page left out."""
    from batikkit.assets.litert_js import obtain
    from batikkit.console import note
    from batikkit.errors import InputError

    if web is False:
        return None
    try:
        return obtain(source, report=note)
    except InputError as error:
        if web or source:
            raise
        note(f"without web/: {error}")
        return None
