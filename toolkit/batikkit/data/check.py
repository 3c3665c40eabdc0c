"""`data check`: what a data set holds, what is odd about it, what would leak, and what to do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.console import Advance
from batikkit.data.check_report import CheckReport, ClassFacts, ImageGroup
from batikkit.data.cloth_look import PlainTexture
from batikkit.data.dataset import Sample
from batikkit.data.doubts import LabelCheck, check_labels_of
from batikkit.data.features import Describer, cloth_features, features_of
from batikkit.data.findings import SEVERITIES, Finding, class_findings, file_findings
from batikkit.data.folder_names import shown
from batikkit.data.grouping import CLOTH, by_cloth, group_samples, groups_per_class, inspect_set, unnamed
from batikkit.data.inspection import Inspection
from batikkit.data.label_table import path_difference
from batikkit.data.layout import Layout, read_layout, unread
from batikkit.data.leaks import Leak, describe_leaks, find_cloth_leaks, find_leaks
from batikkit.data.learning import Learning, learn
from batikkit.data.names import name_findings
from batikkit.data.prepared import Grouping
from batikkit.data.smoother import embed
from batikkit.data.split import SPLITS, SplitRow, read_split
from batikkit.data.telltale import circumstance_findings
from batikkit.data.tree import Tree, read_tree
from batikkit.errors import InputError

_KINDS = 6
"""Kinds of other files that a line names."""


@dataclass(frozen=True)
class Closer:
    """What else to look for, where that takes a network and minutes.

    Attributes:
        labels: Which labels the other photographs contradict.
        learning: What more photographs would bring.
        describer: The network; None takes what is seen of the cloths.
    """

    labels: bool = False
    learning: bool = False
    describer: Describer | None = None


def check_folder(
    root: Path,
    grouping: Grouping | None = None,
    *,
    closer: Closer | None = None,
    split_file: Path | None = None,
    cache: bool = True,
    advance: Advance | None = None,
) -> CheckReport:
    """Looks at every image of a folder.

    Args:
        root: Folder with one subfolder per motif, or with train, validation and test folders that hold those.
        grouping: What belongs together, as in training.
        closer: What else to look for.
        split_file: A `split.csv` to check for leaks.
        cache: Keep fingerprints between runs.
        advance: Called with (done, total) while reading and comparing.

    Raises:
        InputError: no such folder, no images in it, or an unusable option.
    """
    layout = read_layout(root)
    paths, motif_of = list(layout.motif_of), layout.motif_of
    grouping = grouping or Grouping()
    looking = grouping.unit == CLOTH and bool(unnamed(paths, grouping.group_by))
    texture = (grouping.texture or PlainTexture()) if looking else None
    label_of = motif_of.__getitem__ if looking else None
    inspected = inspect_set(root, paths, label_of=label_of, texture=texture, cache=cache, advance=advance)
    samples = tuple(Sample(i.path, motif_of[i.path], i.sha256, i.sha256[:16]) for i in inspected.inspections)
    if samples:
        group_by = grouping.group_by
        samples = group_samples(samples, inspected.copies, cloths=inspected.cloths, group_by=group_by)
    proposing = looking and grouping.group_by is None and samples
    named = name_findings(samples, inspected.cloths.tolist(), inspected.copies.tolist()) if proposing else []
    rows, split, missing = _split_of(samples, layout, split_file)
    doubted, learning = None, None
    if closer and (closer.labels or closer.learning) and len(layout.motifs) > 1:
        found, network = inspected.inspections, closer.describer
        features = features_of(root, found, network, cache=cache, advance=advance) if network else cloth_features(found)
        described = network.name if network else texture.name if texture else ""
        doubted, learning = _look_closer(closer, features, samples, described, advance)
    facts = _Facts(
        layout, inspected.inspections, samples, rows, split, texture.name if texture else "", doubted, learning
    )
    return _report(facts, grouping, [
        *file_findings(inspected.inspections, inspected.skipped), *missing, *_layout_findings(layout, read_tree(root)),
        *_untrained(layout, rows), *named,
    ])  # fmt: skip


def _look_closer(
    closer: Closer, features: NDArray[np.float32], samples: Sequence[Sample], described: str, advance: Advance | None
) -> tuple[LabelCheck | None, Learning | None]:
    paths, labels, groups = zip(*((s.path, s.label, s.cloth or s.group) for s in samples), strict=True)
    points = embed(features)
    doubted = check_labels_of(points, paths, labels, groups, described=described) if closer.labels else None
    return doubted, learn(points, labels, groups, advance=advance) if closer.learning else None


def _split_of(
    samples: Sequence[Sample], layout: Layout, split_file: Path | None
) -> tuple[tuple[SplitRow, ...], str, list[Finding]]:
    if split_file is None:
        rows = tuple(SplitRow(s, layout.split_of[s.path]) for s in samples) if layout.split_of else ()
        return rows, layout.split_source, []
    given = {row.sample.path: row.split for row in read_split(split_file)}
    known = {s.path for s in samples}
    if not known & given.keys():
        raise InputError(path_difference(str(split_file), given, sorted(known), layout.root))
    absent = tuple(sorted(set(given) - known))
    rows = tuple(SplitRow(s, given[s.path]) for s in samples if s.path in given)
    missing = Finding(
        "split-missing", "error", f"{len(absent)} images of {split_file} are not (readable) in the folder",
        "name the folder that the split was made for", absent,
    )  # fmt: skip
    return rows, str(split_file), [missing] if absent else []


@dataclass(frozen=True)
class _Facts:
    layout: Layout
    inspections: Sequence[Inspection]
    samples: Sequence[Sample]
    rows: Sequence[SplitRow]
    split: str
    looked: str
    doubted: LabelCheck | None = None
    learning: Learning | None = None

    @property
    def root(self) -> Path:
        return self.layout.root

    @property
    def labels(self) -> tuple[str, ...]:
        return self.layout.motifs


def _report(facts: _Facts, grouping: Grouping, findings: list[Finding]) -> CheckReport:
    samples, rows = facts.samples, facts.rows
    groups = _image_groups(samples, rows)
    cloths = _image_groups(by_cloth(samples), rows) if facts.looked else ()
    copies = {sample.path: sample.group for sample in samples}
    cloths = tuple(cloth for cloth in cloths if len({copies[path] for path in cloth.paths}) > 1)
    leaks = find_leaks(rows)
    leaks += find_cloth_leaks(rows, leaks) if facts.looked else ()
    images = Counter(dict.fromkeys(facts.labels, 0))
    images.update(sample.label for sample in samples)
    findings += class_findings(images, groups_per_class(samples))
    findings += _group_findings(groups, grouping.group_by)
    findings += _cloth_findings(cloths, samples, facts.looked)
    findings += _doubt_findings(facts.doubted)
    known = [item.circumstances for item in facts.inspections]
    findings += circumstance_findings(known, [s.label for s in samples], [s.cloth or s.group for s in samples])
    if leaks:
        advice = "its test figure is not to be trusted: move what belongs together to one side, or split again"
        listed = tuple(f"{leak.path} = {leak.copies[0]}" for leak in leaks)
        message = f"the split leaks: {describe_leaks(leaks, rows)}"
        findings.append(Finding("split-leak", "leak", message, advice, listed))
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    together = Counter(sample.cloth for sample in samples).values()
    expected = 0.0 if facts.split else sum(0.1 * n * (1 - 0.3 ** (n - 1)) for n in together)
    return CheckReport(
        root=shown(str(facts.root)),
        understood=(facts.layout.summary, *facts.layout.notes),
        images=len(facts.inspections),
        classes=_class_facts(facts.labels, facts.inspections, samples),
        modes=dict(Counter(item.mode for item in facts.inspections).most_common()),
        findings=tuple(findings),
        groups=groups,
        cloths=cloths,
        looked=facts.looked,
        split=facts.split,
        leaks=leaks,
        expected_leaks=round(expected, 2),
        doubted=facts.doubted,
        learning=facts.learning,
        verdict=_verdict(facts, findings, groups, cloths, leaks, expected),
    )


def _image_groups(samples: Sequence[Sample], rows: Sequence[SplitRow]) -> tuple[ImageGroup, ...]:
    split_of = {row.sample.path: row.split for row in rows}
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        members[sample.group].append(sample)
    return tuple(
        ImageGroup(
            paths=tuple(s.path for s in group),
            labels=tuple(sorted({s.label for s in group})),
            exact=len({s.sha256 for s in group}) == 1,
            splits=tuple(sorted({split_of[s.path] for s in group if s.path in split_of})),
        )
        for group in members.values()
        if len(group) > 1
    )


def _cloth_findings(cloths: Sequence[ImageGroup], samples: Sequence[Sample], looked: str) -> Iterator[Finding]:
    if cloths:
        count = sum(len(cloth.paths) for cloth in cloths)
        yield Finding(
            "same-cloth", "leak", f"{count} images show {len(cloths)} cloth(s) several times (seen by {looked})",
            "split by cloths (batikkit train and data split do); where that is wrong, --group-by or --unit copy",
            tuple(cloth.line for cloth in cloths),
        )  # fmt: skip
    groups, shown = groups_per_class(samples), groups_per_class(by_cloth(samples))
    few = tuple(f"{label}: {n}" for label, n in sorted(shown.items()) if n < min(len(SPLITS), groups[label]))
    if few:
        yield Finding(
            "too-few-cloths", "warning", f"{len(few)} class(es) show fewer than {len(SPLITS)} cloths",
            "photograph others: no split of these can test on a cloth that training has not seen", few,
        )  # fmt: skip


def _group_findings(groups: Sequence[ImageGroup], group_by: str | None) -> list[Finding]:
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


def _doubt_findings(doubted: LabelCheck | None) -> Iterator[Finding]:
    if doubted and doubted.doubts:
        listed = tuple(f"{one.path}: looks like {one.suggested}" for one in doubted.doubts)
        message = f"{len(listed)} label(s) are contradicted by the other photographs (seen by {doubted.described}; of "
        message += f"wrong labels planted on trial this finds {doubted.planted_found:.0%})"
        yield Finding("doubtful-labels", "warning", message, "look at each (--html shows them beside others)", listed)


def _layout_findings(layout: Layout, tree: Tree) -> Iterator[Finding]:
    for kind, cure, counts in unread(layout.root, layout.motif_of):
        each = tuple(f"{motif}: {count}" for motif, count in sorted(counts.items()))
        yield Finding("unread-kind", "error", f"{sum(counts.values())} {kind} photographs cannot be read", cure, each)
    if layout.empty:
        yield Finding(
            "unused-folder", "error", f"{len(layout.empty)} folder(s) hold no photograph",
            "add photographs or remove them: training refuses a motif without any", tuple(map(shown, layout.empty)),
        )  # fmt: skip
    for left in layout.left_out:
        inside = "" if left.place == "." else f"{left.place}/"
        rest = (path for path in tree.images if path.startswith(inside) and path not in layout.motif_of)
        paths = tuple(shown(path) for path in rest if inside or "/" not in path)
        advice = "nothing, or move them into a motif's folder"
        yield Finding("loose", "warning", left.line, advice, paths)
    if tree.others:
        kinds = ", ".join(f"{kind} {count}" for kind, count in list(tree.other_kinds.items())[:_KINDS])
        yield Finding(
            "other-files", "info", f"{len(tree.others)} file(s) are no photographs: {shown(kinds)}", "nothing"
        )


def _untrained(layout: Layout, rows: Sequence[SplitRow]) -> Iterator[Finding]:
    trained = {row.sample.label for row in rows if row.split == "train"}
    absent = tuple(motif for motif in layout.motifs if motif not in trained)
    if rows and absent:
        yield Finding(
            "untrained", "error", f"{len(absent)} motif(s) have no training image", "put some into the train part, or "
            "remove the motif: training refuses it", absent,
        )  # fmt: skip


def _class_facts(
    labels: Sequence[str], inspections: Sequence[Inspection], samples: Sequence[Sample]
) -> tuple[ClassFacts, ...]:
    groups, cloths = groups_per_class(samples), groups_per_class(by_cloth(samples))
    members: dict[str, list[Inspection]] = defaultdict(list)
    for item, sample in zip(inspections, samples, strict=True):
        members[sample.label].append(item)
    facts = []
    for label in labels:
        sides = sorted(min(i.width, i.height) for i in members[label])
        formats = dict(Counter(i.format for i in members[label]).most_common())
        middle = sides[len(sides) // 2] if sides else 0
        counts = len(sides), groups.get(label, 0), cloths.get(label, 0)
        facts.append(ClassFacts(label, *counts, min(sides, default=0), middle, formats))
    return tuple(facts)


def _verdict(
    facts: _Facts,
    findings: Sequence[Finding],
    groups: Sequence[ImageGroup],
    cloths: Sequence[ImageGroup],
    leaks: Sequence[Leak],
    expected: float,
) -> tuple[str, ...]:
    lines = [f"{f.message}: {f.advice}" for f in findings if f.severity == "error"]
    if facts.split:
        what = "copy, nor its cloth," if facts.looked else "copy"
        lines.append(
            f"{len(leaks)} file(s) leak in {facts.split}: do not trust its test figure"
            if leaks
            else f"no leak in {facts.split}: no image has a {what} in another part"
        )
    elif groups or cloths:
        copies, shown = (sum(len(group.paths) for group in some) for some in (groups, cloths))
        found = [f"{copies} images are copies"] if copies else []
        found += [f"{shown} images show {len(cloths)} cloth(s) several times"] if shown else []
        told = f"of its test images about {max(expected, 0.1):.1f} would show what training saw"
        cure = f"'batikkit data split {facts.root}' keeps together what belongs together"
        lines.append(f"a random split would leak: {' and '.join(found)}, {told}; {cure}")
    else:
        lines.append("no copies found: any split of these files is as honest as the photographs are independent")
    return tuple(lines)
