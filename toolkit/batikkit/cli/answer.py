"""Where `--json` writes: a file, or standard output, which then holds the JSON and nothing else."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import typer


def answer_file(context: typer.Context, path: Path | None) -> Path | None:
    """The file that a command has to write; for `-` one whose content goes to standard output when the command ends."""
    if path != Path("-"):
        return path
    return context.with_resource(_shown_at_the_end())


@contextlib.contextmanager
def _shown_at_the_end() -> Iterator[Path]:
    """What people read goes to standard error meanwhile. A command that fails before it writes shows nothing."""
    with tempfile.TemporaryDirectory(prefix="batikkit-") as folder:
        file = Path(folder) / "answer.json"
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield file
        finally:
            if file.exists():
                typer.echo(file.read_bytes(), nl=False)
