"""Photographs ready to train on: read, grouped so that copies stay together, split, and checked for leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from batikkit.console import Advance
from batikkit.data.dataset import (
    Dataset,
    Sample,
    check_class_counts,
    dataset_of,
    image_files,
    refuse_unreadable,
    split_folders,
)
from batikkit.data.grouping import Examined, conflicting_labels, examine, group_samples, groups_per_class
from batikkit.data.leaks import Leak, describe_leaks, find_leaks
from batikkit.data.split import SPLITS, SplitRow, assign_splits, of_split, read_split
from batikkit.errors import InputError, VerificationError

_NAMED = 5
"""Files of one kind that notes name before they only count."""


@dataclass(frozen=True)
class PreparedData:
    """A data set whose samples know their group, and where each of them belongs.

    Attributes:
        dataset: The readable images; `Sample.group` never crosses splits that batikkit made.
        rows: The split, one row per sample, in the samples' order.
        notes: Warnings for people, one line each: skipped images, leaks, classes too small to judge.
        leaks: Images of a split made elsewhere that are copies of an earlier split's.
    """

    dataset: Dataset
    rows: tuple[SplitRow, ...]
    notes: tuple[str, ...]
    leaks: tuple[Leak, ...] = ()


def load_dataset(
    root: Path,
    *,
    strict: bool = False,
    group_by: str | None = None,
    split_file: Path | None = None,
    ratios: Sequence[float] = (0.7, 0.2, 0.1),
    seed: int = 0,
    cache: bool = True,
    advance: Advance | None = None,
) -> PreparedData:
    """Reads a folder of photographs and splits it so that no copy of a training image is tested on.

    A split that exists already (`split_file`, or train, validation and test folders on disk) is kept as it is and
    checked; a part that it lacks is taken from its training images, whole groups at a time.

    Args:
        root: Folder with one subfolder per motif, or with train, validation and test folders that hold those.
        strict: Refuse unreadable images and leaks instead of telling about them.
        group_by: Regular expression on the relative path; images of one class with equal captured parts stay
            together, in addition to copies.
        split_file: A `split.csv` to use; its labels win over folder names.
        ratios: Fractions of train, validation and test.
        seed: Another seed gives another split.
        cache: Keep fingerprints between runs.
        advance: Called with (done, total) while reading and comparing.

    Raises:
        InputError: the folder, the split file or the expression cannot be used.
        VerificationError: under `strict`, the given split leaks.
    """
    if split_file is not None:
        return _with_split_file(root, split_file, strict, group_by, ratios, seed, cache, advance)
    paths = list(image_files(root))
    examined = examine(root, paths, cache=cache, advance=advance)
    dataset = dataset_of(root, paths, examined.inspections, examined.skipped, strict=strict)
    dataset = replace(dataset, samples=_grouped(dataset.samples, examined, group_by))
    folders = split_folders(paths)
    if folders:
        rows = tuple(SplitRow(s, folders[s.path.split("/")[0]]) for s in dataset.samples)
        return _checked(dataset, rows, ["kept the split of the folders " + ", ".join(folders)], strict, ratios, seed)
    rows = assign_splits(dataset.samples, ratios=ratios, seed=seed)
    return PreparedData(dataset, rows, tuple(_notes(dataset)))


def _with_split_file(
    root: Path,
    split_file: Path,
    strict: bool,
    group_by: str | None,
    ratios: Sequence[float],
    seed: int,
    cache: bool,
    advance: Advance | None,
) -> PreparedData:
    if not root.is_dir():
        raise InputError(f"no such folder: {root}; name the folder that {split_file} speaks of")
    given = {row.sample.path: row for row in read_split(split_file)}
    examined = examine(root, sorted(given), cache=cache, advance=advance)
    refuse_unreadable(root, examined.skipped, strict=strict)
    samples = tuple(replace(given[i.path].sample, sha256=i.sha256) for i in examined.inspections)
    labels = check_class_counts(samples, {row.sample.label for row in given.values()}, root)
    changed = sum(given[s.path].sample.sha256 not in ("", s.sha256) for s in samples)
    samples = _grouped(samples, examined, group_by, {path: row.sample.group for path, row in given.items()})
    dataset = Dataset(root, labels, samples, examined.skipped)
    rows = tuple(SplitRow(sample, given[sample.path].split) for sample in samples)
    notes = [f"{changed} of {len(samples)} files have changed since {split_file} was made"] if changed else []
    unused = len(set(image_files(root)) - set(given))
    notes += [f"{unused} images of {root} are not in {split_file} and are left out"] if unused else []
    return _checked(dataset, rows, notes, strict, ratios, seed)


def _grouped(
    samples: Sequence[Sample], examined: Examined, group_by: str | None, given: dict[str, str] | None = None
) -> tuple[Sample, ...]:
    copies = {item.path: int(root) for item, root in zip(examined.inspections, examined.copies, strict=True)}
    return group_samples(samples, [copies[s.path] for s in samples], group_by=group_by, given=given)


def _checked(
    dataset: Dataset, rows: tuple[SplitRow, ...], notes: list[str], strict: bool, ratios: Sequence[float], seed: int
) -> PreparedData:
    """Completes a split that was made elsewhere and looks for leaks in it."""
    rows, missing = complete_split(rows, ratios=ratios, seed=seed)
    notes += [f"the split has no {name} images: took {len(of_split(rows, name))} from train" for name in missing]
    leaks = find_leaks(rows)
    if leaks and strict:
        raise VerificationError(f"{describe_leaks(leaks, rows)}; move or remove them, or leave out --strict")
    told = f"the split leaks: {describe_leaks(leaks, rows)}; its test figure will be too good" if leaks else ""
    notes += [told or "the split does not leak: no copy of an image is in another part"]
    return PreparedData(dataset, rows, (*notes, *_notes(dataset)), leaks)


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


def _notes(dataset: Dataset) -> Iterable[str]:
    for item in dataset.skipped[:_NAMED]:
        yield f"skipped {item.path}: {item.reason}"
    if len(dataset.skipped) > _NAMED:
        yield f"skipped {len(dataset.skipped) - _NAMED} more images: batikkit data check {dataset.root} names them all"
    grouped = [n for n in Counter(s.group for s in dataset.samples).values() if n > 1]
    if grouped:
        yield f"{sum(grouped)} images are in {len(grouped)} groups (copies or --group-by) that stay in one split each"
    mixed = conflicting_labels(dataset.samples)
    if mixed:
        files = " and ".join(s.path for s in mixed[0][:2])
        yield f"{len(mixed)} group(s) carry different labels, such as {files}: decide which is right"
    for label, count in sorted(groups_per_class(dataset.samples).items()):
        if count < len(SPLITS):
            what = "1 independent photograph: it is" if count == 1 else "2 independent photographs: it is trained and"
            yield f"class {label!r} has {what} not {'tested' if count == 1 else 'validated'}; add others"
