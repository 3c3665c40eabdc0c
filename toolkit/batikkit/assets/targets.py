"""What the "not sure" rule aims at, and whether a model reaches it on images that chose nothing."""

from __future__ import annotations

from dataclasses import dataclass

from batikkit.assets import rejection
from batikkit.assets.figures import VariantFigures


@dataclass(frozen=True)
class Target:
    """One aim of one model.

    Attributes:
        what: What is counted.
        limit: The share aimed at (0..1).
        at_least: Whether the limit is the least; else it is the most.
        value: What was found.
        ci95: Its 95 % interval.
        advice: What follows from missing it.
    """

    what: str
    limit: float
    at_least: bool
    value: float
    ci95: tuple[float, float]
    advice: str

    @property
    def met(self) -> bool:
        """Whether the figure found reaches the limit."""
        return self._reached(self.value)

    @property
    def certain(self) -> bool:
        """Whether both ends of the interval say the same as the figure."""
        return all(self._reached(end) == self.met for end in self.ci95)

    @property
    def wanted(self) -> str:
        """`at least 90%`."""
        return f"at {'least' if self.at_least else 'most'} {self.limit:.0%}"

    @property
    def verdict(self) -> str:
        """`met` or `missed`, and whether the interval reaches across the limit."""
        return ("met" if self.met else "missed") + ("" if self.certain else ", but the interval holds both")

    def _reached(self, share: float) -> bool:
        return share >= self.limit if self.at_least else share <= self.limit


def targets(figures: VariantFigures) -> tuple[Target, ...]:
    """The three aims of the rule."""
    kept = figures.selective
    return (
        Target(
            "test images on which a motif is named", rejection.MIN_COVERAGE, True, kept.coverage, kept.coverage_ci95,
            "it answers \"not sure\" on more photographs than it was made to",
        ),
        Target(
            "wrong motifs among those named", rejection.MAX_ERROR, False, kept.error, kept.error_ci95,
            "a motif that it names is wrong more often than it was made to be",
        ),
        Target(
            "drawn strangers on which a motif is named", rejection.MAX_FOREIGN, False, figures.foreign_named,
            figures.foreign_ci95,
            "confidence alone is a weak guard against other things: do not present the answer as a detector of batik",
        ),
    )  # fmt: skip
