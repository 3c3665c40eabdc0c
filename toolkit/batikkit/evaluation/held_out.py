"""Which photographs a model may be tested on: none that it was trained or chosen with, and no copy of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batikkit.console import Advance
from batikkit.data.dataset import Sample, image_files, split_folders
from batikkit.data.duplicates import find_copies
from batikkit.data.fingerprint_cache import cache_file, read_cache
from batikkit.data.grouping import examine, group_samples
from batikkit.data.inspection import Inspection, inspect_all
from batikkit.data.photographs import find_photographs
from batikkit.data.split import SPLITS, SplitRow, read_split
from batikkit.errors import InputError

SEEN = ("train", "validation")


@dataclass(frozen=True)
class Knowledge:
    """What a model has seen.

    Attributes:
        rows: Its run's split; empty when that is not known.
        root: Where the run's photographs lay.
    """

    rows: tuple[SplitRow, ...] = ()
    root: Path | None = None


@dataclass(frozen=True)
class HeldOut:
    """Photographs to evaluate on.

    Attributes:
        root: Their folder.
        samples: In order, with the group each belongs to.
        notes: What was left out and why, one line each.
    """

    root: Path
    samples: tuple[Sample, ...]
    notes: tuple[str, ...]


def hold_out(
    root: Path,
    labels: Sequence[str],
    knowledge: Knowledge,
    *,
    part: str = "test",
    split_file: Path | None = None,
    group_by: str | None = None,
    advance: Advance | None = None,
) -> HeldOut:
    """Chooses the photographs of `root` on which a model may be judged.

    Args:
        root: Folder with one subfolder per motif, or with train, validation and test folders that hold those.
        labels: The model's motifs.
        knowledge: What the model has seen.
        part: `test`; or `train` or `validation`, to look at what was learned instead.
        split_file: Take only this file's images of `part`.
        group_by: Regular expression; images of one class whose paths match alike depend on each other.
        advance: Called with (done, total) while reading.

    Raises:
        InputError: a folder is no motif of the model, or nothing is left to test on.
    """
    chosen = _listed(root, labels, part, split_file, knowledge)
    # All files of the folder, not only these: the cache holds what was examined last.
    examined = examine(root, sorted({*image_files(root), *chosen}), advance=advance)
    notes = [f"skipped {item.path}: {item.reason}" for item in examined.skipped if item.path in chosen]
    copies = {i.path: int(first) for i, first in zip(examined.inspections, examined.copies, strict=True)}
    inspections = tuple(item for item in examined.inspections if item.path in chosen)
    samples = tuple(Sample(item.path, chosen[item.path], item.sha256, item.sha256[:16]) for item in inspections)
    if samples:
        recorded = {row.sample.sha256: row.sample.group for row in knowledge.rows}
        # What the run knew to depend on each other stays together, though nothing here would show it.
        given = {sample.path: recorded.get(sample.sha256, sample.group) for sample in samples}
        first = [copies[sample.path] for sample in samples]
        samples = group_samples(samples, first, group_by=group_by, given=given)
    same = knowledge.root is not None and root.resolve() == knowledge.root.resolve()
    samples, told = _unseen(samples, inspections, knowledge, part, copies if same else None)
    if not samples:
        raise InputError(f"no photographs of {root} are left for a {part} figure ({'; '.join(told) or 'none found'})")
    untested = sorted(set(labels) - {sample.label for sample in samples})
    if untested:
        told.append(f"no images of {', '.join(untested)}: their accuracy is not known")
    return HeldOut(root, samples, (*notes, *told))


def _listed(
    root: Path, labels: Sequence[str], part: str, split_file: Path | None, knowledge: Knowledge
) -> dict[str, str]:
    """Path -> motif of the images to look at."""
    if not root.is_dir():
        raise InputError(f"no such folder: {root}; name the photographs with --data DIR")
    if split_file is not None:
        return _of_part(read_split(split_file), labels, part, str(split_file))
    if knowledge.root and knowledge.rows and root.resolve() == knowledge.root.resolve():
        return _of_part(knowledge.rows, labels, part, "the run's split")
    tops = split_folders(image_files(root))
    folders = [root / top for top, split in tops.items() if split == part] if tops else [root]
    if not folders:
        raise InputError(f"{root} holds the folders {', '.join(tops)}, none of them for {part}: choose another --part")
    found: dict[str, str] = {}
    for folder in folders:
        photographs = find_photographs(folder, labels)
        inside = folder.relative_to(root).as_posix()
        for name in photographs.names:
            found[name if inside == "." else f"{inside}/{name}"] = name.split("/")[0]
    return found


def _of_part(rows: Sequence[SplitRow], labels: Sequence[str], part: str, source: str) -> dict[str, str]:
    chosen = {row.sample.path: row.sample.label for row in rows if row.split == part}
    strangers = sorted(set(chosen.values()) - set(labels))
    if strangers:
        raise InputError(f"{source} names {strangers[0]!r}, which is no motif of this model ({', '.join(labels)})")
    return chosen


def _unseen(
    samples: tuple[Sample, ...],
    inspections: Sequence[Inspection],
    knowledge: Knowledge,
    part: str,
    copies: Mapping[str, int] | None,
) -> tuple[tuple[Sample, ...], list[str]]:
    """Leaves out what does not belong into a figure of `part`; returns the rest and what to tell of it.

    `copies` is path -> group of copies, where the run's own folder was searched for them a moment ago.
    """
    if not knowledge.rows:
        return samples, ["it is not known what this model was trained on: images of its training would flatter it"]
    # Of equal files in several splits the one that was learned from decides.
    ordered = sorted(knowledge.rows, key=lambda row: SPLITS.index(row.split), reverse=True)
    split_of = {row.sample.sha256: row.split for row in ordered}
    if part != "test":
        told = f"these are {part} images: their figure says what was learned, not how well the model will do"
        return tuple(sample for sample in samples if split_of.get(sample.sha256) == part), [told]
    taken = _copies_of_seen(inspections, knowledge, copies)
    reasons = _reasons(inspections, split_of, taken)
    kept = tuple(sample for sample in samples if sample.path not in reasons)
    told_all = [f"left out {count} {reason}" for reason, count in sorted(Counter(reasons.values()).items())]
    new = sum(sample.sha256 not in split_of for sample in kept)
    if kept and new:
        told_all.append(f"{len(kept) - new} images are of the run's own test split, {new} are new to it")
    if knowledge.root is not None and not knowledge.root.is_dir():
        gone = f"the run's photographs are no longer at {knowledge.root}"
        told_all.append(f"{gone}: only identical files were recognised as seen, not copies of them")
    return kept, told_all


def _reasons(inspections: Sequence[Inspection], split_of: Mapping[str, str], taken: frozenset[str]) -> dict[str, str]:
    """Path -> why an image may not be tested on."""
    reasons = {}
    for item in inspections:
        if split_of.get(item.sha256) in SEEN:
            reasons[item.path] = f"of its {split_of[item.sha256]} images"
        elif item.path in taken:
            own = split_of.get(item.sha256) == "test"
            reasons[item.path] = (
                "of its own test images that are copies of what it was trained or chosen with: its split leaks"
                if own
                else "copies of its training or validation images, saved again, turned or cropped"
            )
    return reasons


def _copies_of_seen(
    inspections: Sequence[Inspection], knowledge: Knowledge, copies: Mapping[str, int] | None
) -> frozenset[str]:
    """Paths of the images that are copies of what the model was trained or chosen with."""
    paths = [row.sample.path for row in knowledge.rows if row.split in SEEN]
    if copies is not None and all(path in copies for path in paths):
        groups = {copies[path] for path in paths}
        return frozenset(item.path for item in inspections if copies[item.path] in groups)
    seen = _seen(inspections, knowledge)
    together = [*seen, *inspections]
    found = find_copies([item.look for item in together], [item.sha256 for item in together])
    # The smallest index stands for its group, and what was seen comes first.
    pairs = zip(inspections, found[len(seen) :], strict=True)
    return frozenset(item.path for item, first in pairs if first < len(seen))


def _seen(inspections: Sequence[Inspection], knowledge: Knowledge) -> list[Inspection]:
    """The model's training and validation images, as far as they still exist."""
    digests = {row.sample.sha256 for row in knowledge.rows if row.split in SEEN}
    here = [inspection for inspection in inspections if inspection.sha256 in digests]
    if knowledge.root is None or not knowledge.root.is_dir():
        return here
    paths = [row.sample.path for row in knowledge.rows if row.split in SEEN]
    known = read_cache(cache_file(knowledge.root)).known
    found = inspect_all(knowledge.root, paths, known=known)
    return [item for item in found if isinstance(item, Inspection)]
