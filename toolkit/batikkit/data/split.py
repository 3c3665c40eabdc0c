"""Train, validation and test: stratified over groups, so that copies of one cloth never cross; and the file of it.

Chance comes from SHA-256 of (seed, group), not from a generator fed in file order: the same files get the same split on
every machine and file system.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from batikkit import atomic
from batikkit.data.dataset import Sample
from batikkit.data.dealing import deal, deal_evenly, fraction, shuffled, take_arc
from batikkit.digest import file_sha256
from batikkit.errors import InputError

SPLITS = ("train", "validation", "test")
SPLIT_FILE = "split.csv"
_COLUMNS = ("path", "label", "group", "split", "sha256")


@dataclass(frozen=True)
class SplitRow:
    """One line of `split.csv`: a sample and where it belongs."""

    sample: Sample
    split: str


def assign_splits(samples: Sequence[Sample], *, ratios: Sequence[float], seed: int) -> tuple[SplitRow, ...]:
    """Deals whole groups to train, validation and test, class by class, as near to `ratios` as groups allow.

    Large groups have the same chance to be tested as single images. A class with three groups or more gets at least
    one in every split; one with two is trained and tested.

    Args:
        samples: The images; those with equal `group` stay together.
        ratios: Fractions of train, validation and test; a split of fraction 0 stays empty.
        seed: Another seed gives another split.

    Returns:
        One row per sample, in the samples' order.
    """
    shares = dict(zip(SPLITS, ratios, strict=True))
    chosen: dict[str, str] = {}
    for groups in _groups_by_class(samples).values():
        chosen.update(deal(groups, shares, seed=seed))
    return tuple(SplitRow(sample, chosen[sample.group]) for sample in samples)


def assign_folds(samples: Sequence[Sample], *, folds: int, seed: int) -> tuple[int, ...]:
    """Deals whole groups to `folds` equal parts, class by class; returns each sample's fold, 0..folds-1.

    Raises:
        InputError: fewer than two folds, or a class with fewer groups than folds.
    """
    chosen = _folds(_groups_by_class(samples), folds, seed)
    return tuple(chosen[sample.group] for sample in samples)


def fold_rows(
    samples: Sequence[Sample], *, folds: int, fold: int, ratios: Sequence[float], seed: int
) -> tuple[SplitRow, ...]:
    """The split that tests on one fold and validates on groups of the folds that follow it, in a circle.

    So validation goes round like the test part: over all folds each image validates equally often, give or take one,
    as nearly as whole groups allow.

    Args:
        samples: The images.
        folds: Number of parts, at least 2.
        fold: The part to test on, 0..folds-1. Over all folds every image is tested once.
        ratios: Fractions of train, validation and test; the last is ignored.
        seed: Another seed gives other folds.

    Raises:
        InputError: as `assign_folds`.
    """
    classes = _groups_by_class(samples)
    part_of = _folds(classes, folds, seed)
    share = ratios[1] / (ratios[0] + ratios[1])
    validated: set[str] = set()
    for label, groups in classes.items():
        rest = sorted(
            shuffled((group for group in groups if part_of[group] != fold), seed),
            key=lambda group: (part_of[group] - fold) % folds,
        )
        # The arc begins somewhere in the next fold, for all folds alike: so the arcs of all folds lie end to end.
        following = sum(groups[group] for group in rest if part_of[group] == (fold + 1) % folds)
        start = fraction(seed, label) * following
        validated |= take_arc({group: groups[group] for group in rest}, share, start=start)
    return tuple(
        SplitRow(s, "test" if part_of[s.group] == fold else "validation" if s.group in validated else "train")
        for s in samples
    )


def _folds(classes: Mapping[str, Mapping[str, int]], folds: int, seed: int) -> dict[str, int]:
    """Group -> fold."""
    if folds < 2:
        raise InputError(f"--folds {folds}: cross-validation needs at least 2")
    chosen: dict[str, int] = {}
    for label, groups in classes.items():
        if len(groups) < folds:
            raise InputError(
                f"class {label!r} has {len(groups)} independent group(s): use --folds {len(groups)} or less"
            )
        chosen.update(deal_evenly(groups, folds, seed=seed, label=label))
    return chosen


def _groups_by_class(samples: Sequence[Sample]) -> dict[str, dict[str, int]]:
    """Label -> group -> number of images. A group with several labels counts under its most frequent one."""
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        labels[sample.group][sample.label] += 1
    classes: dict[str, dict[str, int]] = defaultdict(dict)
    for group, counts in labels.items():
        label = min(counts, key=lambda name: (-counts[name], name))
        classes[label][group] = sum(counts.values())
    return dict(sorted(classes.items()))


def of_split(rows: Iterable[SplitRow], split: str) -> tuple[Sample, ...]:
    """The samples of one split, in order."""
    return tuple(row.sample for row in rows if row.split == split)


def check_parts(rows: Iterable[SplitRow]) -> None:
    """Refuses a split that cannot be trained on, before anything is made for it.

    Raises:
        InputError: a part is empty.
    """
    present = {row.split for row in rows}
    for split in SPLITS:
        if split not in present:
            raise InputError(
                f"no images in the {split} split: add photographs (of other cloths), change the ratios, or correct "
                "what --group-by or the split file says"
            )


def check_unchanged(root: Path, sample: Sample) -> None:
    """Refuses a photograph that is not the one the split was made from.

    Raises:
        InputError: gone or changed.
    """
    path = root / sample.path
    try:
        digest = file_sha256(path)
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}; name the photographs' folder with --data DIR"
        ) from error
    if sample.sha256 and digest != sample.sha256:
        raise InputError(f"{path} changed since training: train again, or restore it")


def encode_split(rows: Sequence[SplitRow]) -> bytes:
    """`split.csv` as UTF-8 bytes, its lines sorted by path."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(_COLUMNS)
    for row in sorted(rows, key=lambda row: row.sample.path):
        line = (row.sample.path, row.sample.label, row.sample.group, row.split, row.sample.sha256)
        # csv quotes no carriage return of a name, and reads none that is not quoted.
        (quoting if any("\r" in cell for cell in line) else writer).writerow(line)
    return text.getvalue().encode("utf-8")


def write_split(path: Path, rows: Sequence[SplitRow]) -> None:
    """Writes `split.csv`."""
    atomic.write_bytes(path, encode_split(rows))


def read_split(path: Path) -> tuple[SplitRow, ...]:
    """Reads a split file.

    Raises:
        InputError: missing, not a split file, an unknown split name, a repeated path, or a path that leaves the data
            set's folder.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read split {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"split {path} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if not {"path", "label", "split"} <= set(reader.fieldnames or ()):
            raise InputError(f"split {path} lacks columns: the first line must name path,label,split")
        rows = tuple(_row(raw, path) for raw in reader)
    except csv.Error as error:
        raise InputError(f"split {path} is not CSV: {error}") from error
    if not rows:
        raise InputError(f"split {path} names no image: one line per image, after path,label,split")
    repeated = [name for name, count in Counter(row.sample.path for row in rows).items() if count > 1]
    if repeated:
        raise InputError(f"split {path} names {repeated[0]!r} more than once: one line per image")
    return rows


def _row(raw: Mapping[str, str | None], source: Path) -> SplitRow:
    path, label, split = (raw.get(name) or "" for name in ("path", "label", "split"))
    split = {"val": "validation", "valid": "validation"}.get(split, split)
    parts = PurePosixPath(path.replace("\\", "/"))
    drive = re.match(r"[A-Za-z]:/" if os.name == "posix" else ".*:", parts.as_posix())
    if not parts.parts or parts.is_absolute() or ".." in parts.parts or "\0" in path or drive:
        raise InputError(f"split {source} names {path!r}: paths must lie inside the data set's folder")
    if split not in SPLITS:
        raise InputError(f"split {source} puts {path!r} into {split!r}: use {', '.join(SPLITS)}")
    if not label:
        raise InputError(f"split {source} gives {path!r} no label")
    digest = raw.get("sha256") or ""
    # Other programs' tables of Windows part folders with backslashes; batikkit's own never do, so that there, where a
    # system lets names hold one, it belongs to the name.
    own = "sha256" in raw and "group" in raw and os.name == "posix"
    name = path if own else parts.as_posix()
    return SplitRow(Sample(name, label, digest, raw.get("group") or digest[:16] or path), split)
