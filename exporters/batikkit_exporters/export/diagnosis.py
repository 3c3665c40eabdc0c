"""What is wrong with how a model of a stranger is used: its scaling, its colours or the order of its labels.

Nobody can see from outside what pixels a network was trained on. Photographs can: fed as it should be, it is right on
more of them. No test photograph is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from batikkit.paired import mcnemar_p
from batikkit_exporters.source.loaded import ANSWER_BATCH, LoadedNet

LARGEST_P = 0.01
"""Another way of feeding has to be better by more than chance brings about this often."""
Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Way:
    """A way to feed a network other than with the pixels as they are.

    Attributes:
        low: What it is shown for black; `high`: for white.
        bgr: In this order.
    """

    low: float = 0.0
    high: float = 255.0
    bgr: bool = False

    def feed(self, pixels: Floats) -> Floats:
        """Float32 [N, S, S, 3] 0..255 as the network is shown them."""
        turned = pixels[..., ::-1] if self.bgr else pixels
        return np.ascontiguousarray(turned * ((self.high - self.low) / 255) + self.low, np.float32)

    def advice(self) -> tuple[str, str]:
        """What it is, and what to do about it."""
        scaled = (self.low, self.high) != (0.0, 255.0)
        what = [f"{self.low:g}..{self.high:g}"] * scaled + ["BGR"] * self.bgr
        cures = [f"export again with --input-range {self.low:g},{self.high:g}"] * scaled
        cures += ["let the model's first layer turn the colours round"] * self.bgr
        return f"fed {' in '.join(what)}", " and ".join(cures)


WAYS = tuple(Way(low, high, bgr) for bgr in (False, True) for low, high in ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0)))


@dataclass(frozen=True)
class Diagnosis:
    """How a model does as it is used now, and what would make it right.

    Attributes:
        n: Photographs.
        right: On how many of them it is right.
        classes: How many motifs there are to choose from.
        named: How many of them it named at all.
        better: What would be better, and how to have that; empty: nothing found.
    """

    n: int
    right: int
    classes: int
    named: int
    better: str = ""

    @property
    def no_better_than_chance(self) -> bool:
        """Whether it names one motif for everything, or naming any would be right as often."""
        return self.named < 2 <= self.classes or self.right * self.classes <= self.n


def diagnose(net: LoadedNet, images: Pixels, truth: NDArray[np.int64], *, labels: Sequence[str]) -> Diagnosis:
    """Tries a model on photographs as it is, and otherwise.

    Args:
        net: The model, which takes pixels 0..255.
        images: uint8 [N, S, S, 3].
        truth: int64 [N].
        labels: In output order.
    """
    named = _named(net, images, Way())
    right = named == truth
    found = Diagnosis(len(truth), int(right.sum()), len(labels), len(set(named.tolist())))
    tried = [(way, _named(net, images, way)) for way in WAYS[1:]]
    way, answers = max(tried, key=lambda pair: int(np.sum(pair[1] == truth)))
    order = _reordered(named, truth, len(labels))
    if order is not None and _clearly_better(right, order[named] == truth):
        share = np.mean(order[named] == truth)
        listed = ", ".join(labels[index] for index in order)
        better = f"with the labels in the order {listed} it is right on {share:.0%}: correct the label file"
        return replace(found, better=better)
    if _clearly_better(right, answers == truth):
        what, cure = way.advice()
        better = f"{what} it is right on {np.mean(answers == truth):.0%}: {cure}"
        return replace(found, better=better)
    return found


def _named(net: LoadedNet, images: Pixels, way: Way) -> NDArray[np.int64]:
    starts = range(0, len(images), ANSWER_BATCH)
    fed = (way.feed(images[s : s + ANSWER_BATCH].astype(np.float32)) for s in starts)
    return np.concatenate([net.answer(pixels).argmax(axis=1) for pixels in fed])


def _reordered(named: NDArray[np.int64], truth: NDArray[np.int64], classes: int) -> NDArray[np.int64] | None:
    """The label that each output most often stands for, int64 [C]; None where two would be the same."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (named, truth), 1)
    order = np.asarray(counts.argmax(axis=1), np.int64)
    return order if len(set(order.tolist())) == classes and counts.sum(axis=1).min() > 0 else None


def _clearly_better(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> bool:
    return int(after.sum()) > int(before.sum()) and mcnemar_p(before, after) < LARGEST_P
