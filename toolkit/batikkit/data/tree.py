"""Every file below a folder, sorted into photographs and others; nothing is opened that a name tells enough of."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batikkit.data.folder_names import is_junk, shown
from batikkit.errors import InputError
from batikkit.image_kinds import READ_SUFFIXES, UNREAD_SUFFIXES, kind_of_file


@dataclass(frozen=True)
class Tree:
    """What lies below a folder.

    Attributes:
        root: The folder.
        images: Photographs, POSIX paths relative to it, sorted; those that lie in it directly as well.
        folders: All folders, in the same way; what a linked one holds is known of the top ones alone.
        others: Files that are no photographs, in the same way.
    """

    root: Path
    images: tuple[str, ...]
    folders: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def other_kinds(self) -> dict[str, int]:
        """Suffix -> number of files that are no photographs."""
        return dict(Counter(os.path.splitext(path)[1].lower() or "no suffix" for path in self.others).most_common())  # noqa: PTH122


def read_tree(root: Path) -> Tree:
    """Lists what lies below `root`.

    Hidden entries and what systems leave behind (`@eaDir`, `$RECYCLE.BIN`, `lost+found`) are passed over; linked
    folders are followed at the top only, and not where they lead back, so that a link loop cannot trap the walk.

    Raises:
        InputError: `root` or a folder in it cannot be read.
    """
    if not root.is_dir():
        problem = "not a folder" if root.exists() else "no such folder"
        raise InputError(f"{problem}: {shown(str(root))}; name a folder that holds one subfolder per motif")
    try:
        names = sorted(entry.name for entry in root.iterdir() if not is_junk(entry.name))
    except OSError as error:
        raise InputError(f"cannot read folder {root}: {error.strerror}") from error
    folders = [name for name in names if _class_folder(root / name, root)]
    files = [name for name in names if not (root / name).is_dir()]
    inside = list(folders)
    for folder in folders:
        for below, children, found in _walk(root, folder):
            inside += [f"{below}/{child}" for child in children]
            files += [f"{below}/{name}" for name in found]
    images = {path for path in files if _is_image(root, path)}
    others = sorted(path for path in files if path not in images)
    return Tree(root, tuple(sorted(images)), tuple(sorted(inside)), tuple(others))


def image_files(root: Path) -> Iterator[str]:
    """Yields POSIX paths relative to `root` of the photographs in its subfolders, sorted.

    Raises:
        InputError: as `read_tree`.
    """
    yield from (path for path in read_tree(root).images if "/" in path)


def _walk(root: Path, folder: str) -> Iterator[tuple[str, list[str], list[str]]]:
    top = str(root / folder)
    for parent, children, names in os.walk(top, followlinks=False, onerror=_refuse_unreadable_folder):
        children[:] = [name for name in children if not is_junk(name)]
        yield folder + parent[len(top) :].replace(os.sep, "/"), children, [name for name in names if not is_junk(name)]


def _refuse_unreadable_folder(error: OSError) -> None:
    """A motif must not vanish because its folder cannot be opened."""
    raise InputError(
        f"cannot read folder {shown(str(error.filename))}: {error.strerror}; allow reading it, or move it away"
    )


def _class_folder(entry: Path, root: Path) -> bool:
    """A folder, or a link to one that does not lead back to the data set itself or above it."""
    if not entry.is_dir():
        return False
    here = root.resolve()
    there = entry.resolve() if entry.is_symlink() else None
    return there is None or (there != here and there not in here.parents)


def _is_image(root: Path, path: str) -> bool:
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 (no Path needed; there are many)
    if suffix in READ_SUFFIXES or suffix in UNREAD_SUFFIXES:
        return True
    try:
        regular = stat.S_ISREG(os.stat(root / path).st_mode)  # noqa: PTH116
    except OSError:
        return False
    return regular and bool(kind_of_file(root / path))
