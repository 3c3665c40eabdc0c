"""The error tree. The command line alone catches it; library code only raises.

BatikkitError            something the user can act on; exit code 2
├── InputError           a path, option, image, label list or model file is wrong
├── MissingExtraError    a package of an optional extra is not installed
├── DiskFullError        there is no room to write a file; exit code 1
└── VerificationError    a gate failed or a file is not what it claims to be; exit code 1
"""

from __future__ import annotations

import re

# LiteRT's CompiledModel wraps its reason in lines that only name places of its sources.
_PLACE = re.compile(r"[└ ]*ERROR: \[[^\]]*\]$")


class BatikkitError(Exception):
    """Base of every error whose message is written for the user.

    The message is one line: what is wrong, the value, and what to do next.
    """

    exit_code = 2


class InputError(BatikkitError):
    """What the user gave cannot be used."""


class MissingExtraError(BatikkitError):
    """A command needs a package that only an optional extra installs."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this command needs {package}, which is not installed: pip install 'batikkit[{extra}]'")
        self._named = package, extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """For other processes: exceptions are otherwise rebuilt from their message alone."""
        return type(self), self._named


class DiskFullError(BatikkitError):
    """A disk, a quota or a limit on file sizes is reached; what was there before is intact."""

    exit_code = 1


class VerificationError(BatikkitError):
    """A gate failed or a file did not verify."""

    exit_code = 1


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something, or its type when it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not _PLACE.match(line.strip())]
    return lines[0].lstrip("└ ") if lines else type(error).__name__
