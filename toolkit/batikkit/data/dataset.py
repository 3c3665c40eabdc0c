"""A folder of photographs, one subfolder per motif, as an ordered list of verified images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batikkit.console import Advance
from batikkit.data.inspection import Inspection, Skipped, inspect_all
from batikkit.errors import InputError
from batikkit.images import IMAGE_SUFFIXES
from batikkit.labels import check_labels

__all__ = ["Dataset", "Sample", "Skipped", "check_class_counts", "dataset_of", "image_files", "scan", "split_folders"]

MIN_IMAGES_PER_CLASS = 3
"""One image each for training, validation and test."""

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Names (in any case) of top folders that hold a split which somebody else made."""


@dataclass(frozen=True)
class Sample:
    """One readable photograph.

    Attributes:
        path: POSIX path relative to the data set's root.
        label: Name of its class folder.
        sha256: Hash of the file's bytes, hex.
        group: Images of one group never cross splits; by default every distinct file is its own group.
        cloth: Images of one cloth; empty where that was not looked for. Not kept in split files.
    """

    path: str
    label: str
    sha256: str
    group: str
    cloth: str = ""


@dataclass(frozen=True)
class Dataset:
    """A scanned folder: `samples` sorted by path, `labels` sorted (their index is the class index)."""

    root: Path
    labels: tuple[str, ...]
    samples: tuple[Sample, ...]
    skipped: tuple[Skipped, ...] = ()

    def class_index(self) -> dict[str, int]:
        """Label -> output index."""
        return {label: index for index, label in enumerate(self.labels)}

    def file(self, sample: Sample) -> Path:
        """Where a sample lies on disk."""
        return self.root / sample.path


def scan(root: Path, *, strict: bool = False, advance: Advance | None = None) -> Dataset:
    """Reads a data set folder and verifies that every image decodes.

    Unreadable images are left out and listed in `skipped`. Copies are not looked for: see `prepared.load_dataset`.

    Args:
        root: Folder with one subfolder per motif (images may lie deeper inside), or with train, validation and test
            folders that hold those.
        strict: Refuse unreadable images instead of skipping them.
        advance: Called with (done, total) while reading.

    Raises:
        InputError: no such folder, fewer than two classes, a class with under 3 readable images, or, under `strict`,
            any unreadable image.
    """
    paths = list(image_files(root))
    results = inspect_all(root, paths, advance=advance)
    inspections = [result for result in results if isinstance(result, Inspection)]
    skipped = [result for result in results if isinstance(result, Skipped)]
    return dataset_of(root, paths, inspections, skipped, strict=strict)


def dataset_of(
    root: Path,
    paths: Sequence[str],
    inspections: Sequence[Inspection],
    skipped: Sequence[Skipped],
    *,
    strict: bool,
) -> Dataset:
    """A data set of inspected files, each in the class its folder names and in a group of its own.

    Raises:
        InputError: as `scan`.
    """
    refuse_unreadable(root, skipped, strict=strict)
    depth = 1 if split_folders(paths) else 0
    # A file directly in a split folder names no class.
    astray = [Skipped(item.path, "it lies in no motif's folder") for item in inspections if not _in(item.path, depth)]
    samples = tuple(
        Sample(path=item.path, label=item.path.split("/")[depth], sha256=item.sha256, group=item.sha256[:16])
        for item in inspections
        if _in(item.path, depth)
    )
    labels = check_class_counts(samples, {path.split("/")[depth] for path in paths if _in(path, depth)}, root)
    return Dataset(root=root, labels=labels, samples=samples, skipped=(*skipped, *astray))


def _in(path: str, depth: int) -> bool:
    return path.count("/") > depth


def refuse_unreadable(root: Path, skipped: Sequence[Skipped], *, strict: bool) -> None:
    """Raises InputError for the first of the unreadable images when `strict`."""
    if strict and skipped:
        raise InputError(f"{len(skipped)} unreadable image(s), first {root / skipped[0].path}: {skipped[0].reason}")


def split_folders(paths: Iterable[str]) -> dict[str, str]:
    """Top folder -> split, when all top folders are named like splits and there are at least two; else empty."""
    tops = sorted({path.split("/")[0] for path in paths})
    named = {top: SPLIT_FOLDERS[top.lower()] for top in tops if top.lower() in SPLIT_FOLDERS}
    complete = len(named) == len(tops) and len(set(named.values())) >= 2 and "train" in named.values()
    return named if complete else {}


def check_class_counts(samples: Iterable[Sample], classes: Iterable[str], root: Path) -> tuple[str, ...]:
    """The sorted labels of a usable data set.

    Raises:
        InputError: fewer than two classes or a class with under 3 readable images.
    """
    counts = Counter(sample.label for sample in samples)
    names = sorted(classes)
    if not names:
        raise InputError(f"no images in subfolders of {root}: put each motif's photographs into a folder of its own")
    if len(names) == 1:
        raise InputError(f"only one class in {root} ({names[0]!r}): a classifier needs at least two motif folders")
    for name in names:
        if counts[name] < MIN_IMAGES_PER_CLASS:
            raise InputError(
                f"class {name!r} in {root} has {counts[name]} readable image(s): "
                f"add some until it has {MIN_IMAGES_PER_CLASS}, or remove the folder"
            )
    return check_labels(names, source=str(root))


def image_files(root: Path) -> Iterator[str]:
    """Yields POSIX paths relative to `root` of files named like images, in sorted order.

    Hidden entries are left out; linked folders are not followed, so that a link loop cannot trap the walk.

    Raises:
        InputError: `root` is not a readable folder.
    """
    if not root.is_dir():
        problem = "not a folder" if root.exists() else "no such folder"
        raise InputError(f"{problem}: {root}; name a folder that holds one subfolder per motif")
    try:
        entries = [entry for entry in root.iterdir() if not _hidden(entry.name)]
        folders = sorted(entry.name for entry in entries if _class_folder(entry, root))
    except OSError as error:
        raise InputError(f"cannot read folder {root}: {error.strerror}") from error
    for folder in folders:
        found = []
        top = str(root / folder)
        for parent, children, names in os.walk(top, followlinks=False, onerror=_refuse_unreadable_folder):
            children[:] = [name for name in children if not _hidden(name)]
            inside = folder + parent[len(top) :].replace(os.sep, "/")
            found += [f"{inside}/{name}" for name in names if _named_like_an_image(name)]
        yield from sorted(found)


def _refuse_unreadable_folder(error: OSError) -> None:
    """A motif must not vanish because its folder cannot be opened."""
    raise InputError(f"cannot read folder {error.filename}: {error.strerror}; allow reading it, or move it away")


def _class_folder(entry: Path, root: Path) -> bool:
    """A folder, or a link to one that does not lead back to the data set itself or above it."""
    if not entry.is_dir():
        return False
    here = root.resolve()
    there = entry.resolve() if entry.is_symlink() else None
    return there is None or (there != here and there not in here.parents)


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _named_like_an_image(name: str) -> bool:
    return not _hidden(name) and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 (no Path needed)
