"""Where a run's images came from and what made it: what a model card must say, read from the run folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batikkit import runs
from batikkit.config import TrainConfig, read_config
from batikkit.data.split import SPLIT_FILE
from batikkit.data.synth.writing import SYNTHETIC_JSON
from batikkit.digest import file_sha256


@dataclass(frozen=True)
class Provenance:
    """Attributes as `run.json` has them; `synthetic` is the record of a drawn set, None for photographs."""

    run_id: str
    root: Path
    counts: dict[str, int]
    weights: str
    parameters: int
    config: TrainConfig
    split_sha256: str
    tools: dict[str, str]
    synthetic: dict[str, Any] | None


def read_provenance(run: Path, data: Path | None) -> Provenance:
    """Reads a finished run; `data` says where its images are now, if they moved.

    Raises:
        InputError: not a run.
    """
    facts = runs.read_run(run)
    root = data or Path(facts["data"]["root"])
    record = root / SYNTHETIC_JSON
    return Provenance(
        run_id=run.name,
        root=root,
        counts={name: int(facts["data"][name]) for name in ("images", "train", "validation", "test")},
        weights=str(facts["weights"]),
        parameters=int(facts["parameters"]),
        config=read_config(run / runs.CONFIG_FILE),
        split_sha256=file_sha256(run / SPLIT_FILE),
        tools=dict(facts["tools"]),
        synthetic=json.loads(record.read_text(encoding="utf-8")) if record.is_file() else None,
    )
