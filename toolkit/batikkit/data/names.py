"""File names that tell which images belong together: a `--group-by` pattern, and how far it agrees with the pictures.

Names such as `Kawung_03_2_rot10.jpg` often carry the number of the cloth. Which part of a name that is, the pictures
say: a good part is equal where they show one photograph or cloth, and different where they do not.
"""

from __future__ import annotations

import itertools
import math
import re
import shlex
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from batikkit.data.dataset import Sample
from batikkit.data.findings import Finding

MIN_AGREEMENT = 0.5
"""Adjusted Rand index from which names and pictures are said to agree: halfway from chance to perfect."""

MIN_RECALL = 0.9
"""Where pictures find only some of what belongs together the index is low: then names must hardly tear what they found.
"""

MAX_COARSE = 0.25
"""Such names must also tell apart: at most this share of the pairs within motifs may have equal keys."""

MIN_GROUPS = 5
"""Groups of pictures below which any agreement may be an accident of how few there are."""

MAX_CHANCE = 1e-5
"""Probability of so much agreement by accident; some 80 patterns are tried on every set."""

_TRIED = 400
"""Images of the pictures' groups on which every pattern is tried before it is counted on all images."""

_FIELD, _SEPARATOR = r"[^-_ ./]", r"[-_ .]"
_REST, _SUFFIX = r"[^/]*$", r"\.[^./]+$"
_MOST_PARTS = 5


@dataclass(frozen=True)
class NamePattern:
    r"""A part of the file names, beside what the pictures show, counted in pairs of images of one motif.

    Attributes:
        pattern: Regular expression for `--group-by`, such as `patch(\d+)`.
        groups: Groups of images it makes, single images included.
        joined_pairs: Pairs that the pictures join.
        recall: Share of those that have equal keys, 0..1.
        named_pairs: Pairs that have equal keys.
        precision: Share of those that the pictures join, 0..1.
        agreement: Adjusted Rand index (Hubert and Arabie 1985) over the pairs within motifs: 1 for equal groups; 0 on
            average for a key that has nothing to do with the pictures, and for one that is always or never equal.
    """

    pattern: str
    groups: int
    joined_pairs: int
    recall: float
    named_pairs: int
    precision: float
    agreement: float


def propose_patterns(
    paths: Sequence[str], labels: Sequence[str], together: Sequence[Hashable], *, limit: int = 1
) -> tuple[NamePattern, ...]:
    """The patterns of file names that agree best with what the pictures show; none where names say nothing.

    Args:
        paths: POSIX paths relative to the data set's folder.
        labels: For each the motif; only images of one motif are compared, as `--group-by` does.
        together: For each the group that the pictures put it in; need not be complete.
        limit: Most patterns to return. Patterns that make equal groups count once, as the simplest of them.
    """
    groups = _groups_of(labels, together)
    if len(groups) < MIN_GROUPS:
        return ()
    tried = list(itertools.chain.from_iterable(groups))[:_TRIED]
    found: dict[tuple[int, ...], NamePattern] = {}
    for pattern in sorted(set(_patterns(paths)), key=_complexity):
        if _tears(pattern, paths, labels, together, tried):
            continue
        keys = _keys(pattern, paths, labels)
        if keys not in found:
            found[keys] = _compare(pattern, keys, labels, together)
    total = _pairs(labels)
    agreeing = [known for keys, known in found.items() if _agrees(known, keys, groups, total)]
    # Two digits: a longer pattern must be better by more than a few images.
    agreeing.sort(key=lambda known: (-round(known.agreement, 2), _complexity(known.pattern)))
    return tuple(agreeing[:limit])


def name_findings(samples: Sequence[Sample], *groupings: Sequence[Hashable]) -> list[Finding]:
    """A finding that names a ready `--group-by`, from the first of the groupings that file names agree with."""
    paths, labels = [sample.path for sample in samples], [sample.label for sample in samples]
    different = {_numbered(together): together for together in groupings}
    for together in different.values():
        for known in propose_patterns(paths, labels, together):
            message = (
                f"file names agree with the pictures: {known.recall:.0%} of the {known.joined_pairs} pairs that "
                f"pictures join have equal names by {known.pattern}, and pictures join {known.precision:.0%} of the "
                f"{known.named_pairs} pairs with equal names"
            )
            option = f"--group-by {shlex.quote(known.pattern)}"
            advice = f"if that part of the names tells the cloth, add {option}: it makes {known.groups} groups"
            return [Finding("names-agree", "info", message, advice)]
    return []


def _patterns(paths: Sequence[str]) -> Iterator[str]:
    """Regular expressions for single parts of the names and for short combinations of them."""
    stems = [PurePosixPath(path).stem for path in paths]
    numbers = min(max(len(re.findall(r"\d+", stem)) for stem in stems), _MOST_PARTS)
    fields = min(max(len(re.findall(f"{_FIELD}+", stem)) for stem in stems), _MOST_PARTS)
    yield from _after_words(stems)
    yield from _by_place(numbers, r"\d", r"[^/\d]", end=r"[^/\d]*$")
    yield from _by_place(fields, _FIELD, _SEPARATOR, end=_SUFFIX)
    for k in range(1, fields):
        yield f"([^/]*{_FIELD}){_times(f'{_SEPARATOR}+{_FIELD}+', k)}{_SUFFIX}"
    yield rf"(?:^|/)([^/\d]+)\d{_REST}"
    for depth in range(min(max(path.count("/") for path in paths), 3)):
        yield rf"([^/]+)/{_times('[^/]+/', depth)}[^/]+$"
        yield rf"([^/]+)/{_times('[^/]+/', depth)}[^/\d]*(\d+){_REST}"


def _by_place(count: int, inside: str, between: str, *, end: str) -> Iterator[str]:
    """The k-th part of the name, from the left or from the right, and two parts from the left.

    Args:
        count: Parts to try.
        inside: A character of a part.
        between: A character between parts; what is neither is not crossed.
        end: What follows the last part.
    """
    start, part = f"(?:^|/){between}*", f"({inside}+)"
    for k in range(count):
        yield f"{start}{_times(f'{inside}+{between}+', k)}{part}{_REST}"
        yield f"{part}{_times(f'{between}+{inside}+', k)}{end}"
    for i, j in itertools.combinations(range(count), 2):
        middle = f"{between}+{_times(f'{inside}+{between}+', j - i - 1)}"
        yield f"{start}{_times(f'{inside}+{between}+', i)}{part}{middle}{part}{_REST}"


def _times(expression: str, count: int) -> str:
    return "" if count == 0 else expression if count == 1 else f"(?:{expression}){{{count}}}"


def _after_words(stems: Sequence[str]) -> Iterator[str]:
    r"""`patch(\d+)`: the number behind a word that most names have, and two such numbers."""
    counts = Counter(word for stem in stems for word in sorted(set(re.findall(r"[^\W\d_]+[-_ ]?(?=\d)", stem))))
    common = [word for word, count in counts.most_common(4) if count >= 0.8 * len(stems)]
    # In the order of the names, since a combination reads from left to right.
    common.sort(key=lambda word: sum(stem.find(word) for stem in stems))
    for word in common:
        yield rf"{word}(\d+)"
    for first, second in itertools.combinations(common, 2):
        yield rf"{first}(\d+)[^/]*{second}(\d+)"


def _complexity(pattern: str) -> tuple[int, int, str]:
    return re.compile(pattern).groups, len(pattern), pattern


def _keys(pattern: str, paths: Sequence[str], labels: Sequence[str]) -> tuple[int, ...]:
    """For each image the first one with the same key; itself where the pattern does not match."""
    matches = map(re.compile(pattern).search, paths)
    return _numbered((label, m.groups()) if m else i for i, (label, m) in enumerate(zip(labels, matches, strict=True)))


def _numbered(groups: Iterable[Hashable]) -> tuple[int, ...]:
    """For each image the first one of its group: equal for equal groupings, whatever the groups are called."""
    first: dict[Hashable, int] = {}
    return tuple(first.setdefault(group, index) for index, group in enumerate(groups))


def _compare(pattern: str, keys: Sequence[int], labels: Sequence[str], together: Sequence[Hashable]) -> NamePattern:
    named, joined = _pairs(keys), _pairs(zip(labels, together, strict=True))
    both = _pairs(zip(keys, together, strict=True))
    expected = named * joined / max(_pairs(labels), 1)
    room = (named + joined) / 2 - expected
    return NamePattern(
        pattern=pattern,
        groups=len(set(keys)),
        joined_pairs=joined,
        recall=both / joined if joined else 0.0,
        named_pairs=named,
        precision=both / named if named else 0.0,
        agreement=(both - expected) / room if room > 0 else 0.0,
    )


def _tears(
    pattern: str, paths: Sequence[str], labels: Sequence[str], together: Sequence[Hashable], tried: Sequence[int]
) -> bool:
    """So many of these images' pairs have unequal keys that the pattern cannot agree: a quick look before the count."""
    keys = _keys(pattern, [paths[i] for i in tried], [labels[i] for i in tried])
    joined = _pairs((labels[i], together[i]) for i in tried)
    both = _pairs((key, together[i]) for key, i in zip(keys, tried, strict=True))
    return both < joined * MIN_AGREEMENT / 2


def _agrees(known: NamePattern, keys: Sequence[int], groups: Sequence[Sequence[int]], total: int) -> bool:
    coarse = known.named_pairs / total
    if known.agreement < MIN_AGREEMENT and (known.recall < MIN_RECALL or coarse > MAX_COARSE):
        return False
    whole = sum(len({keys[index] for index in group}) == 1 for group in groups)
    return _tail(whole, len(groups), coarse) <= MAX_CHANCE


def _groups_of(labels: Sequence[str], together: Sequence[Hashable]) -> list[list[int]]:
    """The pictures' groups of two or more images within a motif, as indices."""
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(zip(labels, together, strict=True)):
        members.setdefault(group, []).append(index)
    return [group for group in members.values() if len(group) > 1]


def _tail(least: int, trials: int, probability: float) -> float:
    """Probability of at least `least` hits in a binomial distribution."""
    return math.fsum(
        math.comb(trials, hits) * probability**hits * (1 - probability) ** (trials - hits)
        for hits in range(least, trials + 1)
    )


def _pairs(groups: Iterable[Hashable]) -> int:
    """Pairs of images in one group."""
    return sum(math.comb(size, 2) for size in Counter(groups).values())
