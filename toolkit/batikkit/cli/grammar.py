"""What all commands share beyond options: help that loses no words, and usage errors in one line like all others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from batikkit.errors import InputError

# Typer tells usage errors with classes that it does not export, of click or of its own copy of click.
USAGE_ERROR: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if issubclass(kind, Exception) and kind.__name__ == "ClickException"
)


class Command(TyperCommand):
    """A command whose help shows what was written: Rich takes `[s]` for markup, and a flag is no value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The options and arguments, as the help shows them."""
        params: list[Any] = super().get_params(ctx)
        for param in params:
            if getattr(param, "is_flag", False) and param.metavar is None:
                param.metavar = ""
            if getattr(param, "help", None):
                param.help = _escaped(param.help)
        return params

    def invoke(self, ctx: Any) -> Any:
        """Runs the command, unless a file is called as an option is, or as standard output is.

        Raises:
            InputError: that is so; such a file, where it is meant, is named with its folder.
        """
        for param in self.params:
            value = ctx.params.get(param.name)
            if isinstance(value, Path) and param.opts[0].startswith("--") and str(value).startswith("-"):
                told = "standard output takes the answer alone, with --json -" if value == Path("-") else "an option"
                raise InputError(f"{param.opts[0]} {value}: {told}; name a file or folder, such as ./{value}")
        return super().invoke(ctx)


def _escaped(text: str) -> str:
    return re.sub(r"(?<!\\)\[", r"\\[", text)


def usage_error(error: Any, argv: Sequence[str]) -> InputError:
    """A usage error of Typer's as the one line that all errors are."""
    message = str(error.format_message()).strip().rstrip(".")
    context = getattr(error, "ctx", None)
    value = _given(getattr(error, "param", None), argv)
    if value and value not in message:
        message += f", got {value!r}"
    where = context.command_path if context is not None else "batikkit"
    return InputError(f"{message[:1].lower()}{message[1:]}: see '{where} --help'")


def _given(param: Any, argv: Sequence[str]) -> str | None:
    """What the user wrote for an option; Typer's message may leave it out."""
    options = tuple(getattr(param, "opts", ()))
    for word, following in zip(argv, [*argv[1:], None], strict=True):
        if word in options:
            return following
        if word.startswith(tuple(f"{option}=" for option in options)):
            return word.partition("=")[2]
    return None
