"""Where settings come from and go to: presets, `key=value` overrides, and a run's `config.toml`."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from batikkit.errors import InputError
from batikkit.nearest import choices
from batikkit.settings import TrainConfig as TrainConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    tuple: "a list such as [0.7, 0.2, 0.1]",
}


def preset_names() -> tuple[str, ...]:
    """The presets that ship with batikkit."""
    folder = resources.files("batikkit") / "presets"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


def preset_reason(name: str) -> str:
    """What a preset that ships with batikkit is for: the comment at its head, as one paragraph."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), _preset_text(name).splitlines())
    return " ".join(line.removeprefix("#").strip() for line in lines)


def load_config(
    preset: str = "paper",
    *,
    overrides: Sequence[str] = (),
    changes: Mapping[str, object] | None = None,
    **settings: Any,
) -> TrainConfig:
    """A preset (its name or the path of a TOML file), then `key=value` overrides, changes, and keyword settings.

    Keyword settings that are None are ignored, so that a command passes its options through unchanged.

    Raises:
        InputError: an unknown preset, key or value.
    """
    values = _read_preset(preset)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise InputError(f"--set {override!r} is not key=value: write for example --set dropout=0.3")
        values[key.strip()] = _parse(text.strip())
    values.update(changes or {})
    values.update({key: value for key, value in settings.items() if value is not None})
    return config_from_mapping(values, source=f"preset {preset}")


def config_from_mapping(values: Mapping[str, Any], *, source: str) -> TrainConfig:
    """Validates a plain mapping.

    Raises:
        InputError: an unknown key or a value of the wrong type or range.
    """
    fields = {f.name: f for f in dataclasses.fields(TrainConfig)}
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            raise InputError(f"unknown setting {key!r} in {source}: {choices(key, sorted(fields))}")
        checked[key] = _typed(fields[key], value)
    return TrainConfig(**checked)


def to_toml(config: TrainConfig) -> str:
    """The whole configuration as TOML, as written to a run's `config.toml`."""
    return "".join(f"{key} = {toml_value(value)}\n" for key, value in dataclasses.asdict(config).items())


def read_config(path: Path) -> TrainConfig:
    """Reads a run's `config.toml`.

    Raises:
        InputError: missing, not TOML, or with unknown or invalid settings.
    """
    return config_from_mapping(_parse_toml(path), source=str(path))


def _read_preset(preset: str) -> dict[str, Any]:
    if preset.endswith(".toml"):
        return _parse_toml(Path(preset))
    if preset not in preset_names():
        raise InputError(f"unknown preset {preset!r}: {choices(preset, preset_names())} or name a .toml file")
    return dict(tomllib.loads(_preset_text(preset)))


def _preset_text(name: str) -> str:
    return (resources.files("batikkit") / "presets" / f"{name}.toml").read_text(encoding="utf-8")


def _parse_toml(path: Path) -> dict[str, Any]:
    try:
        return dict(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"cannot read settings {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"settings {path} are not TOML: {error}") from error


def _parse(text: str) -> Any:
    """A command-line value, read as TOML and, failing that, as a bare string (`flips=both`)."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _typed(field: dataclasses.Field[Any], value: Any) -> Any:
    kind, words = type(field.default), "str" in str(field.type)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is tuple and words and isinstance(value, str):  # a single name, as a command line has it
        value = [value]
    if kind is tuple and isinstance(value, (list, tuple)):
        if words and all(isinstance(part, str) for part in value):
            return tuple(value)
        if not words and all(isinstance(part, (int, float)) for part in value):
            return tuple(map(float, value))
    if type(value) is not kind:
        raise InputError(f"setting {field.name} is {value!r}: it must be {_KINDS[kind]}")
    return value


def toml_value(value: Any) -> str:
    """A setting's value as TOML and `--set` write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    return repr(value)
