"""`comparison.json`: classifiers judged on the same images, with intervals, pair by pair. Light: no TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from batikkit import atomic
from batikkit.errors import InputError
from batikkit.evaluation.metrics_file import Evaluation, evaluation_from

SCHEMA_VERSION = 3
"""3: what a system says of cloths never seen and of other photographs.

2: a system has no interval of its own beside that of its evaluation; leads by Tango's interval."""

PUBLISHED = {"scratch": 0.6233, "frozen": 0.94, "fine-tuned": 0.9985}
"""The paper's accuracies of its three systems, on its own photographs; it also calls the last a training accuracy."""


@dataclass(frozen=True)
class Part:
    """One trained model: a system on one fold, or on the only split.

    Attributes:
        accuracy: On its own test images, 0..1.
        n: How many those are.
        run: Its run folder or file, relative to the comparison where it lies inside.
        seconds: Time to train, cached features included [s]; None where unknown.
        epochs: Epochs trained.
        history: Lines of `history.csv`.
    """

    accuracy: float
    n: int
    run: str
    seconds: float | None = None
    epochs: int | None = None
    history: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True)
class System:
    """One kind of classifier.

    Attributes:
        name: Short, such as `fine-tuned`.
        title: For people.
        evaluation: Over all test images; of folds: pooled, each image tested once by the model that never saw it.
        parts: One per fold.
        parameters: Scalars in the network; None where unknown.
        parameters_trained: How many of them the last phase trained.
        unseen: Over the test images of cloths that training did not see; None where it is not known which those are.
        elsewhere: Over other photographs, each answered by the model of every fold; None where there are none.
    """

    name: str
    title: str
    evaluation: Evaluation
    parts: tuple[Part, ...]
    parameters: int | None = None
    parameters_trained: int | None = None
    unseen: Evaluation | None = None
    elsewhere: Evaluation | None = None

    def over_folds(self) -> tuple[float, float] | None:
        """Mean and standard deviation of the folds' accuracies, or None for a single split."""
        accuracies = [part.accuracy for part in self.parts]
        return (mean(accuracies), stdev(accuracies)) if len(accuracies) > 1 else None


@dataclass(frozen=True)
class Pair:
    """Two systems on the same images.

    Attributes:
        worse, better: Names; `better` is the one of the higher accuracy.
        gain_pp: Its lead in points.
        gain_ci95_pp: Tango's interval of that lead, of groups.
        mcnemar_p: Exact two-sided test of equal accuracy: McNemar's, or over groups its like.
        holm_p: The same, adjusted for the number of pairs.
        both_right, only_better, only_worse, both_wrong: Images.
    """

    worse: str
    better: str
    gain_pp: float
    gain_ci95_pp: tuple[float, float]
    mcnemar_p: float
    holm_p: float
    both_right: int
    only_better: int
    only_worse: int
    both_wrong: int


@dataclass(frozen=True)
class Miss:
    """A test image that some system gets wrong: its path, its motif and what each system says."""

    path: str
    truth: str
    answers: dict[str, str]


@dataclass(frozen=True)
class Comparison:
    """One or more systems on the same test images.

    Attributes:
        title: Heading.
        created: UTC, ISO 8601.
        tested: What the test images are, for people.
        groups: Number of groups that are independent of each other among the test images.
        systems: In the order of the table.
        pairs: Every two of them.
        misses: In the order of the test images.
        facts: What was compared and how: settings, tools, machine.
        notes: What a reader must know, one line each.
    """

    title: str
    created: str
    tested: str
    groups: int
    systems: tuple[System, ...]
    pairs: tuple[Pair, ...]
    misses: tuple[Miss, ...]
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of test images."""
        return self.systems[0].evaluation.report.n

    @property
    def labels(self) -> tuple[str, ...]:
        """The motifs, in output order."""
        return self.systems[0].evaluation.labels


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Writes the file."""
    atomic.write_json(path, {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(comparison)})


def read_comparison(path: Path) -> Comparison:
    """Reads the file.

    Raises:
        InputError: missing, damaged, or of another schema version.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw.pop("schema_version") != SCHEMA_VERSION:
            raise InputError(f"{path} is of another batikkit version: compare or evaluate again")
        return Comparison(
            **{
                **raw,
                "systems": tuple(map(_system_from, raw["systems"])),
                "pairs": tuple(Pair(**{**pair, "gain_ci95_pp": tuple(pair["gain_ci95_pp"])}) for pair in raw["pairs"]),
                "misses": tuple(Miss(**miss) for miss in raw["misses"]),
                "notes": tuple(raw["notes"]),
            }
        )
    except OSError as error:
        raise InputError(f"cannot read comparison {path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}): compare or evaluate again") from error


def _system_from(raw: dict[str, Any]) -> System:
    parts = tuple(Part(**{**part, "history": tuple(part["history"])}) for part in raw["parts"])
    others = {name: evaluation_from(raw[name]) if raw[name] else None for name in ("unseen", "elsewhere")}
    return System(**{**raw, "evaluation": evaluation_from(raw["evaluation"]), "parts": parts, **others})
