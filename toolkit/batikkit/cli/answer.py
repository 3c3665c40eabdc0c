"""What a command leaves on standard output: an answer for people, one JSON document, or the place of what it made.

Every command that answers has `--json PATH|-`. Every command that makes something ends with `made`: its place is the
last line of standard output, and with `--quiet` the only one.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

import typer

from batikkit.errors import DiskFullError, InputError


class _Outputs:
    """Who writes where. One command runs in a process at a time."""

    real: TextIO | None = None
    """The standard output that a redirection hides."""
    place: TextIO | None = None
    """Where places go, when not with all the rest."""
    early: Path | None = None
    """The place that has been told already."""
    quiet: bool = False
    part: bool = False
    """Whether what is made is a part of what the command makes."""


def answer_file(context: typer.Context, path: Path | None) -> Path | None:
    """The file that a command has to write; for `-` one whose content goes to standard output when the command ends.

    Raises:
        InputError: another option stands where the file belongs, or it cannot be written.
    """
    if path is None:
        return None
    if path != Path("-"):
        if str(path).startswith("-"):
            raise InputError(f"--json {path}: name a file after --json, or - for standard output")
        from batikkit import atomic

        try:
            atomic.try_out(path)  # before minutes go into what it is to hold
        except DiskFullError as error:  # no gate has failed yet, which exit code 1 would say
            raise InputError(str(error)) from error
        return path
    return context.with_resource(_shown_at_the_end())


def hushed(context: typer.Context, wanted: bool) -> bool:
    """Prints nothing but the place of what is made; warnings and errors still go to standard error."""
    if wanted:
        context.with_resource(_hush())
    return wanted


def made(place: Path, *, json_file: Path | None = None, answer: Mapping[str, object] | None = None) -> None:
    """The last thing a command says: where that lies which it made; as JSON too, with what else there is to tell."""
    if json_file:
        from batikkit import atomic

        atomic.write_json(json_file, {"schema_version": 1, "place": str(place), **(answer or {})})
    if not _Outputs.part and _Outputs.early != place:
        print(place, file=_Outputs.place or sys.stdout)


def begun(place: Path) -> None:
    """With `--quiet`, tells the place of what takes long as soon as it is there: one that is killed can go on."""
    if _Outputs.quiet:
        _Outputs.early = place
        print(place, file=_Outputs.place, flush=True)


@contextlib.contextmanager
def a_part() -> Iterator[None]:
    """What is made here is a part of something larger, whose place is told later."""
    _Outputs.part = True
    try:
        yield
    finally:
        _Outputs.part = False


@contextlib.contextmanager
def _hush() -> Iterator[None]:
    from batikkit.console import silenced

    with open(os.devnull, "w", encoding="utf-8") as nowhere, _redirected(nowhere) as real, silenced():  # noqa: PTH123
        before, _Outputs.place = _Outputs.place, _Outputs.place or real
        _Outputs.quiet = True
        try:
            yield
        finally:
            _Outputs.place, _Outputs.quiet, _Outputs.early = before, False, None


@contextlib.contextmanager
def _shown_at_the_end() -> Iterator[Path]:
    """What people read goes to standard error meanwhile. A command that fails before it writes shows nothing."""
    with tempfile.TemporaryDirectory(prefix="batikkit-") as folder:
        file = Path(folder) / "answer.json"
        real = _Outputs.real or sys.stdout
        before, _Outputs.place = _Outputs.place, sys.stderr if _Outputs.real is None else sys.stdout
        try:
            with _redirected(sys.stderr if _Outputs.real is None else sys.stdout):
                yield file
        finally:
            _Outputs.place = before
            if file.exists():
                print(_printable_json(file.read_text(encoding="utf-8"), real), end="", file=real, flush=True)


def _printable_json(text: str, stream: TextIO) -> str:
    """JSON as it is, or with JSON's own escapes where the stream's encoding lacks a character."""
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(json.loads(text), indent=2) + "\n"
    return text


@contextlib.contextmanager
def _redirected(stream: TextIO) -> Iterator[TextIO]:
    """What is printed goes to `stream`; yields the standard output that it would have gone to at first."""
    before = _Outputs.real
    _Outputs.real = before or sys.stdout
    try:
        with contextlib.redirect_stdout(stream):
            yield _Outputs.real
    finally:
        _Outputs.real = before
