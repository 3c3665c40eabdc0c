"""`plan.json`: what a comparison's folder was begun with, so that a second start goes on and another one is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.data.split import SplitRow, encode_split
from batikkit.digest import file_sha256
from batikkit.errors import InputError
from batikkit.settings import TrainConfig

PLAN_FILE = "plan.json"
SCHEMA_VERSION = 1
_DIFFERENCES_NAMED = 3


def check_phases(config: TrainConfig) -> None:
    """Makes sure that settings can be compared, before the photographs are looked at.

    Raises:
        InputError: nothing is frozen, so there is no frozen system.
    """
    if not config.phase1_epochs:
        raise InputError(
            "a comparison needs a frozen phase, got phase1_epochs=0: choose a preset such as paper or small-data"
        )


def check_also(also: Path, data: Path) -> None:
    """Makes sure that there are other photographs, before those to compare on are looked at.

    Raises:
        InputError: no such folder, or it is the one that is compared on.
    """
    if not also.is_dir():
        raise InputError(f"--also {also}: no such folder; name another collection's photographs")
    if also.resolve() == data.resolve():
        raise InputError(f"--also {also} is the folder that is compared on: name another collection's")


def make_plan(root: Path, config: TrainConfig, *, weights: str, splits: Sequence[Sequence[SplitRow]]) -> dict[str, Any]:
    """Everything that decides the result: settings, weights by content, and each fold's images by their hashes."""
    path = Path(weights)
    return {
        "schema_version": SCHEMA_VERSION,
        "photographs": str(root.resolve()),
        "weights": file_sha256(path) if path.is_file() else weights,
        "folds": len(splits),
        "splits_sha256": [hashlib.sha256(encode_split(rows)).hexdigest() for rows in splits],
        # As JSON has them, so that a plan equals itself read back.
        **{name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(config).items()},
    }


def enter(folder: Path, plan: dict[str, Any]) -> None:
    """Writes the plan into a new folder, or checks that an existing one was begun with the same.

    Raises:
        InputError: the folder holds something else, or a comparison of other images or settings.
    """
    path = folder / PLAN_FILE
    if path.is_file():
        _refuse_another(folder, read_plan(path), plan)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"output {folder} exists and is no comparison: choose another folder with --out")
    else:
        atomic.write_json(path, plan)


def read_plan(path: Path) -> dict[str, Any]:
    """Reads the file.

    Raises:
        InputError: unreadable or damaged.
    """
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): choose another folder with --out") from error
    return dict(plan)


def _refuse_another(folder: Path, begun: dict[str, Any], wanted: dict[str, Any]) -> None:
    names = [name for name in {**begun, **wanted} if begun.get(name) != wanted.get(name)]
    if names:
        shown = "; ".join(_difference(name, begun.get(name), wanted.get(name)) for name in names[:_DIFFERENCES_NAMED])
        raise InputError(
            f"{folder} was begun with other settings ({shown}): choose another folder with --out, or remove this one"
        )


def _difference(name: str, begun: object, wanted: object) -> str:
    if name == "splits_sha256":
        return "other images or another split"
    return f"{name} {begun} there, {wanted} now"
