"""What `data check` found, as values and as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.data.doubts import Doubt, LabelCheck
from batikkit.data.findings import Finding
from batikkit.data.leaks import Leak
from batikkit.data.learning import Gain, Learning
from batikkit.errors import InputError

SCHEMA_VERSION = 3
"""1: knew copies only. 2: knew nothing of layouts, labels and circumstances."""

_NAMED = 4
"""Files of a group that a line names before it only counts."""


@dataclass(frozen=True)
class ClassFacts:
    """One motif folder in figures.

    Attributes:
        label: The class.
        images: Readable images.
        groups: Independent photographs among them.
        cloths: Cloths that they show, as far as that can be seen.
        shortest_px: Shorter side of the smallest image.
        median_px: Median of the shorter sides.
        formats: Format -> images.
    """

    label: str
    images: int
    groups: int
    cloths: int
    shortest_px: int
    median_px: int
    formats: dict[str, int]


@dataclass(frozen=True)
class ImageGroup:
    """Images that belong together: copies, or photographs of one cloth.

    Attributes:
        paths: The files.
        labels: Their classes, sorted, each once.
        exact: All files are equal byte for byte.
        splits: The parts of an existing split they lie in, sorted; empty without one.
    """

    paths: tuple[str, ...]
    labels: tuple[str, ...]
    exact: bool
    splits: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Its files as one line for people: four of them and a count."""
        more = len(self.paths) - _NAMED
        return " = ".join(self.paths[:_NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class CheckReport:
    """Everything `data check` found out.

    Attributes:
        root: The folder, as given.
        understood: What the folder was taken for, in one line, and what was not obvious about it.
        images: Readable images.
        classes: One entry per class, sorted.
        modes: Pillow mode -> images.
        findings: The worst first.
        groups: Groups of two or more copies.
        cloths: Cloths that several photographs show which are no copies of each other.
        looked: How cloths were told apart; empty where they were not looked for.
        split: Where the split under test comes from; empty when the set is not split yet.
        leaks: Images of that split that are copies, or of the cloth, of an earlier part's.
        expected_leaks: Without a split: how many test images of a random 70/20/10 split would have a copy or their
            cloth in training, on average.
        doubted: Labels that the other photographs contradict; None where that was not asked for.
        learning: What more photographs would bring; None where that was not asked for.
        verdict: What to do, one line each.
    """

    root: str
    understood: tuple[str, ...]
    images: int
    classes: tuple[ClassFacts, ...]
    modes: dict[str, int]
    findings: tuple[Finding, ...]
    groups: tuple[ImageGroup, ...]
    cloths: tuple[ImageGroup, ...]
    looked: str
    split: str
    leaks: tuple[Leak, ...]
    expected_leaks: float
    doubted: LabelCheck | None
    learning: Learning | None
    verdict: tuple[str, ...]

    @property
    def would_leak(self) -> bool:
        """The given split leaks, or, without one, a split that ignores groups would."""
        return bool(self.leaks) if self.split else bool(self.groups or self.cloths)


_PARTS: dict[str, Any] = {
    "classes": ClassFacts,
    "findings": Finding,
    "groups": ImageGroup,
    "cloths": ImageGroup,
    "leaks": Leak,
}


def write_report(path: Path, report: CheckReport) -> None:
    """Writes the report as JSON."""
    facts = {"schema_version": SCHEMA_VERSION, "would_leak": report.would_leak, **dataclasses.asdict(report)}
    atomic.write_json(path, facts)


def read_report(path: Path) -> CheckReport:
    """Reads what `write_report` wrote.

    Raises:
        InputError: missing, damaged, or of another schema version.
    """
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if facts.pop("schema_version") != SCHEMA_VERSION:
            raise InputError(f"{path} is of another batikkit version: check the data again")
        facts.pop("would_leak")
        for name, kind in _PARTS.items():
            facts[name] = _entries(kind, facts[name])
        if facts["doubted"] is not None:
            doubts = _entries(Doubt, facts["doubted"].pop("doubts"))
            facts["doubted"] = LabelCheck(**facts["doubted"], doubts=doubts)
        if facts["learning"] is not None:
            facts["learning"] = _learning(facts["learning"])
        return CheckReport(**{key: _tuples(value) for key, value in facts.items()})
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a data check report: check the data again") from error


def _learning(facts: dict[str, Any]) -> Learning:
    (doubled,), motifs = _entries(Gain, [facts["doubled"]]), _entries(Gain, facts["motifs"])
    return Learning(tuple((int(n), float(read)) for n, read in facts["measured"]), doubled, motifs)


def _entries(kind: Any, entries: Any) -> tuple[Any, ...]:
    return tuple(kind(**{key: _tuples(value) for key, value in entry.items()}) for entry in entries)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
