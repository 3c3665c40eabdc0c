"""Which images must stay together: copies of one photograph, and what the user's file names say belongs together."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.console import Advance
from batikkit.data import candidates, duplicates
from batikkit.data.dataset import Sample
from batikkit.data.duplicates import UnionFind, find_copies
from batikkit.data.fingerprint_cache import Cache, cache_file, read_cache, write_cache
from batikkit.data.inspection import Inspection, Skipped, inspect_all
from batikkit.errors import InputError

_METHOD = "pHash-8 of 7 parts, placed and aligned, 2"
"""Changes when the way copies are found changes, so that cached groups are not taken over."""


@dataclass(frozen=True)
class Examined:
    """Every image file of a set, inspected, and which of them are copies of each other.

    Attributes:
        inspections: The readable files, in the order asked for.
        skipped: The others.
        copies: int64 [N], for each inspection the smallest index in its group of copies.
    """

    inspections: tuple[Inspection, ...]
    skipped: tuple[Skipped, ...]
    copies: NDArray[np.int64]


def examine(root: Path, paths: Sequence[str], *, cache: bool = True, advance: Advance | None = None) -> Examined:
    """Inspects files and finds the copies among them, using and refreshing the cache.

    Args:
        root: The data set's folder.
        paths: POSIX paths relative to `root`.
        cache: Keep fingerprints between runs.
        advance: Called with (done, total), first for files, then for pairs.
    """
    file = cache_file(root)
    stored = read_cache(file) if cache else Cache()
    results = inspect_all(root, paths, known=stored.known, advance=advance)
    inspections = tuple(result for result in results if isinstance(result, Inspection))
    skipped = tuple(result for result in results if isinstance(result, Skipped))
    key = _groups_key(inspections)
    if key == stored.groups_key and len(stored.groups) == len(inspections):
        return Examined(inspections, skipped, stored.groups)
    copies = find_copies([i.look for i in inspections], [i.sha256 for i in inspections], advance=advance)
    if cache:
        write_cache(file, inspections, groups_key=key, groups=copies)
    return Examined(inspections, skipped, copies)


def _groups_key(inspections: Sequence[Inspection]) -> str:
    settings = (
        _METHOD,
        candidates.SEARCH_BITS,
        candidates.NEAREST,
        duplicates.MIN_AGREEMENT,
        duplicates.MAX_COLOUR_SHIFT,
    )
    digest = hashlib.sha256(repr(settings).encode())
    for inspection in inspections:
        digest.update(inspection.sha256.encode())
    return digest.hexdigest()


def group_samples(
    samples: Sequence[Sample],
    copies: Sequence[int] | NDArray[np.int64],
    *,
    group_by: str | None = None,
    given: Mapping[str, str] | None = None,
) -> tuple[Sample, ...]:
    """Gives every sample the name of its group.

    Args:
        samples: The images.
        copies: int [N], for each sample an index of its group of copies.
        group_by: Regular expression searched in the relative path. Images of one class whose captured parts (without
            parentheses: the whole match) are equal belong together, in addition to copies.
        given: Relative path -> group of a split file, kept in addition to both.

    Raises:
        InputError: `group_by` is not a regular expression or matches no path.
    """
    sets = UnionFind(len(samples))
    first_of: dict[object, int] = {}
    for index, root in enumerate(copies):
        sets.union(index, first_of.setdefault(int(root), index))
    if group_by is not None:
        for index, key in _keys(samples, group_by).items():
            sets.union(index, first_of.setdefault(key, index))
    if given is not None:
        for index, sample in enumerate(samples):
            sets.union(index, first_of.setdefault(("given", given[sample.path]), index))
    members: dict[int, list[str]] = defaultdict(list)
    roots = sets.roots()
    for root, sample in zip(roots, samples, strict=True):
        members[int(root)].append(sample.sha256)
    # Named after content, so that the same files get the same groups whatever their order or folder.
    names = {root: min(digests)[:16] for root, digests in members.items()}
    return tuple(replace(sample, group=names[int(root)]) for root, sample in zip(roots, samples, strict=True))


def _keys(samples: Sequence[Sample], group_by: str) -> dict[int, tuple[str, ...]]:
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise InputError(f"--group-by {group_by!r} is not a regular expression: {error}") from error
    matches = {index: pattern.search(sample.path) for index, sample in enumerate(samples)}
    keys = {
        index: (samples[index].label, *(part or "" for part in match.groups() or (match.group(),)))
        for index, match in matches.items()
        if match
    }
    if not keys:
        raise InputError(f"--group-by {group_by!r} matches no path, such as {samples[0].path!r}: try the expression")
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
