"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunsDir = Annotated[
    Path, typer.Option("--runs-dir", help="Folder of run folders; a command given no run takes the newest one in it.")
]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="PATH", help="Write the answer as JSON to PATH.")]
Seed = Annotated[int, typer.Option("--seed", help="Seeds everything that chance decides.")]
