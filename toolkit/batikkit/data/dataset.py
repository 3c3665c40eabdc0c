"""A folder of photographs, one subfolder per motif, as an ordered list of verified images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from batikkit.console import Advance
from batikkit.data.inspection import Inspection, Skipped, inspect_all
from batikkit.data.layout import Layout, read_layout, refuse_empty, refuse_unread_kinds
from batikkit.errors import InputError
from batikkit.labels import check_labels

__all__ = ["Dataset", "Sample", "Skipped", "check_class_counts", "dataset_of", "scan", "usable_layout"]

MIN_IMAGES_PER_CLASS = 3
"""One image each for training, validation and test."""


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
    layout = usable_layout(root)
    results = inspect_all(root, list(layout.motif_of), advance=advance)
    inspections = [result for result in results if isinstance(result, Inspection)]
    skipped = [result for result in results if isinstance(result, Skipped)]
    return dataset_of(layout, inspections, skipped, strict=strict)


def usable_layout(root: Path) -> Layout:
    """The layout of a folder, if nothing of it would vanish.

    Raises:
        InputError: no such folder, photographs of a kind that cannot be read, or a motif's folder without any.
    """
    layout = read_layout(root)
    refuse_empty(layout)
    refuse_unread_kinds(root, layout.motif_of)
    return layout


def dataset_of(
    layout: Layout, inspections: Sequence[Inspection], skipped: Sequence[Skipped], *, strict: bool
) -> Dataset:
    """A data set of inspected files, each of the motif that the layout tells and in a group of its own.

    Raises:
        InputError: as `scan`.
    """
    refuse_unreadable(layout.root, skipped, strict=strict)
    samples = tuple(
        Sample(path=item.path, label=layout.motif_of[item.path], sha256=item.sha256, group=item.sha256[:16])
        for item in inspections
    )
    labels = check_class_counts(samples, layout.motifs, layout.root)
    return Dataset(root=layout.root, labels=labels, samples=samples, skipped=tuple(skipped))


def refuse_unreadable(root: Path, skipped: Sequence[Skipped], *, strict: bool) -> None:
    """Raises InputError for the first of the unreadable images when `strict`."""
    if strict and skipped:
        raise InputError(f"{len(skipped)} unreadable image(s), first {root / skipped[0].path}: {skipped[0].reason}")


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
