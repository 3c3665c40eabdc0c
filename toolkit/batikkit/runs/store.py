"""The runs under one folder: making a new one, finding the one that is meant, clearing up after the dead."""

from __future__ import annotations

import re
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path

from batikkit.errors import InputError
from batikkit.runs import lock
from batikkit.runs.record import DONE, RUN_FILE, read_run
from batikkit.runs.run import MODEL_FILE, Run

_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"\d{8}T\d{6}Z-.+")
_YOUNG_S = 60.0
"""A folder of this age may have been made by a training that has not come to claim it."""


def create_run(runs_dir: Path, *, name: str) -> Path:
    """Makes and returns a new run folder `<runs_dir>/<UTC time>-<name>`; its name sorts by time."""
    stamp = datetime.now(timezone.utc).strftime(_STAMP)
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
    for attempt in range(1, 1000):
        run = runs_dir / (f"{stamp}-{slug}" if attempt == 1 else f"{stamp}-{slug}-{attempt}")
        try:
            run.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"cannot make run folder {run}: {error.strerror}; choose another --runs-dir") from error
        return run
    raise InputError(f"cannot make a new run folder in {runs_dir}: a thousand of this second exist")


def all_runs(runs_dir: Path) -> list[Path]:
    """The runs under `runs_dir`, finished or not, oldest first."""
    return sorted(path.parent for path in runs_dir.glob(f"*/{RUN_FILE}")) if runs_dir.is_dir() else []


def is_done(run: Path) -> bool:
    """Whether a run is finished; one that cannot be read, or only by another version, is not."""
    try:
        return bool(read_run(run).get("status") == DONE)
    except InputError:
        return False


def newest_run(runs_dir: Path) -> Path:
    """The newest finished run under `runs_dir`.

    Raises:
        InputError: there is none; what was begun is named.
    """
    found = all_runs(runs_dir)
    finished = [run for run in found if is_done(run)]
    if finished:
        return finished[-1]
    if found:
        raise InputError(f"no finished run under {runs_dir}: {_onwards(found[-1])}")
    raise InputError(f"no runs under {runs_dir}: train one with 'batikkit train DIR', or name one")


def resolve_run(run: Path | None, runs_dir: Path) -> Path:
    """The run that a command was given, by path or by name, else the newest finished one.

    Raises:
        InputError: no such run.
    """
    if run is None:
        return newest_run(runs_dir)
    for candidate in (run, runs_dir / run):
        if (candidate / RUN_FILE).is_file():
            return candidate
    raise InputError(f"{run} is not a run folder (no {RUN_FILE}): name one made by 'batikkit train'")


def model_file(run: Path) -> Path:
    """The trained model of a run.

    Raises:
        InputError: the run has none, since training did not finish.
    """
    path = run / MODEL_FILE
    if not path.is_file():
        raise InputError(f"run {run} has no {MODEL_FILE}, since its training did not finish: {_onwards(run)}")
    return path


def sweep(runs_dir: Path) -> None:
    """Removes what killed trainings left: caches, half-written files, and folders that never became runs.

    A run that somebody trains is left alone, and so is everything that resuming needs.
    """
    for folder in lock.sweep_caches(runs_dir):
        if is_done(folder):
            Run(folder).remove_checkpoint()
    for folder in runs_dir.glob("*"):
        if _NAME.fullmatch(folder.name) and folder.is_dir() and _never_began(folder):
            with lock.claimed(folder) as free:
                if free and not (folder / RUN_FILE).exists():
                    shutil.rmtree(folder, ignore_errors=True)


def _never_began(folder: Path) -> bool:
    return not (folder / RUN_FILE).exists() and time.time() - folder.stat().st_mtime > _YOUNG_S


def _onwards(run: Path) -> str:
    return f"continue it with 'batikkit train --resume {run}'"
