"""Labels that a table beside the photographs tells: `path,label` in the many ways people name those columns."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from batikkit.data.folder_names import is_junk, shown, split_named
from batikkit.data.tree import Tree
from batikkit.errors import InputError

_PATHS = ("path", "file", "filename", "image", "filepath", "imagepath", "imagefile", "imagename", "imageid")
_LABELS = ("label", "class", "motif", "labelname", "classname", "motifname")
_SUFFIXES = (".csv", ".tsv")
_MOST_BYTES = 64 << 20
_MOST_HEAD = 1 << 16
"""Bytes in which the line of headings has ended."""
_SEPARATOR_TOLD = re.compile(r"\A\"?sep=.?\"?[\r\n]+", re.IGNORECASE)
"""A line for Excel alone, which says what parts the columns of the others."""


@dataclass(frozen=True)
class Table:
    """A table that has a column of files and one of labels.

    Attributes:
        file: Where it lies.
        rows: File and label of each line, as written.
        has_splits: It has a column `split`, as batikkit's own split files do.
    """

    file: Path
    rows: tuple[tuple[str, str], ...]
    has_splits: bool

    @property
    def name(self) -> str:
        """Its file name."""
        return shown(self.file.name)


@dataclass(frozen=True)
class Labelled:
    """What tables say of a folder.

    Attributes:
        name: The tables' file names.
        label_of: Path -> label as written.
        split_of: Path -> split, where train.csv, test.csv and so on tell; else empty.
        notes: What to tell people.
    """

    name: str
    label_of: dict[str, str]
    split_of: dict[str, str]
    notes: tuple[str, ...]


def tables_for(root: Path) -> list[Table]:
    """The tables of labels in a folder, and those beside it that can be read.

    Raises:
        InputError: one in the folder cannot be read.
    """
    return [*filter(None, map(_read, _files(root))), *readable_tables(root.resolve().parent)]


def readable_tables(folder: Path) -> list[Table]:
    """The tables of labels in a folder, as far as they can be read."""
    found = []
    for file in _files(folder):
        with contextlib.suppress(InputError):
            found.append(_read(file))
    return [table for table in found if table is not None]


def _files(folder: Path) -> list[Path]:
    try:
        files = sorted(entry for entry in folder.iterdir() if entry.suffix.lower() in _SUFFIXES and entry.is_file())
    except OSError:
        return []
    # What is handed in at Kaggle has the same columns, and labels that mean nothing.
    return [file for file in files if not is_junk(file.name) and "submission" not in file.name.lower()]


def matched(tables: Sequence[Table], tree: Tree) -> Labelled | None:
    """The labels that tables give to the photographs; None where there is no table of labels.

    Raises:
        InputError: no line of any table names a photograph that is there; two tables do; a file has two labels.
    """
    if not tables or not tree.images:
        return None
    found = [(table, _match(table, tree.images)) for table in tables]
    good = [(table, labels) for table, labels in found if labels]
    if not good:
        inside = [table for table in tables if table.file.parent == tree.root]
        if not inside:
            return None
        raise InputError(_difference(inside[0], tree))
    here = [pair for pair in good if pair[0].file.parent == tree.root] or good
    splits = {table.file: split_named(table.file.stem) for table, _ in here}
    several = len(here) > 1
    if several and (not all(splits.values()) or len(set(splits.values())) < len(here)):
        raise InputError(
            f"{' and '.join(table.name for table, _ in here)} both label photographs of {tree.root}: keep one of them"
        )
    label_of = {path: label for _, labels in here for path, label in labels.items()}
    split_of = {path: splits[table.file] for table, labels in here for path in labels} if several else {}
    if "train" not in split_of.values():
        split_of = {}
    name = ", ".join(table.name for table, _ in here)
    return Labelled(name, label_of, split_of, tuple(_note(table, labels) for table, labels in here))


def _note(table: Table, labels: dict[str, str]) -> str:
    absent = len(table.rows) - len(labels)
    missing = f"; {absent} of its {len(table.rows)} lines name no photograph here" if absent > 0 else ""
    return f"{table.name} labels {len(labels)} photographs{missing}"


def _read(file: Path) -> Table | None:
    """None for a table of something else."""
    if file.stat().st_size > _MOST_BYTES:
        return None
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}; allow reading it, or move it away") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Excel writes UTF-16 and the country's own alphabet.
        plain = _SEPARATOR_TOLD.sub("", content[:_MOST_HEAD].replace(b"\0", b"").decode("latin-1").lstrip("\xff\xfe"))
        if _columns(_header(re.split(r"[\r\n]", plain, maxsplit=1)[0])) is None:
            return None
        raise InputError(f"{file} is not UTF-8 (byte {error.start}): save it as CSV UTF-8") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # Excel on a Mac ends lines so
    text = _SEPARATOR_TOLD.sub("", text)
    first = text.split("\n", 1)[0]
    columns = _columns(_header(first))
    if columns is None:
        return None
    try:
        lines = list(csv.reader(io.StringIO(text), delimiter=_delimiter(first), strict=True))[1:]
    except csv.Error as error:
        raise InputError(f"{file} is not CSV: {error}; save it again from the program that made it") from error
    path, label, split = columns
    rows = tuple((line[path], line[label].strip()) for line in lines if len(line) > max(path, label))
    return Table(file, rows, split)


def _delimiter(first: str) -> str:
    return max(",;\t", key=first.count)


def _header(first: str) -> list[str]:
    try:
        names = next(csv.reader([first], delimiter=_delimiter(first)), [])
    except csv.Error:  # a line of megabytes: nobody's table of labels
        return []
    return [re.sub(r"[^a-z]", "", name.lower()).removesuffix("s") for name in names]


def _columns(names: list[str]) -> tuple[int, int, bool] | None:
    names = ["class" if name in ("clas", "classe") else name for name in names]
    path = next((names.index(name) for name in _PATHS if name in names), None)
    label = next((names.index(name) for name in _LABELS if name in names), None)
    return None if path is None or label is None else (path, label, "split" in names)


def _match(table: Table, images: Sequence[str]) -> dict[str, str]:
    """Path -> label. A file is found by its path, else by as much of the end of it as names one photograph alone."""
    exact = set(images)
    ends: dict[str, list[str]] = defaultdict(list)
    for path in images:
        name = PurePosixPath(path)
        ends[name.name].append(path)
        ends[name.stem].append(path)
    written = Counter(_clean(file).rsplit("/", 1)[-1] for file, _ in table.rows)
    labels: dict[str, str] = {}
    for file, label in table.rows:
        wanted = _clean(file)
        last = wanted.rsplit("/", 1)[-1]
        near = ends.get(last, [])
        alone = near[0] if len(set(near)) == 1 and written[last] == 1 else ""
        path = next((one for one in (file, wanted) if one in exact), alone)
        path = path or next((one for one in near if one.endswith(f"/{wanted}") or wanted.endswith(f"/{one}")), "")
        if not path or not label:
            continue
        if labels.setdefault(path, label) != label:
            raise InputError(f"{table.file} labels {file!r} both {labels[path]!r} and {label!r}: keep one of them")
    return labels


def _clean(file: str) -> str:
    return str(PurePosixPath(file.strip().replace("\\", "/"))).lstrip("/")


def _difference(table: Table, tree: Tree) -> str:
    return path_difference(table.name, [file for file, _ in table.rows], tree.images, tree.root)


def path_difference(name: str, written: Iterable[str], present: Sequence[str], root: Path) -> str:
    """The error where a list names no photograph of a folder: how its paths differ from those that are there."""
    written = sorted(written)
    by_name = {path.rsplit("/", 1)[-1]: path for path in present}
    for file in written:
        here = by_name.get(_clean(file).rsplit("/", 1)[-1])
        if here:
            told = f"it says {file!r} where the folder has {shown(here)!r}; {_advice(_clean(file), here)}"
            return f"{name} names no photograph of {root}: {told}"
    theirs = f", such as {written[0]!r}" if written else ""
    ours = f", such as {shown(present[0])!r}" if present else ""
    return (
        f"{name} names no photograph of {root}: none of its {len(written)} files{theirs}, is among the {len(present)} "
        f"there{ours}; name the folder that it was made for"
    )


def _advice(file: str, here: str) -> str:
    if file.endswith(f"/{here}"):
        return f"give the folder that holds {file.split('/')[0]!r}, or leave {file[: -len(here)]!r} out of its paths"
    if here.endswith(f"/{file}"):
        return f"give the folder {here[: -len(file) - 1]!r} in it"
    return "write its paths as they are in the folder"
