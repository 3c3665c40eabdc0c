"""Checks a folder of assets on the machine it lies on: hashes, labels, metadata, and every golden vector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from batikkit.assets.golden import EXPECTED_FILE, GOLDEN_FOLDER, GoldenVector, read_expected
from batikkit.assets.manifest import ASSETS_MANIFEST, AssetsManifest, AssetVariant, read_assets_manifest
from batikkit.digest import file_sha256
from batikkit.errors import InputError, VerificationError
from batikkit.images import load_pixels
from batikkit.labels import LABELS_FILE, labels_sha256, read_labels
from batikkit.tflite.file import read_tflite
from batikkit.tflite.metadata import read_metadata
from batikkit.tflite.runtime import LoadedModel, open_model

ROUNDS = 3
"""How often each golden image is classified; the generated instrumented test does the same."""


@dataclass(frozen=True)
class Passed:
    """One thing that was found right, and the largest score difference where scores were compared."""

    what: str
    largest_difference: float | None = None


def verify_folder(folder: Path, *, runtime: str | None = None) -> Iterator[Passed]:
    """Yields what holds, in order; ends with the first difference.

    Args:
        folder: A folder of assets.
        runtime: Name of a runtime; the first that works when None.

    Raises:
        InputError: not a folder of assets, or no runtime works.
        VerificationError: something differs.
    """
    manifest = read_assets_manifest(folder)
    yield _files(folder, manifest)
    yield _labels(folder, manifest)
    vectors = read_expected(folder / GOLDEN_FOLDER / EXPECTED_FILE)
    for variant in manifest.variants:
        yield _passport(folder, variant, manifest)
        model = open_variant(folder, manifest, variant.name, runtime=runtime)
        yield _golden(folder, variant, model, vectors)


def open_variant(folder: Path, manifest: AssetsManifest, name: str, *, runtime: str | None = None) -> LoadedModel:
    """Loads a model of the folder, tried out in a process of its own first.

    Raises:
        InputError: no such model, or it does not load.
    """
    return open_model(folder / manifest.variant(name).file, runtime=runtime)


def _files(folder: Path, manifest: AssetsManifest) -> Passed:
    listed = {**manifest.files, **{v.file: v.manifest.sha256 for v in manifest.variants}}
    for name, digest in listed.items():
        path = folder / name
        if not path.is_file():
            raise VerificationError(f"{path} is missing: copy the whole folder again")
        found = file_sha256(path)
        if found != digest:
            raise VerificationError(
                f"{path} is not the file that {ASSETS_MANIFEST} lists (SHA-256 {found[:12]}..., not {digest[:12]}...): "
                "copy the folder again, in binary"
            )
    return Passed(f"{len(listed)} files have the SHA-256 of {ASSETS_MANIFEST}")


def _labels(folder: Path, manifest: AssetsManifest) -> Passed:
    labels = read_labels(folder / LABELS_FILE)
    if labels != manifest.labels:
        raise VerificationError(f"{folder / LABELS_FILE} names {labels}, {ASSETS_MANIFEST} {manifest.labels}")
    return Passed(f"{len(labels)} labels in the order of the outputs")


def _passport(folder: Path, variant: AssetVariant, manifest: AssetsManifest) -> Passed:
    """The manifest says of the model what the model is, and the metadata inside says the same."""
    path, said = folder / variant.file, variant.manifest
    model = read_tflite(path)
    for what, claimed, tensor in (("input", said.input, model.inputs[0]), ("output", said.output, model.outputs[0])):
        for name in ("name", "shape", "dtype", "scale", "zero_point"):
            _same(path, f"{what} {name}", getattr(claimed, name), getattr(tensor, name))
    _same(path, "size_bytes", said.size_bytes, model.size_bytes)
    _same(path, "ops", {n: (op.version, op.count) for n, op in said.ops.items()},
          {n: (op.version, op.count) for n, op in model.ops.items()})  # fmt: skip
    _same(path, "integer_only", said.integer_only, model.integer_only)
    metadata = read_metadata(path.read_bytes(), name=variant.file)
    if metadata is None:
        raise VerificationError(f"{path} carries no metadata: MediaPipe refuses it; export it again")
    facts = {
        "labels": (metadata.labels, manifest.labels),
        "mean and deviation": ((set(metadata.mean), set(metadata.std)), ({0.0}, {1.0})),
        "colour": (metadata.color_space, "RGB"),
        "labels_sha256": (labels_sha256(manifest.labels), variant.manifest.labels_sha256),
        "pixel range": (metadata.input_range, (0.0, 255.0)),
    }
    for name, (found, wanted) in facts.items():
        if found != wanted:
            raise VerificationError(f"{path}: {name} is {found}, expected {wanted}; export it again")
    return Passed(f"{variant.file}: metadata with labels, RGB, raw pixels 0..255")


def _same(path: Path, name: str, claimed: object, found: object) -> None:
    if claimed != found:
        raise VerificationError(
            f"{ASSETS_MANIFEST} says that {name} of {path.name} is {claimed}, it is {found}: make the folder again "
            "with 'batikkit assets'"
        )


def _golden(folder: Path, variant: AssetVariant, model: LoadedModel, vectors: tuple[GoldenVector, ...]) -> Passed:
    """Every image `ROUNDS` times, in another order each time: some paths answer right only the first time."""
    size = model.input.shape[1]
    pixels = {vector.file: load_pixels(folder / GOLDEN_FOLDER / vector.file, size) for vector in vectors}
    largest = 0.0
    for number in range(ROUNDS):
        for index in np.random.default_rng(number).permutation(len(vectors)):
            vector = vectors[index]
            expected = vector.scores.get(variant.name, {}).get("antialias")
            scores = model.classify(pixels[vector.file])
            if expected is None or expected.shape != scores.shape:
                found = "no" if expected is None else f"{len(expected)} of {len(scores)}"
                raise InputError(
                    f"{folder / GOLDEN_FOLDER / EXPECTED_FILE} has {found} scores of {variant.name} for {vector.file}: "
                    "make the folder again with 'batikkit assets'"
                )
            difference = float(np.abs(scores - expected).max())
            if not difference <= variant.tolerance:
                before = "" if number == 0 else f" in round {number + 1}, after {number} right"
                raise VerificationError(
                    f"{variant.file} on {vector.file}{before}: a score differs by {difference:.3f}, tolerance "
                    f"{variant.tolerance:g}, under {model.runtime}: try another with --runtime, see 'batikkit doctor'"
                )
            largest = max(largest, difference)
    return Passed(
        f"{variant.file}: scores of {len(vectors)} golden images, {ROUNDS} times in another order, under "
        f"{model.runtime}",
        largest,
    )
