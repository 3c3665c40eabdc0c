"""float32, float16 and dynamic: float arithmetic, as TensorFlow's converter writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batikkit_exporters.variants.variant import Advance, Made, Order, Promise, Variant

if TYPE_CHECKING:
    from batikkit_exporters.variants.materials import Materials


def _float32(materials: Materials, _order: Order, _advance: Advance) -> Made:
    return Made(materials.float32(), "TensorFlow's converter")


def _float16(materials: Materials, order: Order, _advance: Advance) -> Made:
    from batikkit_exporters.convert import convert

    content = convert(materials.graph(), "float16", compat=order.compat)
    return Made(content, "TensorFlow's converter, float16 weights")


def _dynamic(materials: Materials, order: Order, _advance: Advance) -> Made:
    from batikkit_exporters.convert import convert

    content = convert(materials.graph(), "int8", compat=order.compat)
    return Made(content, "TensorFlow's converter, dynamic range")


# Measured differences are about 1e-6 and 1e-3; the bounds catch a wrong conversion, not rounding.
FLOAT32 = Variant(
    "float32",
    "The reference in full precision.",
    "The reference: runs everywhere, four times the size of int8.",
    Promise(agreement=0.995, difference=1e-3),
    _float32,
    default=True,
)
FLOAT16 = Variant(
    "float16",
    "Half the size, the same answers.",
    "Half the size at the same answers; GPUs and CPUs with float16 arithmetic (ARMv8.2) may compute in it, others "
    "compute in float32.",
    Promise(agreement=0.99, difference=2e-2, float16=0.995),
    _float16,
    default=True,
)
DYNAMIC = Variant(
    "dynamic",
    "int8 weights, float activations.",
    "A quarter of the size without calibration; needs a 2.17 or newer runtime (2.14 with --compat 2.14) and is "
    "slower than int8.",
    Promise(agreement=0.9),
    _dynamic,
)
