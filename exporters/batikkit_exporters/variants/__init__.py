"""The export variants: every entry once, in the order in which they are offered. Light, until one is made."""

from __future__ import annotations

from batikkit.errors import InputError
from batikkit.nearest import choices
from batikkit_exporters.variants.floating import DYNAMIC, FLOAT16, FLOAT32
from batikkit_exporters.variants.integer import INT8, INT16X8
from batikkit_exporters.variants.trained import CLUSTERED, INT8_QAT, PRUNED
from batikkit_exporters.variants.variant import Variant

VARIANTS = {
    variant.name: variant
    for variant in (FLOAT32, FLOAT16, INT8, DYNAMIC, INT16X8, INT8_QAT, PRUNED, CLUSTERED)
}  # fmt: skip
DEFAULT_VARIANTS = tuple(name for name, variant in VARIANTS.items() if variant.default)


def find_variant(name: str) -> Variant:
    """The variant of that name.

    Raises:
        InputError: there is none.
    """
    if name not in VARIANTS:
        raise InputError(f"unknown variant {name!r}: {choices(name, VARIANTS)}")
    return VARIANTS[name]
