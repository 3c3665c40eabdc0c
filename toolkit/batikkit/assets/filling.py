"""Fills the text templates that lie in `templates/`."""

from __future__ import annotations

from importlib import resources
from string import Template


def fill(name: str, /, **values: object) -> str:
    """The template of that name with every `$placeholder` replaced; one that is missing is an error.

    Raises:
        KeyError: a placeholder has no value: a bug.
    """
    source = resources.files("batikkit.assets") / "templates" / name
    return Template(source.read_text(encoding="utf-8")).substitute({key: str(value) for key, value in values.items()})
