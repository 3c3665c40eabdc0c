"""What is checked of every converted file before it may be called an export."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError, VerificationError
from batikkit.images import RESIZE
from batikkit.manifest import Calibration, InputSpec, Manifest, OpUse, OutputSpec
from batikkit.tflite.file import TfliteModel, read_tflite
from batikkit.tflite.runtime import open_model
from batikkit_exporters.recipes import Recipe

LARGEST_DIFFERENCE = {"float32": 1e-3, "float16": 2e-2}
"""Largest accepted change of any probability against Keras for variants that should answer alike (0..1).

Measured differences are about 1e-6 and 1e-3; these bounds catch a wrong conversion, not rounding.
"""


def prove_contract(path: Path, recipe: Recipe, *, labels: Sequence[str], io: str = "uint8") -> TfliteModel:
    """Reads the file back and checks the pixel contract, the output and, for integer variants, the kernels.

    Raises:
        VerificationError: the file is not what the recipe promises.
    """
    model = read_tflite(path)
    source, result = model.inputs[0], model.outputs[0]
    wanted = "float32" if recipe.activations == "float32" else io
    if len(source.shape) != 4 or source.shape[0] != 1 or source.shape[3] != 3 or source.dtype != wanted:
        raise VerificationError(f"{path.name} takes {source.dtype} {source.shape}, promised {wanted} [1, S, S, 3]")
    exact = {"uint8": (1.0, 0), "int8": (1.0, -128)}.get(source.dtype)
    if exact and (source.scale, source.zero_point) != exact:
        raise VerificationError(
            f"{path.name} has input quantization ({source.scale}, {source.zero_point}) instead of {exact}: raw pixels "
            "would be shifted; calibrate with the 0 and 255 anchors"
        )
    if result.shape[-1] != len(labels):
        raise VerificationError(f"{path.name} has {result.shape[-1]} outputs for {len(labels)} labels")
    if recipe.integer and not model.integer_only:
        raise VerificationError(f"{path.name} is not integer-only: {'; '.join(model.non_integer[:3])}")
    return model


def prove_answers(path: Path, recipe: Recipe, *, images: NDArray[np.uint8], reference: NDArray[np.float32]) -> float:
    """Runs the file on uint8 [N, S, S, 3] and returns the largest probability difference against Keras float32 [N, C].

    Raises:
        VerificationError: a float variant that does not answer like Keras, or probabilities that do not sum to 1.
    """
    answers = open_model(path).predict(images)
    difference = float(np.abs(answers - reference).max())
    if not np.allclose(answers.sum(axis=1), 1.0, atol=0.05):
        raise VerificationError(f"{path.name} gives scores that do not sum to 1: the network must end in softmax")
    limit = LARGEST_DIFFERENCE.get(recipe.name, 1.0)
    if difference > limit:
        raise VerificationError(f"{path.name} differs from Keras by {difference:.3g} in a probability, limit {limit:g}")
    return difference


def describe(
    model: TfliteModel,
    recipe: Recipe,
    *,
    run_id: str,
    labels_sha256: str,
    calibration: Calibration | None,
    tools: dict[str, str],
    method: str = "",
) -> Manifest:
    """The manifest of a proven file."""
    source, result = model.inputs[0], model.outputs[0]
    return Manifest(
        run_id=run_id,
        variant=recipe.name,
        sha256=model.sha256,
        size_bytes=model.size_bytes,
        input=InputSpec(source.name, source.shape, source.dtype, source.scale, source.zero_point, resize=RESIZE),
        output=OutputSpec(result.name, result.shape, result.dtype, result.scale, result.zero_point),
        labels_sha256=labels_sha256,
        ops={name: OpUse(op.version, op.count) for name, op in sorted(model.ops.items())},
        min_runtime=model.min_runtime or "unknown",
        integer_only=model.integer_only,
        calibration=calibration if recipe.calibrated else None,
        tools=tools,
        method=method,
        gzip_bytes=gzip_bytes(model.path.read_bytes()) if recipe.zipped else None,
        non_integer=model.non_integer if recipe.integer else (),
    )


def check_compat(model: TfliteModel, compat: str | None) -> None:
    """Refuses a file that a runtime of this version would refuse.

    Raises:
        VerificationError: it needs a newer one.
    """
    if compat is not None and model.min_runtime and release(model.min_runtime) > release(compat):
        raise VerificationError(
            f"{model.path.name} needs a {model.min_runtime} runtime, --compat asks for {compat}: leave this variant out"
        )


def gzip_bytes(content: bytes) -> int:
    """Size of a file in an archive [bytes]; the same on every run."""
    return len(gzip.compress(content, compresslevel=9, mtime=0))


def release(version: str) -> tuple[int, int]:
    """Major and minor number of a version such as `2.14.0`.

    Raises:
        InputError: not a version.
    """
    parts = version.split(".")
    if len(parts) < 2 or not all(part.isdigit() for part in parts[:2]):
        raise InputError(f"--compat {version!r} is not a version: give one such as 2.14")
    return int(parts[0]), int(parts[1])
