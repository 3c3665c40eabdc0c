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
        zipped: Made for small archives; the size in one is stated.
        trained: The weights are fine-tuned on the train split, with the float network as teacher.
        weights: What the weights are stored as: `float32`, `float16` or `int8`.
        activations: What activations are computed in: `float32`, `int8` or `int16`.
    """

    name: str
    statement: str
    weights: str
    activations: str
    calibrated: bool = False
    integer: bool = False
    trained: bool = False
    zipped: bool = False


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
            "A quarter of the size without calibration; needs a 2.17 or newer runtime (2.14 with --compat 2.14) and is "
            "slower than int8.",
            weights="int8",
            activations="float32",
        ),
        Recipe(
            "int16x8",
            "int8 weights with 16-bit activations, for NPUs and DSPs that want them; reference kernels on a CPU, a "
            "hundred times slower than int8.",
            weights="int8",
            activations="int16",
            calibrated=True,
            integer=True,
        ),
        Recipe(
            "int8-qat",
            "int8 fine-tuned for some epochs to answer as the float network; for when int8 loses too much; minutes of "
            "training, same size and speed as int8.",
            weights="int8",
            activations="int8",
            calibrated=True,
            integer=True,
            trained=True,
        ),
        Recipe(
            "pruned",
            "Half of the larger layers' weights are zero: a smaller download (gzip), not a smaller or faster file.",
            weights="float32",
            activations="float32",
            calibrated=True,
            trained=True,
            zipped=True,
        ),
        Recipe(
            "clustered",
            "32 distinct values per larger layer: a much smaller download (gzip), not a smaller or faster file.",
            weights="float32",
            activations="float32",
            calibrated=True,
            trained=True,
            zipped=True,
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
