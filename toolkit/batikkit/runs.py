"""Run folders: `runs/<id>/` holds everything that one training produced, and explains itself in `run.json`."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.errors import InputError

RUN_FILE = "run.json"
CONFIG_FILE = "config.toml"
MODEL_FILE = "model.keras"
METRICS_FILE = "metrics.json"
HISTORY_FILE = "history.csv"
PLOTS_FOLDER = "plots"
EXPORT_FOLDER = "export"
BENCH_FOLDER = "bench"
SCHEMA_VERSION = 1


def create_run(runs_dir: Path, *, name: str) -> Path:
    """Makes and returns a new run folder `<runs_dir>/<UTC time>-<name>`; its name sorts by time."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
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


def write_run(run: Path, facts: dict[str, Any]) -> None:
    """Writes `run.json`: the run's id, when and from what it was made, its state and its figures."""
    atomic.write_json(run / RUN_FILE, {"schema_version": SCHEMA_VERSION, "run_id": run.name, **facts})


def read_run(run: Path) -> dict[str, Any]:
    """Reads `run.json`.

    Raises:
        InputError: the folder is not a run, or of another schema version.
    """
    path = run / RUN_FILE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{run} is not a run folder (no {RUN_FILE}): name one made by 'batikkit train'") from error
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): train again") from error
    if not isinstance(facts, dict) or facts.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{path} is of another batikkit version: this one reads schema_version {SCHEMA_VERSION}")
    return facts


def add_facts(run: Path, facts: dict[str, Any]) -> None:
    """Adds to `run.json`, or replaces what it says under the same names."""
    known = {key: value for key, value in read_run(run).items() if key not in ("schema_version", "run_id")}
    write_run(run, {**known, **facts})


def all_runs(runs_dir: Path) -> list[Path]:
    """The runs under `runs_dir`, oldest first."""
    return sorted(path.parent for path in runs_dir.glob(f"*/{RUN_FILE}")) if runs_dir.is_dir() else []


def newest_run(runs_dir: Path) -> Path:
    """The newest run under `runs_dir`.

    Raises:
        InputError: there is none.
    """
    runs = all_runs(runs_dir)
    if not runs:
        raise InputError(f"no runs under {runs_dir}: train one with 'batikkit train DIR', or name one")
    return runs[-1]


def resolve_run(run: Path | None, runs_dir: Path) -> Path:
    """The run that a command was given, else the newest one.

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
        raise InputError(f"run {run} has no {MODEL_FILE}: its training did not finish; train again")
    return path
