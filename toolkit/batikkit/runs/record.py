"""`run.json`: what a run is, where it stands and what came of it, as typed values."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.errors import InputError

RUN_FILE = "run.json"
SCHEMA_VERSION = 1
"""Fields that were added since the first files have a default, so that older runs are read."""
TRAINING, DONE = "training", "done"


@dataclass(frozen=True)
class Photographs:
    """Where a run's photographs lay when it was last trained, and how many of them are in each split."""

    root: str
    images: int
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Feed:
    """What a phase learned from, from one of its epochs on. It is no setting, and decides what is learned all the same.

    Attributes:
        phase: Its name.
        engine: `cached` (some views of each photograph, used in turn) or `keras` (a new view in every epoch).
        views: How many views the cache holds; None for a new one in every epoch.
        epoch: The run's first epoch that was fed so, from 1.
        precision: What the network computed in: `float32` or `bfloat16`.
    """

    phase: str
    engine: str
    views: int | None
    epoch: int = 1
    precision: str = "float32"


@dataclass(frozen=True)
class TestFigure:
    """Accuracy on the test images, 0..1, with its 95 % interval."""

    accuracy: float
    accuracy_ci95: tuple[float, float]
    n: int


@dataclass(frozen=True)
class Teaching:
    """Who else told a run what to answer.

    Attributes:
        teachers: Folders of finished runs.
        unlabelled: Folder of photographs that only they named; None where there was none.
        sha256: Of the teachers' models and of those photographs that were learned from.
    """

    teachers: tuple[str, ...]
    unlabelled: str | None = None
    sha256: str = ""


@dataclass(frozen=True)
class RunRecord:
    """A run.

    Attributes:
        run_id: The folder's name.
        status: `training` until the run is finished, then `done`.
        created: UTC, ISO 8601.
        data: The photographs.
        weights: `imagenet`, `none` or the path of the backbone's file.
        parameters: Scalars in the network.
        parameters_phase1: How many of them are trained while the backbone is frozen.
        tools: Name -> version of what took part.
        host: Machine, system and Python.
        notes: What a reader must know, one line each.
        split_sha256: Of `split.csv`.
        unit: What never crosses splits: a `copy` or a `cloth`.
        caution: What everything written of the test figure must say, such as that test cloths were seen in training.
        feeds: What each phase learned from.
        others: Folder of pictures of what is no motif, shown when "other" was learned; None where there were none.
        teaching: Runs whose answers were learned from beside the labels; None where there were none.
        frozen_beside: Whether the model between the phases is kept as a run of its own.
        phase_1_of: The run of which this one is that model.
        test: The result; what follows is known of finished runs only, too.
        epochs: Epochs trained.
        parameters_trained: Scalars that the last phase trained.
        train_seconds: Time in epochs.
        timings_seconds: Part -> time; `augment` overlaps `extract`, both lie within `features1` and `features2`, which
            come before `phase1` and `phase2`; `finish` is the test, the plots and the saving.
    """

    run_id: str
    status: str
    created: str
    data: Photographs
    weights: str
    parameters: int
    parameters_phase1: int
    tools: Mapping[str, str]
    host: Mapping[str, str]
    notes: tuple[str, ...] = ()
    split_sha256: str = ""
    unit: str = "copy"
    caution: str = ""
    feeds: tuple[Feed, ...] = ()
    others: str | None = None
    teaching: Teaching | None = None
    frozen_beside: bool = False
    phase_1_of: str | None = None
    test: TestFigure | None = None
    epochs: int = 0
    parameters_trained: int = 0
    train_seconds: float = 0.0
    timings_seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether the run is finished."""
        return self.status == DONE


def write_record(run: Path, record: RunRecord) -> None:
    """Writes the file."""
    facts = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(record)}
    atomic.write_json(run / RUN_FILE, {key: value for key, value in facts.items() if value is not None})


def read_run(run: Path) -> dict[str, Any]:
    """The file's plain values, whatever they are.

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


def read_record(run: Path) -> RunRecord:
    """Reads the file.

    Raises:
        InputError: the folder is not a run, is damaged, or of another schema version.
    """
    facts = read_run(run)
    test, teaching = facts.get("test"), facts.get("teaching")
    try:
        known = {f.name: facts[f.name] for f in dataclasses.fields(RunRecord) if f.name in facts}
        return RunRecord(
            **{
                **known,
                "data": Photographs(**facts["data"]),
                "notes": tuple(facts.get("notes", ())),
                "feeds": tuple(Feed(**feed) for feed in facts.get("feeds", ())),
                "teaching": Teaching(**{**teaching, "teachers": tuple(teaching["teachers"])}) if teaching else None,
                "test": TestFigure(**{**test, "accuracy_ci95": tuple(test["accuracy_ci95"])}) if test else None,
            }
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{run / RUN_FILE} is damaged ({error}): train again") from error
