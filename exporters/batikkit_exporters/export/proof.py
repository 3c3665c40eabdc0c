"""What is checked of every converted file before it may be called an export."""

from __future__ import annotations

import contextlib
import gzip
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError, VerificationError
from batikkit.images import RESIZE
from batikkit.manifest import Calibration, InputSpec, Manifest, OpUse, OutputSpec, Proof
from batikkit.parity_pack import ParityPack, iter_images
from batikkit.tflite.file import TfliteModel, read_tflite
from batikkit.tflite.runtime import LoadedModel, open_in_float16, open_model
from batikkit_exporters.variants.variant import Promise, Variant

Scores = NDArray[np.float32]


def prove_contract(path: Path, variant: Variant, *, labels: Sequence[str], io: str = "uint8") -> TfliteModel:
    """Reads the file back and checks the pixel contract, the output and, for integer variants, the kernels.

    Raises:
        VerificationError: the file is not what the variant promises.
    """
    model = read_tflite(path)
    source, result = model.inputs[0], model.outputs[0]
    wanted = "float32" if variant.activations == "float32" else io
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
    if variant.integer and not model.integer_only:
        raise VerificationError(f"{path.name} is not integer-only: {'; '.join(model.non_integer[:3])}")
    return model


def prove_answers(path: Path, promise: Promise, *, pack: ParityPack) -> Proof:
    """Runs the file on the photographs of a parity pack, an even stride of them where the promise limits their number.

    Raises:
        VerificationError: scores that do not sum to 1, which no option keeps.
    """
    step = 1 if promise.images is None else -(-len(pack.labels) // promise.images)
    reference = pack.probabilities[::step]
    answers = _answers(open_model(path), pack, step)
    if not np.allclose(answers.sum(axis=1), 1.0, atol=0.05):
        raise VerificationError(f"{path.name} gives scores that do not sum to 1: the network must end in softmax")
    float16 = None
    if promise.float16 is not None:
        with contextlib.suppress(InputError):  # not every processor and runtime can
            float16 = _agreement(_answers(open_in_float16(path), pack, step), reference)
    return Proof(
        n=len(answers),
        agreement=_agreement(answers, reference),
        largest_difference=float(np.abs(answers - reference).max()),
        least_agreement=promise.agreement,
        difference_limit=promise.difference,
        float16_agreement=float16,
    )


def _answers(model: LoadedModel, pack: ParityPack, step: int) -> Scores:
    return np.stack([model.classify(image) for image in itertools.islice(iter_images(pack), 0, None, step)])


def _agreement(answers: Scores, reference: Scores) -> float:
    return float(np.mean(answers.argmax(axis=1) == reference.argmax(axis=1)))


def broken_promise(name: str, promise: Promise, proof: Proof) -> str | None:
    """What a file does not keep of its promise, in a sentence; None: it keeps it."""
    promised = [(proof.agreement, promise.agreement, "")]
    if proof.float16_agreement is not None and promise.float16 is not None:
        promised.append((proof.float16_agreement, promise.float16, ", computed in float16,"))
    for agreement, least, how in promised:
        differ = round((1 - agreement) * proof.n)
        if differ > may_differ(proof.n, least):
            return (
                f"{name}{how} names another motif than the model on {differ} of {proof.n} test photographs; its "
                f"promise is {least:.1%} agreement"
            )
    if promise.difference is not None and proof.largest_difference > promise.difference:
        changed = f"{name} differs from the model by {proof.largest_difference:.3g} in a probability"
        return f"{changed}, limit {promise.difference:g}"
    return None


def may_differ(n: int, least: float) -> int:
    """On how many of n photographs a file may name another motif when it promises an agreement of `least` (0..1).

    One may always differ, where there are several: on ten of them nothing above 90 % could be promised.
    """
    return max(int(round((1 - least) * n, 6)), min(1, n - 1))  # 0.1 * 100 is below 10


def describe(
    model: TfliteModel,
    variant: Variant,
    *,
    run_id: str,
    labels_sha256: str,
    calibration: Calibration | None,
    tools: dict[str, str],
    method: str,
    proof: Proof,
) -> Manifest:
    """The manifest of a proven file."""
    source, result = model.inputs[0], model.outputs[0]
    return Manifest(
        run_id=run_id,
        variant=variant.name,
        sha256=model.sha256,
        size_bytes=model.size_bytes,
        input=InputSpec(source.name, source.shape, source.dtype, source.scale, source.zero_point, resize=RESIZE),
        output=OutputSpec(result.name, result.shape, result.dtype, result.scale, result.zero_point),
        labels_sha256=labels_sha256,
        ops={name: OpUse(op.version, op.count) for name, op in sorted(model.ops.items())},
        min_runtime=model.min_runtime or "unknown",
        integer_only=model.integer_only,
        calibration=calibration if variant.calibrated else None,
        tools=tools,
        method=method,
        gzip_bytes=gzip_bytes(model.path.read_bytes()) if variant.zipped else None,
        non_integer=model.non_integer if variant.integer else (),
        proof=proof,
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
