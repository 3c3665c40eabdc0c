"""A folder of photographs, one subfolder per motif, as an ordered list of verified images."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from batikkit.console import Advance
from batikkit.errors import InputError
from batikkit.images import IMAGE_SUFFIXES, load_rgb
from batikkit.labels import check_labels

MIN_IMAGES_PER_CLASS = 3
"""One image each for training, validation and test."""

_PROBE_SIDE = 64


@dataclass(frozen=True)
class Sample:
    """One readable photograph.

    Attributes:
        path: POSIX path relative to the data set's root.
        label: Name of its class folder.
        sha256: Hash of the file's bytes, hex.
        group: Images of one group never cross splits; by default every distinct file is its own group.
    """

    path: str
    label: str
    sha256: str
    group: str


@dataclass(frozen=True)
class Skipped:
    """A file that looks like an image and could not be used."""

    path: str
    reason: str


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

    Unreadable images are left out and listed in `skipped`.

    Args:
        root: Folder with one subfolder per motif; images may lie deeper inside.
        strict: Refuse unreadable images instead of skipping them.
        advance: Called with (done, total) while reading.

    Raises:
        InputError: no such folder, fewer than two classes, a class with under 3 readable images, or, under `strict`,
            any unreadable image.
    """
    relative = list(image_files(root))
    read = _read_all(root, relative, advance)
    samples = tuple(result for result in read if isinstance(result, Sample))
    skipped = tuple(result for result in read if isinstance(result, Skipped))
    if strict and skipped:
        raise InputError(f"{len(skipped)} unreadable image(s), first {root / skipped[0].path}: {skipped[0].reason}")
    labels = check_class_counts(samples, {path.split("/")[0] for path in relative}, root)
    return Dataset(root=root, labels=labels, samples=samples, skipped=skipped)


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
        raise InputError(f"no such folder: {root}; name a folder that holds one subfolder per motif")
    try:
        folders = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not _hidden(entry.name))
    except OSError as error:
        raise InputError(f"cannot read folder {root}: {error.strerror}") from error
    for folder in folders:
        found = []
        for parent, children, names in os.walk(root / folder, followlinks=False):
            children[:] = [name for name in children if not _hidden(name)]
            found += [Path(parent, name) for name in names if _named_like_an_image(name)]
        yield from sorted(path.relative_to(root).as_posix() for path in found)


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _named_like_an_image(name: str) -> bool:
    return not _hidden(name) and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 (no Path needed)


def _read_all(root: Path, relative: list[str], advance: Advance | None) -> list[Sample | Skipped]:
    results: list[Sample | Skipped] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # Pillow releases the GIL while decoding
        for result in pool.map(lambda path: _read(root, path), relative):
            results.append(result)
            if advance:
                advance(len(results), len(relative))
    return results


def _read(root: Path, relative: str) -> Sample | Skipped:
    try:
        relative.encode("utf-8")
    except UnicodeEncodeError:
        return Skipped(relative.encode("utf-8", "replace").decode(), "its name is not UTF-8; rename it")
    try:
        load_rgb(root / relative, at_least=_PROBE_SIDE)
        digest = hashlib.sha256((root / relative).read_bytes()).hexdigest()
    except InputError as error:
        return Skipped(relative, str(error))
    except OSError as error:
        return Skipped(relative, f"cannot read it: {error.strerror}")
    return Sample(path=relative, label=relative.split("/")[0], sha256=digest, group=digest[:16])
