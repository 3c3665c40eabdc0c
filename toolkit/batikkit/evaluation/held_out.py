"""Which photographs a model may be tested on: none that it was trained or chosen with, no copy of one, no cloth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.console import Advance
from batikkit.data.cloth_look import PlainTexture, Texture
from batikkit.data.dataset import Sample
from batikkit.data.duplicates import find_copies
from batikkit.data.fingerprint_cache import cache_file, read_cache
from batikkit.data.folder_names import folded
from batikkit.data.grouping import (
    CLOTH,
    InspectedSet,
    by_cloth,
    cloths_shown,
    group_samples,
    inspect_set,
    unnamed,
)
from batikkit.data.inspection import Inspection, inspect_all
from batikkit.data.label_table import path_difference
from batikkit.data.layout import motifs_known, read_layout, refuse_empty, refuse_unread_kinds
from batikkit.data.prepared import Grouping
from batikkit.data.split import SPLITS, SplitRow, read_split
from batikkit.data.tree import read_tree
from batikkit.errors import InputError

SEEN = ("train", "validation")


@dataclass(frozen=True)
class Knowledge:
    """What a model has seen.

    Attributes:
        rows: Its run's split; empty when that is not known.
        root: Where the run's photographs lay.
        caution: What the run says of its own test images.
    """

    rows: tuple[SplitRow, ...] = ()
    root: Path | None = None
    caution: str = ""


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
    grouping: Grouping | None = None,
    advance: Advance | None = None,
) -> HeldOut:
    """Chooses the photographs of `root` on which a model may be judged.

    Args:
        root: Folder with one subfolder per motif, or with train, validation and test folders that hold those.
        labels: The model's motifs.
        knowledge: What the model has seen.
        part: `test`; or `train` or `validation`, to look at what was learned instead.
        split_file: Take only this file's images of `part`.
        grouping: What shows one cloth. New photographs of cloths that the model knows are left out, or, where the unit
            is the copy, counted.
        advance: Called with (done, total) while reading.

    Raises:
        InputError: a folder is no motif of the model, or nothing is left to test on.
    """
    if not root.is_dir():
        raise InputError(f"no such folder: {root}; name the photographs with --data DIR")
    # All files of the folder, not only those to test on: the cache holds what was inspected last.
    motifs, chosen, notes = _listed(root, labels, part, split_file, knowledge)
    paths, grouping = sorted(motifs), grouping or Grouping()
    looking = bool(unnamed(paths, grouping.group_by))
    inspected = inspect_set(
        root, paths, label_of=motifs.__getitem__ if looking else None, texture=grouping.texture, advance=advance
    )
    notes += [f"skipped {item.path}: {item.reason}" for item in inspected.skipped if item.path in chosen]
    place = {item.path: index for index, item in enumerate(inspected.inspections)}
    inspections = tuple(item for item in inspected.inspections if item.path in chosen)
    samples = tuple(Sample(item.path, chosen[item.path], item.sha256, item.sha256[:16]) for item in inspections)
    _refuse_unreadable_motif(root, chosen, samples)
    if samples:
        recorded = {row.sample.sha256: row.sample.group for row in knowledge.rows}
        # What the run knew to depend on each other stays together, though nothing here would show it.
        given = {sample.path: recorded.get(sample.sha256, sample.group) for sample in samples}
        some = [place[sample.path] for sample in samples]
        copies, cloths = inspected.copies[some], inspected.cloths[some]
        # Of the run's own images its groups are known; pictures tell on which of the new ones others depend.
        own = np.array([sample.sha256 in recorded for sample in samples])
        cloths = np.where(own, -1 - np.arange(len(samples)), cloths)
        samples = group_samples(samples, copies, cloths=cloths, group_by=grouping.group_by, given=given)
        samples = by_cloth(samples) if grouping.unit == CLOTH else samples
    same = knowledge.root is not None and root.resolve() == knowledge.root.resolve()
    relatives = _relatives(inspections, motifs, knowledge, grouping, inspected if same else None)
    samples, told = _unseen(samples, inspections, knowledge, part, relatives, grouping.unit)
    if not samples:
        raise InputError(f"no photographs of {root} are left for a {part} figure ({'; '.join(told) or 'none found'})")
    untested = sorted(set(labels) - {sample.label for sample in samples})
    if untested:
        told.append(f"no images of {', '.join(untested)}: their accuracy is not known")
    return HeldOut(root, samples, (*notes, *told))


def _refuse_unreadable_motif(root: Path, chosen: Mapping[str, str], samples: Sequence[Sample]) -> None:
    gone = sorted(set(chosen.values()) - {sample.label for sample in samples})
    if gone:
        raise InputError(f"no photograph of {gone[0]!r} in {root} can be read: replace them, or remove the folder")


def _listed(
    root: Path, labels: Sequence[str], part: str, split_file: Path | None, knowledge: Knowledge
) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Path -> motif of all images, the same of those to look at, and what to tell."""
    own = knowledge.root and knowledge.rows and root.resolve() == knowledge.root.resolve()
    rows = read_split(split_file) if split_file is not None else knowledge.rows if own else ()
    if rows:
        source = str(split_file) if split_file is not None else "the run's split"
        present = read_tree(root).images
        if not {row.sample.path for row in rows} & set(present):
            raise InputError(path_difference(source, [row.sample.path for row in rows], present, root))
        everything = {path: path.split("/")[0] for path in present if "/" in path}
        chosen = _of_part(rows, labels, part, source)
        refuse_unread_kinds(root, chosen)
        return everything | {row.sample.path: row.sample.label for row in rows} | chosen, chosen, []
    layout = motifs_known(root, read_layout(root), labels)
    refuse_empty(layout)
    refuse_unread_kinds(root, layout.motif_of)
    if layout.split_of and part not in layout.split_of.values():
        raise InputError(f"{root} has {layout.split_source}, none of them for {part}: choose another --part")
    chosen = {path: motif for path, motif in layout.motif_of.items() if layout.split_of.get(path, part) == part}
    return layout.motif_of, chosen, list(layout.told)


def _of_part(rows: Sequence[SplitRow], labels: Sequence[str], part: str, source: str) -> dict[str, str]:
    known = {folded(label): label for label in labels}
    strangers = sorted({row.sample.label for row in rows if folded(row.sample.label) not in known})
    if strangers:
        raise InputError(f"{source} names {strangers[0]!r}, which is no motif of this model ({', '.join(labels)})")
    return {row.sample.path: known[folded(row.sample.label)] for row in rows if row.split == part}


def _unseen(
    samples: tuple[Sample, ...],
    inspections: Sequence[Inspection],
    knowledge: Knowledge,
    part: str,
    relatives: _Relatives,
    unit: str,
) -> tuple[tuple[Sample, ...], list[str]]:
    """Leaves out what does not belong into a figure of `part`; returns the rest and what to tell of it."""
    if not knowledge.rows:
        return samples, ["it is not known what this model was trained on: images of its training would flatter it"]
    # Of equal files in several splits the one that was learned from decides.
    ordered = sorted(knowledge.rows, key=lambda row: SPLITS.index(row.split), reverse=True)
    split_of = {row.sample.sha256: row.split for row in ordered}
    if part != "test":
        told = f"these are {part} images: their figure says what was learned, not how well the model will do"
        return tuple(sample for sample in samples if split_of.get(sample.sha256) == part), [told]
    reasons = _reasons(inspections, split_of, relatives, unit)
    kept = tuple(sample for sample in samples if sample.path not in reasons)
    told_all = [f"left out {count} {reason}" for reason, count in sorted(Counter(reasons.values()).items())]
    new = sum(sample.sha256 not in split_of for sample in kept)
    if kept and new:
        told_all.append(f"{len(kept) - new} images are of the run's own test split, {new} are new to it")
    if knowledge.caution and len(kept) > new:
        told_all.append(knowledge.caution)
    again = sum(sample.path in relatives.cloths and sample.sha256 not in split_of for sample in kept)
    if again:
        told_all.append(f"cloths were seen in training: {again} of {len(kept)} images show one, new photographs of it")
    if knowledge.root is not None and not knowledge.root.is_dir():
        gone = f"the run's photographs are no longer at {knowledge.root}"
        told_all.append(f"{gone}: only identical files were recognised as seen, no copies of them and no cloths")
    return kept, told_all


def _reasons(
    inspections: Sequence[Inspection], split_of: Mapping[str, str], relatives: _Relatives, unit: str
) -> dict[str, str]:
    """Path -> why an image may not be tested on."""
    reasons = {}
    for item in inspections:
        if split_of.get(item.sha256) in SEEN:
            reasons[item.path] = f"of its {split_of[item.sha256]} images"
        elif item.path in relatives.copies:
            own = split_of.get(item.sha256) == "test"
            reasons[item.path] = (
                "of its own test images that are copies of what it was trained or chosen with: its split leaks"
                if own
                else "copies of its training or validation images, saved again, turned or cropped"
            )
        elif unit == CLOTH and item.path in relatives.cloths and item.sha256 not in split_of:
            reasons[item.path] = "new photographs of cloths that it was trained or chosen with (--unit copy keeps them)"
    return reasons


@dataclass(frozen=True)
class _Relatives:
    """Paths of images that are copies, or show a cloth, of what the model was trained or chosen with."""

    copies: frozenset[str] = frozenset()
    cloths: frozenset[str] = frozenset()


def _relatives(
    inspections: Sequence[Inspection],
    motifs: Mapping[str, str],
    knowledge: Knowledge,
    grouping: Grouping,
    inspected: InspectedSet | None,
) -> _Relatives:
    """`inspected` is the run's own folder, where it was looked through a moment ago."""
    seen_rows = {row.sample.path: row.sample.label for row in knowledge.rows if row.split in SEEN}
    if not seen_rows:
        return _Relatives()
    if inspected and seen_rows.keys() <= {item.path for item in inspected.inspections}:
        everything, copies, shown = inspected.inspections, inspected.copies, inspected.cloths
        labels = [motifs[item.path] for item in everything]
        first = [item.path in seen_rows for item in everything]
    else:
        texture = grouping.texture or PlainTexture()
        looking = unnamed([*seen_rows, *(item.path for item in inspections)], grouping.group_by)
        seen = _seen(inspections, knowledge, texture if looking else None)
        everything = (*seen, *inspections)
        copies = find_copies([item.look for item in everything], [item.sha256 for item in everything])
        labels = [*(seen_rows.get(i.path) or motifs[i.path] for i in seen), *(motifs[i.path] for i in inspections)]
        shown = cloths_shown(everything, labels, copies, texture)
        first = [index < len(seen) for index in range(len(everything))]
    cloths = _named_cloths(everything, labels, copies, shown, grouping.group_by)
    return _Relatives(*(_related(everything, first, groups) for groups in (copies, cloths)))


def _named_cloths(
    everything: Sequence[Inspection],
    labels: Sequence[str],
    copies: NDArray[np.int64],
    shown: NDArray[np.int64],
    group_by: str | None,
) -> NDArray[np.int64]:
    """int64 [N], equal for images of one cloth, of which names tell as far as they match, else what pictures show."""
    if group_by is None:
        return shown
    pairs = zip(everything, labels, strict=True)
    samples = [Sample(item.path, label, item.sha256, item.sha256[:16]) for item, label in pairs]
    named = [sample.cloth for sample in group_samples(samples, copies, cloths=shown, group_by=group_by)]
    return np.unique(named, return_inverse=True)[1].astype(np.int64)


def _related(everything: Sequence[Inspection], seen: Sequence[bool], groups: NDArray[np.int64]) -> frozenset[str]:
    """Paths of the unseen images whose group holds a seen one."""
    known = {int(group) for group, here in zip(groups, seen, strict=True) if here}
    pairs = zip(everything, groups, seen, strict=True)
    return frozenset(item.path for item, group, here in pairs if not here and int(group) in known)


def _seen(inspections: Sequence[Inspection], knowledge: Knowledge, texture: Texture | None) -> list[Inspection]:
    """The model's training and validation images, as far as they still exist."""
    digests = {row.sample.sha256 for row in knowledge.rows if row.split in SEEN}
    here = [inspection for inspection in inspections if inspection.sha256 in digests]
    if knowledge.root is None or not knowledge.root.is_dir():
        return here
    paths = [row.sample.path for row in knowledge.rows if row.split in SEEN]
    stored = read_cache(cache_file(knowledge.root))
    known = stored.described_by(texture.name) if texture else stored.known
    found = inspect_all(knowledge.root, paths, known=known, texture=texture)
    return [item for item in found if isinstance(item, Inspection)]
