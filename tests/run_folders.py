"""Run folders as training leaves them, without training: for what only finds and reads them."""

from __future__ import annotations

from pathlib import Path

from batikkit.runs.record import DONE, Photographs, RunRecord, write_record


def write_run(folder: Path, *, status: str = DONE, root: Path = Path("photos")) -> Path:
    """Makes `folder` a run and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    record = RunRecord(
        run_id=folder.name,
        status=status,
        created="2026-01-01T00:00:00+00:00",
        data=Photographs(str(root), images=30, train=20, validation=5, test=5),
        weights="none",
        parameters=1000,
        parameters_phase1=100,
        tools={"batikkit": "0"},
        host={"machine": "x86_64", "system": "Linux", "python": "3.11"},
    )
    write_record(folder, record)
    return folder
