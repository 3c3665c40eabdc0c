"""What an export variant is: named, promised and made; its entry is the one place that knows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batikkit_exporters.variants.materials import Materials

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Order:
    """What the user decided about how files are made.

    Attributes:
        io: Input dtype of integer variants: `uint8` for phones and boards, `int8` for microcontrollers.
        compat: Oldest runtime that has to load every file, such as `2.14`.
        seed: Orders the photographs that a variant is trained on.
    """

    io: str = "uint8"
    compat: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Made:
    """The bare bytes of a `.tflite` file and how it was made, in words."""

    content: bytes
    method: str


@dataclass(frozen=True)
class Promise:
    """What a file is held to on photographs of the test split, beside the model it was made from.

    Attributes:
        agreement: Least share of photographs on which both name the same motif (0..1).
        difference: Largest change of a probability (0..1); None: nothing is promised of it.
        float16: Least agreement when it is computed in float16 (0..1); None: it is not made for that.
        images: Most photographs it is tried on, for kernels too slow for all of them; None: all.
    """

    agreement: float
    difference: float | None = None
    float16: float | None = None
    images: int | None = None


Make = Callable[["Materials", Order, Advance], Made]


@dataclass(frozen=True)
class Variant:
    """One way to write a network.

    Attributes:
        name: Of the variant, its file and its option.
        summary: A line of `--help`.
        statement: Where it runs well and where it does not; written into the file.
        promise: What it is held to.
        make: Makes it.
        activations: What is computed in: `float32`, `int8` or `int16`.
        integer: All kernels must be integer; the file is refused otherwise.
        calibrated: Needs calibration photographs.
        apart: Made in a process of its own, since it takes long and needs no framework's model.
        trained: Its weights are fine-tuned on the train split, with the float network as teacher.
        zipped: Made for small archives; the size in one is stated.
        default: Made when the user names none.
    """

    name: str
    summary: str
    statement: str
    promise: Promise
    make: Make
    activations: str = "float32"
    integer: bool = False
    calibrated: bool = False
    apart: bool = False
    trained: bool = False
    zipped: bool = False
    default: bool = False
