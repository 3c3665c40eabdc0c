"""Where training stands after an epoch, and the file that continuing it needs.

Only what trains is kept: the weights of the layers that the phase frees, by name. The rest of the network is what the
run began with, which is written once (`start.npz`).
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError
from batikkit.runs.history import Epoch
from batikkit.training.schedule import Patience

SCHEMA_VERSION = 2
Array = NDArray[np.generic]
Weights = Mapping[str, Array]
"""Name of a variable -> its value."""
_PARTS = ("weights", "best", "optimizer")


@dataclass(frozen=True)
class State:
    """After an epoch, or at the very beginning.

    Attributes:
        phase: Index of the phase in progress; the number of phases when all are over.
        epoch: Epochs finished in it.
        history: All finished epochs.
        best_score: Of the best epoch so far (higher is better).
        patience: Of the phase in progress.
        weights: What trains, now. Between two phases: the best.
        best: The same at the best epoch.
        optimizer: The optimizer's state and the weights' averages; empty between two phases.
    """

    phase: int = 0
    epoch: int = 0
    history: tuple[Epoch, ...] = ()
    best_score: float | None = None
    patience: Patience = field(default_factory=Patience)
    weights: Weights = field(default_factory=dict)
    best: Weights = field(default_factory=dict)
    optimizer: Sequence[Array] = ()


def write_state(path: Path, state: State) -> None:
    """Writes one `.npz` file."""
    facts = {
        "schema_version": SCHEMA_VERSION,
        "phase": state.phase,
        "epoch": state.epoch,
        "history": [dataclasses.asdict(epoch) for epoch in state.history],
        "best_score": state.best_score,
        "patience": dataclasses.astuple(state.patience),  # may hold -Infinity, which Python's JSON reads back
        "weights": list(state.weights),
        "best": list(state.best),
    }
    arrays = {"facts": np.array(json.dumps(facts))}
    for part in _PARTS:
        values = getattr(state, part)
        for index, value in enumerate(values.values() if isinstance(values, Mapping) else values):
            arrays[f"{part}-{index:04d}"] = value
    _save(path, arrays)


def read_state(path: Path) -> State:
    """Reads the file.

    Raises:
        InputError: missing, damaged, or of another version.
    """
    arrays = _load(path)
    try:
        facts = json.loads(str(arrays["facts"])) if "facts" in arrays else {}
        if facts.get("schema_version") != SCHEMA_VERSION:
            raise InputError(f"{path} is of another batikkit version: train again")
        parts = {part: [arrays[key] for key in sorted(arrays) if key.startswith(f"{part}-")] for part in _PARTS}
        return State(
            phase=facts["phase"],
            epoch=facts["epoch"],
            history=tuple(Epoch(**row) for row in facts["history"]),
            best_score=facts["best_score"],
            patience=Patience(*facts["patience"]),
            weights=dict(zip(facts["weights"], parts["weights"], strict=True)),
            best=dict(zip(facts["best"], parts["best"], strict=True)),
            optimizer=parts["optimizer"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}): train again") from error


def write_start(path: Path, weights: Sequence[Array]) -> None:
    """Writes all weights that a run begins with, so that the file they came from may go."""
    _save(path, {f"{index:04d}": value for index, value in enumerate(weights)})


def read_start(path: Path) -> list[Array]:
    """Reads them.

    Raises:
        InputError: missing or damaged.
    """
    arrays = _load(path)
    return [arrays[key] for key in sorted(arrays)]


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    np.savez(path, **arrays)


def _load(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except FileNotFoundError as error:
        raise InputError(f"no {path}: this run cannot be resumed, train again") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged ({error}): train again") from error
