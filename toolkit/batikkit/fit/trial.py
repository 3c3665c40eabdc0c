"""One trial: what a network's solved heads named every photograph, fold by fold; and the file of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit import atomic

SCHEMA_VERSION = 1
SCOUT, FULL = "scout", "full"
"""The rungs: heads on the photographs as they are, only to compare; and as training solves them."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What came out.

    Attributes:
        made_from: Hash over the weights and settings behind it, hex.
        seconds: That it took, features included.
        paired: int64 [N, K], as `heads.paired_answers`.
        tested: int64 [N], as `heads.held_out_answers`; empty for a scout.
    """

    made_from: str
    seconds: float
    paired: NDArray[np.int64]
    tested: NDArray[np.int64]


def write_trial(path: Path, trial: Trial) -> None:
    """Writes the file, whole or not at all."""
    content = {
        "schema_version": SCHEMA_VERSION, "made_from": trial.made_from, "seconds": round(trial.seconds, 2),
        "paired": trial.paired.tolist(), "tested": trial.tested.tolist(),
    }  # fmt: skip
    atomic.write_text(path, json.dumps(content, separators=(",", ":")) + "\n")


def read_trial(path: Path, *, made_from: str) -> Trial | None:
    """The trial of that file; None where there is none, or one of other weights or settings: it is to be made again."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema_version"] != SCHEMA_VERSION or raw["made_from"] != made_from:
            return None
        paired, tested = (np.asarray(raw[name], np.int64) for name in ("paired", "tested"))
        return Trial(made_from, float(raw["seconds"]), paired, tested)
    except (OSError, ValueError, TypeError, KeyError):
        return None
