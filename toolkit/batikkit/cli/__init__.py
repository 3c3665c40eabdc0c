"""The `batikkit` command. A command body opens its inputs, calls one library function and prints.

Only this package catches `BatikkitError`. Heavy modules are imported inside command bodies, so that `batikkit --help`
and the commands for small boards start fast and run without TensorFlow.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from batikkit import __version__
from batikkit.cli.assets import assets
from batikkit.cli.bench import bench
from batikkit.cli.compare import compare
from batikkit.cli.data import data
from batikkit.cli.demo import demo
from batikkit.cli.doctor import doctor
from batikkit.cli.evaluate import evaluate
from batikkit.cli.export import export
from batikkit.cli.fit import fit
from batikkit.cli.foundation import numpy_trouble
from batikkit.cli.grammar import USAGE_ERROR, Command, usage_error
from batikkit.cli.predict import predict
from batikkit.cli.presets import presets
from batikkit.cli.quickstart import quickstart
from batikkit.cli.report import report
from batikkit.cli.train import train
from batikkit.cli.verify import verify
from batikkit.console import show_any_text
from batikkit.errors import BatikkitError, InputError

app = typer.Typer(
    name="batikkit",
    help="Batik motif classification on the device: train, export to TFLite, prove it, bench it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"batikkit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Batik motif classification on the device: train, export to TFLite, prove it, bench it."""


app.command(cls=Command)(quickstart)
app.add_typer(data, name="data")
app.command(cls=Command)(presets)
app.command(cls=Command)(train)
app.command(cls=Command)(compare)
app.command(cls=Command)(fit)
app.command(cls=Command)(evaluate)
app.command(cls=Command)(export)
app.command(cls=Command)(predict)
app.command(cls=Command)(bench)
app.command(cls=Command)(report)
app.command(cls=Command)(assets)
app.command(cls=Command)(verify)
app.command(cls=Command)(demo)
app.command(cls=Command)(doctor)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 1 a gate failed, 2 the user's input is wrong."""
    # A picture that claims gigabytes of pixels is refused by the loader instead of warned about.
    warnings.filterwarnings("error", message=".*decompression bomb.*")
    # Damaged EXIF blocks and the like: the picture itself is read, and what cannot be read is told by name.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    show_any_text()
    try:
        _refuse_undecodable([*(sys.argv[1:] if argv is None else argv), _here()])
        _run(argv)
    except BatikkitError as error:
        typer.secho(f"batikkit: {error}", fg="red", err=True)
        sys.exit(error.exit_code)


def _refuse_undecodable(names: Sequence[str]) -> None:
    """Paths go into run records, reports and pages, which are UTF-8.

    Raises:
        InputError: a path that is not UTF-8.
    """
    for name in names:
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            known = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            raise InputError(f"the name {known} is not UTF-8: rename that folder or file") from None


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed meanwhile
        return ""


def _run(argv: Sequence[str] | None) -> None:
    try:
        code = app(args=None if argv is None else list(argv), prog_name="batikkit", standalone_mode=False)
        sys.exit(code or 0)
    except USAGE_ERROR as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(str(error), err=True)
            sys.exit(2)
        raise usage_error(error, sys.argv[1:] if argv is None else argv) from error
    except FileNotFoundError as error:
        if "No usable temporary directory" not in str(error):
            raise
        raise InputError(f"{error.strerror}: set TMPDIR to a folder that can be written") from error
    except UnicodeEncodeError as error:
        # Only names of files come with such halves of characters, where they are not UTF-8.
        if not "\udc80" <= error.object[error.start] <= "\udcff":
            raise
        _refuse_undecodable([error.object])
        raise
    except ImportError as error:
        trouble = numpy_trouble(error)
        if trouble is None:
            raise
        raise trouble from error
