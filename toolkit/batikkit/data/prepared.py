"""Photographs ready to train on: read, grouped so that cloths and copies stay together, split, checked for leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from batikkit.console import Advance
from batikkit.data.cloth_look import Texture
from batikkit.data.dataset import (
    Dataset,
    Sample,
    check_class_counts,
    dataset_of,
    refuse_unreadable,
    usable_layout,
)
from batikkit.data.folder_names import motif_of_each, twins
from batikkit.data.grouping import (
    CLOTH,
    COPY,
    UNITS,
    InspectedSet,
    by_cloth,
    conflicting_labels,
    group_samples,
    groups_per_class,
    inspect_set,
    unnamed,
)
from batikkit.data.label_table import path_difference
from batikkit.data.layout import refuse_unread_kinds
from batikkit.data.leaks import Leak, describe_leaks, find_cloth_leaks, find_leaks, seen_cloths
from batikkit.data.split import SPLITS, SplitRow, assign_splits, of_split, read_split
from batikkit.data.tree import read_tree
from batikkit.errors import InputError, VerificationError

_NAMED = 5
"""Files of one kind that notes name before they only count."""


@dataclass(frozen=True)
class Grouping:
    """What keeps photographs together.

    Attributes:
        unit: `cloth`, which falls back to copies where a class has too few cloths; or `copy`.
        group_by: Regular expression on the relative path; images of one class with equal captured parts are one cloth,
            and pictures are asked only of those that do not match.
        texture: Describes cloths; plain statistics if None.
        parts: How many parts a class is dealt to: the least number of cloths it needs.
    """

    unit: str = CLOTH
    group_by: str | None = None
    texture: Texture | None = None
    parts: int = len(SPLITS)


@dataclass(frozen=True)
class PreparedData:
    """A data set whose samples know their group, and where each of them belongs.

    Attributes:
        dataset: The readable images; `Sample.group` never crosses splits that batikkit made.
        rows: The split, one row per sample, in the samples' order.
        notes: Warnings for people, one line each: skipped images, leaks, classes too small to judge.
        leaks: Images of a split made elsewhere that are copies, or of the cloth, of an earlier split's.
        unit: What groups are: `cloth` or `copy`.
        caution: What everything written of this split's test must say; empty when test cloths are new to training.
    """

    dataset: Dataset
    rows: tuple[SplitRow, ...]
    notes: tuple[str, ...]
    leaks: tuple[Leak, ...] = ()
    unit: str = CLOTH
    caution: str = ""

    def notes_on(self, *splits: Sequence[SplitRow]) -> tuple[str, ...]:
        """The notes where other splits, such as folds, are made of these samples: with the caution of those."""
        caution = seen_cloths(*splits)
        others = tuple(note for note in self.notes if note != self.caution)
        return (caution, *others) if caution else others


@dataclass(frozen=True)
class _Source:
    """What a call of `load_dataset` asks for, but for the folder."""

    grouping: Grouping
    strict: bool
    ratios: Sequence[float]
    seed: int
    cache: bool
    advance: Advance | None


def load_dataset(
    root: Path,
    *,
    grouping: Grouping | None = None,
    strict: bool = False,
    split_file: Path | None = None,
    ratios: Sequence[float] = (0.7, 0.2, 0.1),
    seed: int = 0,
    cache: bool = True,
    advance: Advance | None = None,
) -> PreparedData:
    """Reads a folder of photographs and splits it so that no cloth, nor any copy, of training is tested on.

    A split that exists already (`split_file`, or train, validation and test folders on disk) is kept as it is and
    checked; a part that it lacks is taken from its training images, whole groups at a time.

    Args:
        root: Folder with one subfolder per motif, or with train, validation and test folders that hold those.
        grouping: What keeps photographs together.
        strict: Refuse unreadable images and leaks instead of telling about them.
        split_file: A `split.csv` to use; its labels win over folder names.
        ratios: Fractions of train, validation and test.
        seed: Another seed gives another split.
        cache: Keep fingerprints between runs.
        advance: Called with (done, total) while reading and comparing.

    Raises:
        InputError: the folder, the split file or the expression cannot be used.
        VerificationError: under `strict`, the given split leaks.
    """
    asked = _Source(grouping or Grouping(), strict, ratios, seed, cache, advance)
    if asked.grouping.unit not in UNITS:
        raise InputError(f"--unit {asked.grouping.unit!r}: choose {' or '.join(UNITS)}")
    if split_file is not None:
        return _with_split_file(root, split_file, asked)
    layout = usable_layout(root)
    inspected = _inspect_set(root, list(layout.motif_of), layout.motif_of.__getitem__, asked)
    dataset = dataset_of(layout, inspected.inspections, inspected.skipped, strict=strict)
    copies = _grouped(dataset.samples, inspected, asked.grouping)
    if layout.split_of:
        notes = [*layout.told, f"kept the split of the {layout.split_source}"]
        return _checked(dataset, copies, layout.split_of, notes, asked)
    samples, unit, told = _by_unit(copies, inspected, asked.grouping)
    dataset = replace(dataset, samples=samples)
    rows = assign_splits(samples, ratios=ratios, seed=seed)
    told += _unnamed_note(inspected, asked.grouping)
    return _prepared(dataset, rows, [*told, *layout.told, *_notes(dataset, unit, copies)], unit)


def _inspect_set(root: Path, paths: Sequence[str], label_of: Callable[[str], str], asked: _Source) -> InspectedSet:
    wanted = label_of if unnamed(paths, asked.grouping.group_by) else None
    texture = asked.grouping.texture
    return inspect_set(root, paths, label_of=wanted, texture=texture, cache=asked.cache, advance=asked.advance)


def _by_unit(
    samples: tuple[Sample, ...], inspected: InspectedSet, grouping: Grouping
) -> tuple[tuple[Sample, ...], str, list[str]]:
    """The samples in the groups to be dealt, what these are, and what to tell when they are not what was asked for."""
    if grouping.unit == COPY:
        return samples, COPY, []
    cloths = by_cloth(samples)
    # Names tell cloths, not copies: what is left without them is as it was photographed.
    alone = _grouped(samples, inspected, replace(grouping, group_by=None))
    copies = tuple(replace(sample, group=copy.group) for sample, copy in zip(samples, alone, strict=True))
    counts, more = groups_per_class(cloths), groups_per_class(copies)
    few = [label for label, count in sorted(counts.items()) if count < min(grouping.parts, more[label])]
    if not few:
        return cloths, CLOTH, []
    named = ", ".join(f"{label!r} shows {counts[label]}" for label in few[:_NAMED])
    others = f" and {len(few) - _NAMED} more classes" if len(few) > _NAMED else ""
    told = f"TOO FEW CLOTHS to test on new ones: {named}{others}, {grouping.parts} are needed. Copies alone are kept "
    told += "apart, and every figure says so; photograph other cloths, or correct the cloths with --group-by"
    return copies, COPY, [told]


def _with_split_file(root: Path, split_file: Path, asked: _Source) -> PreparedData:
    if not root.is_dir():
        raise InputError(f"no such folder: {root}; name the folder that {split_file} speaks of")
    given, notes = _one_spelling(read_split(split_file))
    present = read_tree(root).images
    if not given.keys() & set(present):
        raise InputError(path_difference(str(split_file), given, present, root))
    refuse_unread_kinds(root, {path: row.sample.label for path, row in given.items()})
    inspected = _inspect_set(root, sorted(given), lambda path: given[path].sample.label, asked)
    refuse_unreadable(root, inspected.skipped, strict=asked.strict)
    samples = tuple(replace(given[i.path].sample, sha256=i.sha256) for i in inspected.inspections)
    labels = check_class_counts(samples, {row.sample.label for row in given.values()}, root)
    changed = sum(given[s.path].sample.sha256 not in ("", s.sha256) for s in samples)
    copies = _grouped(samples, inspected, asked.grouping, {path: row.sample.group for path, row in given.items()})
    dataset = Dataset(root, labels, copies, inspected.skipped)
    notes += [f"{changed} of {len(samples)} files have changed since {split_file} was made"] if changed else []
    notes += _unnamed_note(inspected, asked.grouping)
    unused = len(set(present) - set(given))
    notes += [f"{unused} images of {root} are not in {split_file} and are left out"] if unused else []
    return _checked(dataset, copies, {path: row.split for path, row in given.items()}, notes, asked)


def _one_spelling(rows: Sequence[SplitRow]) -> tuple[dict[str, SplitRow], list[str]]:
    """Path -> row, with `Kawung` and `kawung` as one motif, and what to tell of that."""
    counts = Counter(row.sample.label for row in rows)
    motif_of = motif_of_each(counts, dict(counts))
    samples = (replace(row.sample, label=motif_of[row.sample.label]) for row in rows)
    return {row.sample.path: replace(row, sample=s) for row, s in zip(rows, samples, strict=True)}, twins(motif_of)


def _unnamed_note(inspected: InspectedSet, grouping: Grouping) -> list[str]:
    paths = [item.path for item in inspected.inspections]
    left = unnamed(paths, grouping.group_by)
    if grouping.group_by is None or not left:
        return []
    return [f"{len(left)} of {len(paths)} images, such as {left[0]}, match nothing: pictures decide on their cloths"]


def _grouped(
    samples: Sequence[Sample], inspected: InspectedSet, grouping: Grouping, given: dict[str, str] | None = None
) -> tuple[Sample, ...]:
    place = {item.path: index for index, item in enumerate(inspected.inspections)}
    chosen = [place[sample.path] for sample in samples]
    return group_samples(
        samples, inspected.copies[chosen], cloths=inspected.cloths[chosen], group_by=grouping.group_by, given=given
    )


def _checked(
    dataset: Dataset, copies: tuple[Sample, ...], split_of: Mapping[str, str], notes: list[str], asked: _Source
) -> PreparedData:
    """Completes a split that was made elsewhere and looks for leaks in it."""
    unit = asked.grouping.unit
    dataset = replace(dataset, samples=by_cloth(copies) if unit == CLOTH else copies)
    rows = tuple(SplitRow(sample, split_of[sample.path]) for sample in dataset.samples)
    rows, missing = complete_split(rows, ratios=asked.ratios, seed=asked.seed)
    notes += [f"the split has no {name} images: took {len(of_split(rows, name))} from train" for name in missing]
    by_copy = _with_samples(rows, copies)
    leaks = find_leaks(by_copy)
    leaks += find_cloth_leaks(by_copy, leaks) if unit == CLOTH else ()
    if leaks and asked.strict:
        raise VerificationError(f"{describe_leaks(leaks, rows)}; move or remove them, or leave out --strict")
    told = f"the split leaks: {describe_leaks(leaks, rows)}; its test figure will be too good" if leaks else ""
    notes += [told or "the split does not leak: no copy of an image is in another part"]
    return _prepared(dataset, rows, [*notes, *_notes(dataset, unit, copies)], unit, leaks)


def _prepared(
    dataset: Dataset,
    rows: tuple[SplitRow, ...],
    notes: Sequence[str],
    unit: str,
    leaks: tuple[Leak, ...] = (),
) -> PreparedData:
    _refuse_untrained(dataset, rows)
    caution = seen_cloths(rows)
    return PreparedData(dataset, rows, (*((caution,) if caution else ()), *notes), leaks, unit, caution)


def _refuse_untrained(dataset: Dataset, rows: Sequence[SplitRow]) -> None:
    """A motif that is tested and never trained would be an output that learns nothing.

    Raises:
        InputError: names the motifs.
    """
    trained = {row.sample.label for row in rows if row.split == "train"}
    absent = [label for label in dataset.labels if label not in trained]
    if absent:
        raise InputError(
            f"no training image of {', '.join(map(repr, absent[:_NAMED]))} among {len(dataset.labels)} motifs of "
            f"{dataset.root}: put some into the train part, or remove the motif"
        )


def _with_samples(rows: Sequence[SplitRow], samples: Sequence[Sample]) -> tuple[SplitRow, ...]:
    return tuple(SplitRow(sample, row.split) for row, sample in zip(rows, samples, strict=True))


def complete_split(
    rows: tuple[SplitRow, ...], *, ratios: Sequence[float], seed: int
) -> tuple[tuple[SplitRow, ...], tuple[str, ...]]:
    """Takes validation or test images from train, by whole groups, when a split has none.

    Returns:
        The rows, and the names of the splits that were missing.

    Raises:
        InputError: there are no training images.
    """
    missing = tuple(split for split in SPLITS if not any(row.split == split for row in rows))
    if "train" in missing:
        raise InputError("the split has no train images: mark some as train")
    if not missing:
        return rows, ()
    parts = [r if name == "train" or name in missing else 0.0 for name, r in zip(SPLITS, ratios, strict=True)]
    dealt = assign_splits(of_split(rows, "train"), ratios=[part / sum(parts) for part in parts], seed=seed)
    moved = {row.sample.path: row for row in dealt}
    return tuple(moved.get(row.sample.path, row) for row in rows), missing


def _notes(dataset: Dataset, unit: str, copies: Sequence[Sample]) -> Iterable[str]:
    for item in dataset.skipped[:_NAMED]:
        yield f"skipped {item.path}: {item.reason}"
    if len(dataset.skipped) > _NAMED:
        yield f"skipped {len(dataset.skipped) - _NAMED} more images: batikkit data check {dataset.root} names them all"
    grouped = [n for n in Counter(s.group for s in dataset.samples).values() if n > 1]
    if grouped:
        what = "one cloth, copies or --group-by" if unit == CLOTH else "copies or --group-by"
        yield f"{sum(grouped)} images are in {len(grouped)} groups ({what}) that stay in one split each"
    mixed = conflicting_labels(copies)
    if mixed:
        files = " and ".join(s.path for s in mixed[0][:2])
        yield f"{len(mixed)} group(s) carry different labels, such as {files}: decide which is right"
    for label, count in sorted(groups_per_class(dataset.samples).items()):
        if count < len(SPLITS):
            what = "1 independent photograph: it is" if count == 1 else "2 independent photographs: it is trained and"
            yield f"class {label!r} has {what} not {'tested' if count == 1 else 'validated'}; add others"
