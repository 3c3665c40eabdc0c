"""How people keep photographs: which folder, or which line of a table, tells the motif of each, and which its split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from batikkit.data import label_table
from batikkit.data.folder_names import folded as fold
from batikkit.data.folder_names import motif_of_each, names_a_motif, shown, split_named, tells_no_motif, twins
from batikkit.data.tree import Tree, read_tree
from batikkit.errors import InputError
from batikkit.image_kinds import kind_of_file, unread_kinds

_NAMED = 8
"""Motifs that a line names before it only counts."""


@dataclass(frozen=True)
class LeftOut:
    """Photographs that belong to no motif: where they lie, how many, and why."""

    place: str
    images: int
    reason: str

    @property
    def line(self) -> str:
        """For people."""
        return f"left out {self.images} image(s) in {shown(self.place)}: {self.reason}"


@dataclass(frozen=True)
class Layout:
    """What a folder of photographs was understood to be.

    Attributes:
        root: The folder.
        motif_of: Path of each labelled photograph -> its motif, sorted by path.
        split_of: The same -> `train`, `validation` or `test`; empty where nothing tells splits.
        motifs: All motifs, sorted, also those whose folder holds no photograph.
        empty: Folders of motifs without a photograph.
        left_out: Photographs of no motif.
        split_source: What tells the splits, such as `folders train, test`.
        notes: What was not obvious, one line each.
    """

    root: Path
    motif_of: dict[str, str]
    split_of: dict[str, str]
    motifs: tuple[str, ...]
    empty: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    split_source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """`train: 5 motifs, 200 images; test: 5 motifs, 50 images`."""
        parts: dict[str, list[str]] = defaultdict(list)
        for path, motif in self.motif_of.items():
            parts[self.split_of.get(path, "")].append(motif)
        named = [name for name in ("train", "validation", "test") if name in parts]
        if named:
            return "; ".join(f"{n}: {len(set(parts[n]))} motifs, {len(parts[n])} images" for n in named)
        more = f" and {len(self.motifs) - _NAMED} more" if len(self.motifs) > _NAMED else ""
        return f"{len(self.motifs)} motifs: {', '.join(self.motifs[:_NAMED])}{more}"

    @property
    def told(self) -> tuple[str, ...]:
        """Every line that people should see."""
        odd = self.notes or self.split_of
        return (*((f"understood {self.summary}",) if odd else ()), *self.notes, *(left.line for left in self.left_out))


def read_layout(root: Path) -> Layout:
    """Finds out where the motifs of a folder's photographs are told.

    Raises:
        InputError: no such folder; no motif is told; a table of labels cannot be used.
    """
    tree = read_tree(root)
    layout = _from_folders(tree)
    if len(layout.motifs) >= 2:
        unused = [table.name for table in label_table.readable_tables(root) if not table.has_splits]
        note = f"{', '.join(unused)} is not used: folders tell the motifs" if unused else ""
        return replace(layout, notes=(*layout.notes, note)) if note else layout
    labelled = label_table.matched(label_table.tables_for(root), tree)
    if labelled is not None:
        return _from_table(tree, labelled)
    if not layout.motif_of:
        raise InputError(_nothing_told(tree))
    return layout


def refuse_unread_kinds(root: Path, motif_of: Mapping[str, str]) -> None:
    """Ends the work before it begins where photographs need a decoder that is not installed.

    Raises:
        InputError: with the count per motif and the cure.
    """
    for kind, cure, counts in unread(root, motif_of):
        each = ", ".join(f"{motif} {count}" for motif, count in sorted(counts.items()))
        raise InputError(f"{sum(counts.values())} {kind} photographs cannot be read ({each}): {cure}")


def unread(root: Path, motif_of: Mapping[str, str]) -> list[tuple[str, str, dict[str, int]]]:
    """Kind, cure, and motif -> photographs, of each kind whose decoder is not installed."""
    cures = unread_kinds()
    kinds = {path: kind_of_file(root / path) for path in motif_of} if cures else {}
    counts = {kind: Counter(motif_of[path] for path, found in kinds.items() if found == kind) for kind in cures}
    return [(kind, cures[kind], dict(count)) for kind, count in counts.items() if count]


def refuse_empty(layout: Layout) -> None:
    """A motif must not vanish because its folder holds nothing.

    Raises:
        InputError: names the first such folder.
    """
    if layout.empty:
        others = f" (and {len(layout.empty) - 1} more)" if len(layout.empty) > 1 else ""
        raise InputError(
            f"folder {shown(str(layout.root / layout.empty[0]))}{others} holds no photograph: add some, or remove it"
        )


@dataclass(frozen=True)
class _Level:
    """Where motifs are told: the part of the path that names the motif, below these tops, and the splits of these."""

    part: int
    tops: frozenset[str]
    split_part: int = 0
    split_of: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()


def _from_folders(tree: Tree) -> Layout:
    prefix = _wrapper(tree)
    level = _level(tree, prefix)
    start = prefix.count("/")
    counts: Counter[str] = Counter()
    named: dict[str, str] = {}
    splits: dict[str, str] = {}
    astray: Counter[tuple[str, str]] = Counter()
    for path in tree.images:
        parts = path.split("/")
        top = parts[start] if len(parts) > start + 1 else ""
        if not path.startswith(prefix) or top not in level.tops or len(parts) <= level.part + 1:
            why = "it holds no motif folders" if top and top not in level.tops else "they lie in no motif's folder"
            astray["/".join(parts[: start + 1] if top else [*parts[:-1], "."]), why] += 1
            continue
        named[path] = parts[level.part]
        counts[parts[level.part]] += 1
        if level.split_of:
            splits[path] = level.split_of[parts[level.split_part]]
    empty = _empty_folders(tree, level, prefix, start)
    motif_of = motif_of_each([*counts, *(folder.split("/")[-1] for folder in empty)], dict(counts))
    kept = tuple(name for name in sorted({path.split("/")[level.split_part] for path in splits}))
    return Layout(
        root=tree.root,
        motif_of={path: motif_of[name] for path, name in named.items()},
        split_of=splits,
        motifs=tuple(sorted(set(motif_of.values()))),
        empty=empty,
        left_out=tuple(LeftOut(place, count, why) for (place, why), count in sorted(astray.items())),
        split_source="folders " + ", ".join(map(shown, kept)) if splits else "",
        notes=(*level.notes, *twins(motif_of)),
    )


def _wrapper(tree: Tree) -> str:
    """`Batik Dataset/` where that folder alone holds everything, as unpacked archives do; else empty."""
    prefix = ""
    while True:
        inside = [path[len(prefix) :] for path in tree.images]
        folders = {f[len(prefix) :].split("/")[0] for f in tree.folders if f.startswith(prefix)}
        tops = {path.split("/")[0] for path in inside if "/" in path}
        if any("/" not in path for path in inside) or not tops:
            return ""  # one motif in deeper folders, perhaps; no collection
        if len(tops) > 1:
            return prefix
        if folders != tops:
            return ""
        prefix += f"{tops.pop()}/"


def _level(tree: Tree, prefix: str) -> _Level:
    below: dict[str, set[str]] = defaultdict(set)
    direct: Counter[str] = Counter()
    for path in tree.images:
        parts = path[len(prefix) :].split("/") if path.startswith(prefix) else []
        if len(parts) == 2:
            direct[parts[0]] += 1
        elif len(parts) > 2:
            below[parts[0]].add(parts[1])
    start = prefix.count("/")
    tops = sorted({*below, *direct})
    return (
        _split_first(start, below, tops)
        or _split_inside(start, below, direct)
        or _same_inside(start, below, direct)
        or _plain(start, below, tops)
    )


def _split_first(start: int, below: Mapping[str, set[str]], tops: Sequence[str]) -> _Level | None:
    """train/kawung, test/kawung."""
    named = {top: split_named(top) for top in tops if split_named(top)}
    full = {top: split for top, split in named.items() if below.get(top)}
    kinds = set(full.values())
    motifs = {fold(name) for top, split in full.items() if split == "train" for name in below[top]}
    if "train" not in kinds or len(kinds) + len(motifs) < 3:
        return None
    notes = ("train alone has motif folders: its photographs are split anew",) if len(kinds) == 1 else ()
    return _Level(start + 1, frozenset(full), start, full if len(kinds) > 1 else None, notes)


def _split_inside(start: int, below: Mapping[str, set[str]], direct: Mapping[str, int]) -> _Level | None:
    """kawung/train, kawung/test."""
    names = {name for inside in below.values() for name in inside}
    split_of = {name: split_named(name) for name in names}
    if direct or not all(split_of.values()) or not {"train"} < set(split_of.values()):
        return None
    note = "each motif's folder holds its own splits"
    return _Level(start, frozenset(below), start + 1, split_of, (note,))


def _same_inside(start: int, below: Mapping[str, set[str]], direct: Mapping[str, int]) -> _Level | None:
    """Original Images/kawung, Augmented Images/kawung: equal names under several folders, which tell no motif."""
    sets = {top: {fold(name) for name in inside} for top, inside in below.items() if not direct.get(top)}
    counts = Counter(name for inside in sets.values() for name in inside)
    shared = [name for name, count in counts.items() if count > 1]
    if len(sets) < 2 or len(shared) < 2 or 2 * len(shared) < len(counts):
        return None
    if not all(tells_no_motif(top) for top in {*below, *direct} - set(sets)):
        return None
    if not _inner_are_motifs(list(sets), list(counts)):
        return None
    listed = ", ".join(sorted(map(shown, sets)))
    return _Level(start + 1, frozenset(sets), notes=(f"{listed} hold equally named folders, which are the motifs",))


def _inner_are_motifs(outer: Sequence[str], inner: Sequence[str]) -> bool:
    known = [any(map(names_a_motif, names)) for names in (outer, inner)]
    vague = [2 * sum(map(tells_no_motif, names)) >= len(names) for names in (outer, inner)]
    if known[0] != known[1]:
        return known[1]
    if vague[0] != vague[1]:
        return vague[0]
    return not vague[1] and len(inner) > len(outer)


def _plain(start: int, below: Mapping[str, set[str]], tops: Sequence[str]) -> _Level:
    """kawung/, parang/. A folder called test among them that holds photographs alone is no motif."""
    motifs = [top for top in tops if below.get(top) or not split_named(top)]
    return _Level(start, frozenset(motifs))


def _empty_folders(tree: Tree, level: _Level, prefix: str, start: int) -> tuple[str, ...]:
    """Folders beside those of motifs that hold no photograph, not even deeper."""
    full = {"/".join(path.split("/")[:depth]) for path in tree.images for depth in range(1, path.count("/") + 1)}
    empty = []
    for folder in tree.folders:
        parts = folder.split("/")
        beside = len(parts) == level.part + 1 and folder.startswith(prefix) and folder not in full
        # Below a split or another collection; or a top folder, where those are the motifs.
        if beside and (level.part == start or parts[start] in level.tops) and not split_named(parts[-1]):
            empty.append(folder)
    return tuple(empty)


def _from_table(tree: Tree, labelled: label_table.Labelled) -> Layout:
    motif_of = motif_of_each(labelled.label_of.values(), dict(Counter(labelled.label_of.values())))
    rest = [path for path in tree.images if path not in labelled.label_of]
    why = f"no line of {labelled.name} labels them, such as {shown(rest[0])}" if rest else ""
    left = (LeftOut(".", len(rest), why),) if rest else ()
    motifs = {path: motif_of[label] for path, label in sorted(labelled.label_of.items())}
    source = f"tables {labelled.name}" if labelled.split_of else ""
    return Layout(
        tree.root, motifs, dict(labelled.split_of), tuple(sorted(set(motifs.values()))), (), left, source,
        (*labelled.notes, *twins(motif_of)),
    )  # fmt: skip


def _nothing_told(tree: Tree) -> str:
    told = f"no images in subfolders of {tree.root}: put each motif's photographs into a folder of its own"
    if tree.images:
        told += ", or name their labels in a table (path,label) beside them"
    elif tree.others:
        kinds = ", ".join(f"{kind} {count}" for kind, count in list(tree.other_kinds.items())[:4])
        told += f"; there are other files: {kinds}"
    return told


def motifs_known(root: Path, layout: Layout, labels: Iterable[str]) -> Layout:
    """The layout with its motifs spelled as a model spells them.

    Raises:
        InputError: a motif that the model does not have.
    """
    known = {fold(label): label for label in labels}
    strangers = [motif for motif in layout.motifs if fold(motif) not in known]
    if strangers:
        raise InputError(
            f"{root} has a folder {strangers[0]!r}, which is no motif of this model: its motifs are "
            f"{', '.join(known.values())}"
        )
    motif_of = {path: known[fold(motif)] for path, motif in layout.motif_of.items()}
    return replace(layout, motif_of=motif_of, motifs=tuple(sorted(known[fold(motif)] for motif in layout.motifs)))
