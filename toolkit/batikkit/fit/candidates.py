"""What is searched: backbones, widths and image sizes. Light: names and settings, no framework."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from batikkit.config import load_config
from batikkit.errors import InputError
from batikkit.settings import TrainConfig

PRESETS = {"mobilenet-v2": "best", "efficientnet-lite0": "best-lite0"}
"""Backbone -> the preset whose settings it is tried with, but for width and image size."""

WIDTHS = {"mobilenet-v2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4), "efficientnet-lite0": (1.0,)}
"""Backbone -> the widths that ImageNet weights were published for."""

IMAGE_SIZES = (96, 128, 160, 192, 224, 256, 288)
VARIANTS = ("float16", "int8")
"""What is shipped to boards: float32 is float16 twice as large."""

TUNED = (
    "phase2_epochs=10", "phase2_learning_rate=5e-5", "schedule=cosine", "warmup_epochs=1.0", "mixup=0.2",
    "early_stopping_patience=0",
)  # fmt: skip
"""Settings of fine-tuning behind a solved head, as `--set` takes them."""

_NAME = re.compile(r"(.+)-(\d+(?:\.\d+)?)-(\d+)")


@dataclass(frozen=True, order=True)
class Candidate:
    """A network that could be trained.

    Attributes:
        network: The backbone.
        alpha: Its width.
        image_size: Side of its input [pixels].
    """

    network: str
    alpha: float
    image_size: int

    @property
    def name(self) -> str:
        """`mobilenet-v2-0.35-128`: for files, and read back by `parse`."""
        return f"{self.backbone}-{self.image_size}"

    @property
    def backbone(self) -> str:
        """`mobilenet-v2-0.35`: the same at every image size."""
        return f"{self.network}-{self.alpha:g}"

    @property
    def title(self) -> str:
        """`mobilenet-v2 0.35, 128 px`."""
        width = f" {self.alpha}" if len(WIDTHS[self.network]) > 1 else ""
        return f"{self.network}{width}, {self.image_size} px"

    @property
    def preset(self) -> str:
        """The preset that it is trained with."""
        return PRESETS[self.network]

    def config(self, *, seed: int = 0, tuned: bool = False) -> TrainConfig:
        """The settings that it is trained with."""
        overrides = TUNED if tuned else ()
        return load_config(self.preset, overrides=overrides, image_size=self.image_size, alpha=self.alpha, seed=seed)

    def options(self, *, tuned: bool = False) -> tuple[str, ...]:
        """The same as words of a command line."""
        words = ["--preset", self.preset, "--image-size", f"{self.image_size}"]
        words += ["--backbone-alpha", f"{self.alpha:g}"] if self.alpha != 1.0 else []
        return (*words, *(word for setting in TUNED for word in ("--set", setting) if tuned))


def parse(name: str) -> Candidate:
    """The candidate of that name.

    Raises:
        InputError: there is no such network.
    """
    found = _NAME.fullmatch(name)
    if found is None or found[1] not in WIDTHS or float(found[2]) not in WIDTHS[found[1]]:
        raise InputError(f"{name!r} is no network of 'batikkit fit': measure the board again with 'bench --table'")
    return Candidate(found[1], float(found[2]), int(found[3]))


def all_backbones() -> tuple[tuple[str, float], ...]:
    """Every backbone with every width."""
    return tuple((network, alpha) for network, widths in WIDTHS.items() for alpha in widths)


def candidates(backbones: Iterable[tuple[str, float]], sizes: Iterable[int] = IMAGE_SIZES) -> tuple[Candidate, ...]:
    """These backbones at all sizes."""
    sides = tuple(sizes)
    return tuple(Candidate(network, alpha, side) for network, alpha in backbones for side in sides)
