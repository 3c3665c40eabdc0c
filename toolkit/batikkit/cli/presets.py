"""`batikkit presets`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from batikkit.cli.options import JsonFile


def presets(
    name: Annotated[
        str | None, typer.Argument(metavar="PRESET|FILE.toml", help="Show its settings.", show_default="all presets")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/settings.md.")] = False,
    json_file: JsonFile = None,
) -> None:
    """List the presets and what each is for; or one preset's settings, with the range and meaning of each.

    Example: batikkit presets small-data
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from batikkit.config import load_config, preset_names, preset_reason, toml_value
    from batikkit.settings import SETTINGS, settings_page

    if markdown:
        typer.echo(settings_page({known: load_config(known) for known in preset_names()}), nl=False)
        return
    if json_file:
        _write(json_file, [name] if name else preset_names())
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    if name is None:
        table.add_column("preset", no_wrap=True)
        table.add_column("what it is for")
        for preset in preset_names():
            table.add_row(preset, preset_reason(preset))
    else:
        config = load_config(name)
        for heading in ("setting", name, "default", "range", "meaning"):
            table.add_column(heading, no_wrap=heading == "setting")
        for known in SETTINGS:
            value = getattr(config, known.name)
            default = "" if value == known.default else toml_value(known.default)
            table.add_row(known.name, toml_value(value), default, known.range.words, known.meaning)
    console = Console()
    if not console.is_terminal:
        console.width = 160
    console.print(table)
    if name is None:
        typer.echo("every setting with its default and meaning: batikkit presets PRESET")


def _write(json_file: Path, names: Sequence[str]) -> None:
    import dataclasses

    from batikkit import atomic
    from batikkit.config import load_config
    from batikkit.settings import SETTINGS

    settings = [
        {"name": known.name, "default": known.default, "range": known.range.words, "meaning": known.meaning}
        for known in SETTINGS
    ]
    presets = {name: dataclasses.asdict(load_config(name)) for name in names}
    atomic.write_json(json_file, {"schema_version": 1, "settings": settings, "presets": presets})
