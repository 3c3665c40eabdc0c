"""Which images must stay together: copies of one photograph, photographs of one cloth, and what file names say."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.console import Advance
from batikkit.data import candidates, cloths, duplicates
from batikkit.data.cloth_look import PlainTexture, Texture
from batikkit.data.dataset import Sample
from batikkit.data.duplicates import FLAT_CONTRAST, UnionFind, find_copies
from batikkit.data.fingerprint_cache import Cache, Groups, cache_file, read_cache, write_cache
from batikkit.data.inspection import Inspection, Skipped, inspect_all
from batikkit.errors import InputError

CLOTH, COPY = UNITS = ("cloth", "copy")
"""What a group can be. Photographs of one cloth show a test what training saw, though no pixel is the same."""

_METHOD = "pHash-8 of 7 parts, placed and aligned, 2"
"""Changes when the way copies are found changes, so that cached groups are not taken over."""

_CLOTH_METHOD = "average linkage over texture and colour, 1"


@dataclass(frozen=True)
class InspectedSet:
    """Every image file of a set, inspected, and which of them belong together.

    Attributes:
        inspections: The readable files, in the order asked for.
        skipped: The others.
        copies: int64 [N], for each inspection the smallest index in its group of copies.
        cloths: int64 [N], the same for images of one cloth; equal to `copies` where cloths were not looked for.
    """

    inspections: tuple[Inspection, ...]
    skipped: tuple[Skipped, ...]
    copies: NDArray[np.int64]
    cloths: NDArray[np.int64]


def inspect_set(
    root: Path,
    paths: Sequence[str],
    *,
    label_of: Callable[[str], str] | None = None,
    texture: Texture | None = None,
    cache: bool = True,
    advance: Advance | None = None,
) -> InspectedSet:
    """Inspects files and finds copies and photographs of one cloth among them, using and refreshing the cache.

    Args:
        root: The data set's folder.
        paths: POSIX paths relative to `root`.
        label_of: Path -> motif, within which photographs of one cloth are looked for; None: they are not.
        texture: Describes the cloths; plain statistics if None.
        cache: Keep fingerprints between runs.
        advance: Called with (done, total), first for files, then for pairs.
    """
    file = cache_file(root)
    stored = read_cache(file) if cache else Cache()
    texture = (texture or PlainTexture()) if label_of else None
    known = stored.described_by(texture.name) if texture else stored.known
    results = inspect_all(root, paths, known=known, texture=texture, advance=advance)
    inspections = tuple(result for result in results if isinstance(result, Inspection))
    skipped = tuple(result for result in results if isinstance(result, Skipped))
    copies = _copies(inspections, stored.copies, advance)
    cloths = _cloths(inspections, copies, label_of, texture, stored.cloths) if label_of and texture else stored.cloths
    if cache and (copies.key, cloths.key) != (stored.copies.key, stored.cloths.key):
        write_cache(
            file, inspections, texture=texture.name if texture else stored.texture, copies=copies, cloths=cloths
        )
    return InspectedSet(inspections, skipped, copies.first, cloths.first if texture else copies.first)


def _copies(inspections: Sequence[Inspection], stored: Groups, advance: Advance | None) -> Groups:
    key = _key(
        inspections,
        _METHOD,
        candidates.SEARCH_BITS,
        candidates.NEAREST,
        duplicates.MIN_AGREEMENT,
        duplicates.MAX_COLOUR_SHIFT,
    )
    if key == stored.key and len(stored.first) == len(inspections):
        return stored
    return Groups(key, find_copies([i.look for i in inspections], [i.sha256 for i in inspections], advance=advance))


def _cloths(
    inspections: Sequence[Inspection],
    copies: Groups,
    label_of: Callable[[str], str],
    texture: Texture,
    stored: Groups,
) -> Groups:
    labels = [label_of(item.path) for item in inspections]
    settings = (_CLOTH_METHOD, texture.name, texture.odds, cloths.LEAST_ODDS, cloths.LEAST_SHARE, copies.key, labels)
    key = _key(inspections, *settings)
    if key == stored.key and len(stored.first) == len(inspections):
        return stored
    return Groups(key, cloths_shown(inspections, labels, copies.first, texture))


def cloths_shown(
    inspections: Sequence[Inspection], labels: Sequence[str], copies: NDArray[np.int64], texture: Texture
) -> NDArray[np.int64]:
    """`cloths.find_cloths` of inspected files that `texture` described; a flat picture shows no cloth."""
    looks = [item.cloth if item.look.contrast >= FLAT_CONTRAST else None for item in inspections]
    return cloths.find_cloths(looks, labels, copies, texture.odds)


def _key(inspections: Sequence[Inspection], *settings: object) -> str:
    digest = hashlib.sha256(repr(settings).encode("utf-8", "surrogateescape"))
    for inspection in inspections:
        digest.update(inspection.sha256.encode())
    return digest.hexdigest()


def group_samples(
    samples: Sequence[Sample],
    copies: Sequence[int] | NDArray[np.int64],
    *,
    cloths: Sequence[int] | NDArray[np.int64] | None = None,
    group_by: str | None = None,
    given: Mapping[str, str] | None = None,
) -> tuple[Sample, ...]:
    """Gives every sample the names of its group, which is one of copies, and of its cloth.

    Args:
        samples: The images.
        copies: int [N], for each sample an index of its group of copies.
        cloths: int [N], an index of its cloth; None where cloths were not looked for.
        group_by: Regular expression searched in the relative path. Images of one class whose captured parts (without
            parentheses: the whole match) are equal are one cloth, in addition to copies; what pictures say of their
            cloths does not count then, only of the images that do not match.
        given: Relative path -> group of a split file, kept in addition.

    Raises:
        InputError: `group_by` is not a regular expression or matches no path.
    """
    sets = UnionFind(len(samples))
    _join(sets, list(map(int, copies)))
    keys = _keys(samples, group_by) if group_by is not None else {}
    _join(sets, [keys.get(index, index) for index in range(len(samples))])
    if given is not None:
        _join(sets, [given[sample.path] for sample in samples])
    groups = sets.roots()
    if cloths is not None:
        _join(sets, [("named", index) if index in keys else int(cloth) for index, cloth in enumerate(cloths)])
    names, cloth_names = _named(samples, groups), _named(samples, sets.roots())
    return tuple(
        replace(sample, group=group, cloth=cloth)
        for sample, group, cloth in zip(samples, names, cloth_names, strict=True)
    )


def by_cloth(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """The samples with their cloths as groups."""
    return tuple(replace(sample, group=sample.cloth) for sample in samples)


def _join(sets: UnionFind, keys: Sequence[Hashable]) -> None:
    """Joins the items with equal keys."""
    first: dict[Hashable, int] = {}
    for index, key in enumerate(keys):
        sets.union(index, first.setdefault(key, index))


def _named(samples: Sequence[Sample], roots: NDArray[np.int64]) -> list[str]:
    """Named after content, so that the same files get the same groups whatever their order or folder."""
    members: dict[int, list[str]] = defaultdict(list)
    for root, sample in zip(roots.tolist(), samples, strict=True):
        members[root].append(sample.sha256)
    names = {root: min(digests)[:16] for root, digests in members.items()}
    return [names[root] for root in roots.tolist()]


def unnamed(paths: Sequence[str], group_by: str | None) -> list[str]:
    """The paths that do not tell their cloth, so that pictures have to.

    Raises:
        InputError: `group_by` is not a regular expression.
    """
    pattern = None if group_by is None else _compiled(group_by)
    return [path for path in paths if pattern is None or not pattern.search(path)]


def _compiled(group_by: str) -> re.Pattern[str]:
    try:
        return re.compile(group_by)
    except re.error as error:
        raise InputError(f"--group-by '{group_by}' is not a regular expression: {error}") from error


def _keys(samples: Sequence[Sample], group_by: str) -> dict[int, tuple[str, ...]]:
    pattern = _compiled(group_by)
    matches = {index: pattern.search(sample.path) for index, sample in enumerate(samples)}
    keys = {
        index: (samples[index].label, *(part or "" for part in match.groups() or (match.group(),)))
        for index, match in matches.items()
        if match
    }
    if not keys:
        raise InputError(
            f"--group-by '{group_by}' matches no path, such as {samples[0].path!r}: write it for paths like this one"
        )
    return keys


def conflicting_labels(samples: Sequence[Sample]) -> tuple[tuple[Sample, ...], ...]:
    """The groups whose images carry different labels, each as its samples, in order."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    return tuple(tuple(group) for group in groups.values() if len({sample.label for sample in group}) > 1)


def groups_per_class(samples: Sequence[Sample]) -> dict[str, int]:
    """Label -> number of independent groups in which it occurs."""
    return dict(Counter(label for label, _ in {(sample.label, sample.group) for sample in samples}))
