"""The export variants as named data: what each one is, and where it runs well."""

from __future__ import annotations

from dataclasses import dataclass

from batikkit.errors import InputError


@dataclass(frozen=True)
class Recipe:
    """How one variant is converted.

    Attributes:
        name: Variant and file name.
        statement: Where it runs well and where it does not.
        calibrated: Needs a representative data set.
        integer: All kernels must be integer; the file is refused otherwise.
        weights: What the weights are stored as: `float32`, `float16` or `int8`.
        activations: What activations are computed in: `float32`, `int8` or `int16`.
    """

    name: str
    statement: str
    weights: str
    activations: str
    calibrated: bool = False
    integer: bool = False


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "float32",
            "The reference: runs everywhere, four times the size of int8.",
            weights="float32",
            activations="float32",
        ),
        Recipe(
            "float16",
            "Half the size at the same answers; computes in float32 on a CPU, in float16 on GPUs and ARMv8.2.",
            weights="float16",
            activations="float32",
        ),
        Recipe(
            "int8",
            "A quarter of the size; fastest on ARM CPUs and required by DSPs and NPUs; little or no gain on x86.",
            weights="int8",
            activations="int8",
            calibrated=True,
            integer=True,
        ),
        Recipe(
            "dynamic",
            "A quarter of the size without calibration; needs a 2.17 or newer runtime and is slower than int8.",
            weights="int8",
            activations="float32",
        ),
        Recipe(
            "int16x8",
            "int8 weights with 16-bit activations: nearly float accuracy; reference kernels only, so slow on a CPU.",
            weights="int8",
            activations="int16",
            calibrated=True,
            integer=True,
        ),
    )
}
DEFAULT_VARIANTS = ("float32", "float16", "int8")


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        InputError: there is none.
    """
    if name not in RECIPES:
        raise InputError(f"unknown variant {name!r}: choose {', '.join(RECIPES)}")
    return RECIPES[name]
