"""`checkpoint.npz`: everything that continuing a run needs, written whole after every epoch."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit import atomic
from batikkit.errors import InputError

CHECKPOINT_FILE = "checkpoint.npz"
SCHEMA_VERSION = 1
Arrays = list[NDArray[np.generic]]


@dataclass
class Progress:
    """Where a run stands, apart from its arrays.

    Attributes:
        phase: Index of the phase in progress.
        epoch: Epochs finished in it.
        best_score: Best validation score so far (higher is better); -inf as None.
        stale_epochs: Epochs since the best one within this phase.
        plateau_scale: What `plateau` has multiplied the learning rate by.
        plateau_epochs: Epochs without improvement that `plateau` has counted.
        history: One mapping per finished epoch.
        seconds: Training time so far.
    """

    phase: int = 0
    epoch: int = 0
    best_score: float | None = None
    stale_epochs: int = 0
    plateau_scale: float = 1.0
    plateau_epochs: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """Progress plus weights: the current ones, the best ones, and the optimiser's state."""

    progress: Progress
    weights: Arrays
    best_weights: Arrays
    optimizer: Arrays


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes one file, whole or not at all; the previous one stays until then."""
    facts = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(checkpoint.progress)}
    arrays: dict[str, Any] = {"progress": np.array(json.dumps(facts))}
    for name in ("weights", "best_weights", "optimizer"):
        for index, value in enumerate(getattr(checkpoint, name)):
            arrays[f"{name}-{index:04d}"] = value
    with atomic.replacing(path) as temporary:
        np.savez(temporary, **arrays)


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint.

    Raises:
        InputError: missing, damaged, or of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            facts = json.loads(str(arrays["progress"]))
            if facts.pop("schema_version") != SCHEMA_VERSION:
                raise InputError(f"{path} is of another batikkit version: train again")
            parts = {
                name: [arrays[key] for key in sorted(arrays.files) if key.startswith(f"{name}-")]
                for name in ("weights", "best_weights", "optimizer")
            }
        return Checkpoint(progress=Progress(**facts), **parts)
    except FileNotFoundError as error:
        raise InputError(f"no {path}: this run cannot be resumed, train again") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise InputError(f"{path} is damaged ({error}): train again") from error
