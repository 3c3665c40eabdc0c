"""`data check`: what a data set holds, what is odd about it, what would leak, and what to do."""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.console import Advance
from batikkit.data.dataset import Sample, image_files, split_folders
from batikkit.data.findings import SEVERITIES, Finding, class_findings, file_findings
from batikkit.data.grouping import examine, group_samples, groups_per_class
from batikkit.data.inspection import Inspection
from batikkit.data.leaks import Leak, describe_leaks, find_leaks
from batikkit.data.names import name_findings
from batikkit.data.split import SplitRow, read_split
from batikkit.errors import InputError
from batikkit.images import IMAGE_SUFFIXES

SCHEMA_VERSION = 1

_NAMED = 4
"""Files of a group that a line names before it only counts."""


@dataclass(frozen=True)
class ClassFacts:
    """One motif folder in figures.

    Attributes:
        label: The class.
        images: Readable images.
        groups: Independent photographs among them.
        shortest_px: Shorter side of the smallest image.
        median_px: Median of the shorter sides.
        formats: Format -> images.
    """

    label: str
    images: int
    groups: int
    shortest_px: int
    median_px: int
    formats: dict[str, int]


@dataclass(frozen=True)
class CopyGroup:
    """Images that belong together.

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
        images: Readable images.
        classes: One entry per class, sorted.
        modes: Pillow mode -> images.
        findings: The worst first.
        groups: Groups of two or more images.
        split: Where the split under test comes from; empty when the set is not split yet.
        leaks: Images of that split that are copies of an earlier part's.
        expected_leaks: Without a split: how many test images of a random 70/20/10 split would have a copy in training,
            on average.
        verdict: What to do, one line each.
    """

    root: str
    images: int
    classes: tuple[ClassFacts, ...]
    modes: dict[str, int]
    findings: tuple[Finding, ...]
    groups: tuple[CopyGroup, ...]
    split: str
    leaks: tuple[Leak, ...]
    expected_leaks: float
    verdict: tuple[str, ...]

    @property
    def would_leak(self) -> bool:
        """The given split leaks, or, without one, a split that ignores groups would."""
        return bool(self.leaks) if self.split else bool(self.groups)


def check_folder(
    root: Path,
    *,
    group_by: str | None = None,
    split_file: Path | None = None,
    cache: bool = True,
    advance: Advance | None = None,
) -> CheckReport:
    """Looks at every image of a folder.

    Args:
        root: Folder with one subfolder per motif, or with train, validation and test folders that hold those.
        group_by: Regular expression on the relative path, as in training.
        split_file: A `split.csv` to check for leaks.
        cache: Keep fingerprints between runs.
        advance: Called with (done, total) while reading and comparing.

    Raises:
        InputError: no such folder, no images in it, or an unusable option.
    """
    paths = list(image_files(root))
    if not paths:
        raise InputError(f"no images in subfolders of {root}: put each motif's photographs into a folder of its own")
    folders = split_folders(paths)
    depth = 1 if folders else 0
    examined = examine(root, paths, cache=cache, advance=advance)
    samples = tuple(
        Sample(item.path, _label(item.path, depth), item.sha256, item.sha256[:16]) for item in examined.inspections
    )
    samples = group_samples(samples, examined.copies, group_by=group_by) if samples else ()
    named = name_findings(samples, [s.group for s in samples], examined.copies.tolist()) if group_by is None else []
    rows, split, missing = _split_of(samples, folders, split_file)
    labels = sorted({_label(path, depth) for path in paths})
    return _report(root, labels, examined.inspections, samples, rows, split, group_by, [
        *file_findings(examined.inspections, examined.skipped), *missing, *_folder_findings(root, paths), *named,
    ])  # fmt: skip


def _label(path: str, depth: int) -> str:
    parts = path.split("/")
    return parts[depth] if len(parts) > depth + 1 else ""


def _split_of(
    samples: Sequence[Sample], folders: Mapping[str, str], split_file: Path | None
) -> tuple[tuple[SplitRow, ...], str, list[Finding]]:
    if split_file is None:
        rows = tuple(SplitRow(s, folders[s.path.split("/")[0]]) for s in samples) if folders else ()
        return rows, "folders " + ", ".join(folders) if folders else "", []
    given = {row.sample.path: row.split for row in read_split(split_file)}
    known = {s.path for s in samples}
    absent = tuple(sorted(set(given) - known))
    rows = tuple(SplitRow(s, given[s.path]) for s in samples if s.path in given)
    missing = Finding(
        "split-missing", "error", f"{len(absent)} images of {split_file} are not (readable) in the folder",
        "name the folder that the split was made for", absent,
    )  # fmt: skip
    return rows, str(split_file), [missing] if absent else []


def _report(
    root: Path,
    labels: Sequence[str],
    inspections: Sequence[Inspection],
    samples: Sequence[Sample],
    rows: Sequence[SplitRow],
    split: str,
    group_by: str | None,
    findings: list[Finding],
) -> CheckReport:
    groups = _copy_groups(samples, rows)
    leaks = find_leaks(rows)
    images = Counter(dict.fromkeys(labels, 0))
    images.update(sample.label for sample in samples)
    findings += class_findings(images, groups_per_class(samples))
    findings += _group_findings(groups, group_by)
    if leaks:
        advice = "its test figure is not to be trusted: move the copies to one side, or split again"
        listed = tuple(f"{leak.path} = {leak.copies[0]}" for leak in leaks)
        message = f"the split leaks: {describe_leaks(leaks, rows)}"
        findings.append(Finding("split-leak", "leak", message, advice, listed))
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    expected = 0.0 if split else sum(0.1 * len(g.paths) * (1 - 0.3 ** (len(g.paths) - 1)) for g in groups)
    return CheckReport(
        root=str(root),
        images=len(inspections),
        classes=_class_facts(labels, inspections, samples),
        modes=dict(Counter(item.mode for item in inspections).most_common()),
        findings=tuple(findings),
        groups=groups,
        split=split,
        leaks=leaks,
        expected_leaks=round(expected, 2),
        verdict=_verdict(root, findings, groups, split, leaks, expected),
    )


def _copy_groups(samples: Sequence[Sample], rows: Sequence[SplitRow]) -> tuple[CopyGroup, ...]:
    split_of = {row.sample.path: row.split for row in rows}
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        members[sample.group].append(sample)
    return tuple(
        CopyGroup(
            paths=tuple(s.path for s in group),
            labels=tuple(sorted({s.label for s in group})),
            exact=len({s.sha256 for s in group}) == 1,
            splits=tuple(sorted({split_of[s.path] for s in group if s.path in split_of})),
        )
        for group in members.values()
        if len(group) > 1
    )


def _group_findings(groups: Sequence[CopyGroup], group_by: str | None) -> list[Finding]:
    found = []
    versions = "one photograph turned, mirrored, cropped or resaved"
    if group_by is not None:
        versions += ", or together by --group-by"
    mixed = [group for group in groups if len(group.labels) > 1]
    if mixed:
        found.append(
            Finding(
                "conflicting-labels", "error", f"{len(mixed)} group(s) of copies lie in folders of different motifs",
                "decide which motif is right and remove the others", tuple(g.line for g in mixed),
            )
        )  # fmt: skip
    for kind, some, what in (
        ("exact-duplicates", [g for g in groups if g.exact], "the same file several times"),
        ("near-duplicates", [g for g in groups if not g.exact], versions),
    ):
        if some:
            count = sum(len(group.paths) for group in some)
            found.append(
                Finding(
                    kind, "leak", f"{count} images in {len(some)} group(s) are {what}",
                    "split by groups (batikkit train and data split do), or keep one of each",
                    tuple(g.line for g in some),
                )
            )  # fmt: skip
    return found


def _folder_findings(root: Path, paths: Sequence[str]) -> list[Finding]:
    found = []
    names = sorted(os.listdir(root))  # noqa: PTH208 (names alone are wanted)
    shown = [name.encode("utf-8", "replace").decode() for name in names]
    loose = tuple(n for n in shown if Path(n).suffix.lower() in IMAGE_SUFFIXES and (root / n).is_file())
    if loose:
        found.append(
            Finding("loose", "warning", f"{len(loose)} image(s) lie in no motif's folder", "move them into one", loose)
        )
    used = {path.split("/")[0] for path in paths}
    empty = tuple(n for n in names if not n.startswith((".", "__MACOSX")) and n not in used and (root / n).is_dir())
    if empty:
        found.append(
            Finding("unused-folder", "info", f"{len(empty)} folder(s) hold no image or lead back up", "nothing", empty)
        )
    return found


def _class_facts(
    labels: Sequence[str], inspections: Sequence[Inspection], samples: Sequence[Sample]
) -> tuple[ClassFacts, ...]:
    groups = groups_per_class(samples)
    members: dict[str, list[Inspection]] = defaultdict(list)
    for item, sample in zip(inspections, samples, strict=True):
        members[sample.label].append(item)
    facts = []
    for label in labels:
        sides = sorted(min(i.width, i.height) for i in members[label])
        formats = dict(Counter(i.format for i in members[label]).most_common())
        middle = sides[len(sides) // 2] if sides else 0
        facts.append(ClassFacts(label, len(sides), groups.get(label, 0), min(sides, default=0), middle, formats))
    return tuple(facts)


def _verdict(
    root: Path,
    findings: Sequence[Finding],
    groups: Sequence[CopyGroup],
    split: str,
    leaks: Sequence[Leak],
    expected: float,
) -> tuple[str, ...]:
    lines = [f"{f.message}: {f.advice}" for f in findings if f.severity == "error"]
    if split:
        lines.append(
            f"{len(leaks)} file(s) leak in {split}: do not trust its test figure"
            if leaks
            else f"no leak in {split}: no image has a copy in another part"
        )
    elif groups:
        copies = sum(len(group.paths) for group in groups)
        told = f"of its test images about {max(expected, 0.1):.1f} would have a copy in training"
        cure = f"'batikkit data split {root}' keeps them together"
        lines.append(f"a random split would leak: {copies} images are copies, {told}; {cure}")
    else:
        lines.append("no copies found: any split of these files is as honest as the photographs are independent")
    return tuple(lines)


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
        for name, kind in (("classes", ClassFacts), ("findings", Finding), ("groups", CopyGroup), ("leaks", Leak)):
            facts[name] = tuple(kind(**{k: _tuples(v) for k, v in entry.items()}) for entry in facts[name])
        return CheckReport(**{key: _tuples(value) for key, value in facts.items()})
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a data check report: check the data again") from error


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
