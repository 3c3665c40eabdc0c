"""Exports a trained run: every wanted variant converted, proven and described, plus the parity pack."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit import atomic, runs
from batikkit.config import read_config
from batikkit.errors import InputError
from batikkit.frozen_graph import freeze
from batikkit.images import load_pixels
from batikkit.keras_backend import keras, tf
from batikkit.labels import LABELS_FILE, labels_sha256, read_labels, write_labels
from batikkit.manifest import Calibration, Manifest, manifest_path, write_manifest
from batikkit.model import load_model
from batikkit.motif_names import display_names
from batikkit.parity_pack import PARITY_FILE, write_parity_pack
from batikkit.split import SPLIT_FILE, SplitRow, check_unchanged, of_split, read_split
from batikkit_exporters.calibration import CALIBRATION_FILE, CalibrationSet, draw_calibration
from batikkit_exporters.convert import convert
from batikkit_exporters.metadata import ModelInfo, attach_metadata
from batikkit_exporters.proof import describe, prove_answers, prove_contract
from batikkit_exporters.recipes import Recipe, find_recipe

PROOF_IMAGES = 8
PARITY_LIMIT = 1000
"""Most test images in a parity pack: 1000 of 288 pixels are 250 MB, and tell a drop of a point apart."""

LICENSE = "that of the photographs it was trained on"

Report = Callable[[str], None]


@dataclass(frozen=True)
class Exported:
    """One finished variant.

    Attributes:
        path: The `.tflite` file.
        manifest: Its passport.
        largest_difference: Against Keras, over the first test images, in probability (0..1).
        seconds: Conversion and proof.
    """

    path: Path
    manifest: Manifest
    largest_difference: float
    seconds: float


def export_run(
    run: Path,
    *,
    variants: Sequence[str],
    data: Path | None = None,
    calibration_size: int = 200,
    seed: int = 0,
    io: str = "uint8",
    license: str = LICENSE,
    report: Report = lambda _line: None,
) -> list[Exported]:
    """Writes `<run>/export/`.

    Args:
        run: A finished run folder.
        variants: Names of recipes.
        data: Folder of the photographs, when they moved since training.
        calibration_size: Photographs in the representative data set.
        seed: Draws them.
        io: Input dtype of integer variants.
        license: What the files say about their terms of use.
        report: Called with one line per finished step.

    Raises:
        InputError: no model, no photographs, or an unknown variant.
        VerificationError: a converted file is not what its recipe promises; it is not kept.
    """
    recipes = [find_recipe(name) for name in variants]
    model_path = runs.model_file(run)
    config, labels = read_config(run / runs.CONFIG_FILE), read_labels(run / LABELS_FILE)
    rows = read_split(run / SPLIT_FILE)
    root = data or Path(runs.read_run(run)["data"]["root"])
    if not root.is_dir():
        raise InputError(f"the photographs of {run} are not at {root}: name their folder with --data DIR")
    calibration = draw_calibration(rows, root=root, image_size=config.image_size, size=calibration_size, seed=seed)
    net = load_model(model_path)
    if net.output.shape[-1] != len(labels):
        raise InputError(f"{model_path} has {net.output.shape[-1]} outputs for {len(labels)} labels: train again")
    folder = run / runs.EXPORT_FOLDER
    folder.mkdir(exist_ok=True)
    write_labels(folder / LABELS_FILE, labels)
    atomic.write_bytes(folder / CALIBRATION_FILE, calibration.csv())
    report("parity pack: running the Keras model on the test photographs")
    proof = _write_parity(folder / PARITY_FILE, net, rows, labels, root=root, image_size=config.image_size)
    exported = []
    frozen = freeze(net)
    for recipe in recipes:
        done = _export_one(frozen, recipe, folder, run.name, labels, calibration, proof, io, license)
        report(_line(done))
        exported.append(done)
    return exported


def _export_one(
    frozen: Any,
    recipe: Recipe,
    folder: Path,
    run_id: str,
    labels: tuple[str, ...],
    calibration: CalibrationSet,
    proof: tuple[NDArray[np.uint8], NDArray[np.float32]],
    io: str,
    license: str,
) -> Exported:
    started = time.perf_counter()
    content = convert(frozen, recipe, images=calibration.images, io=io)
    if io == "uint8":  # consumers of metadata refuse int8 pixels
        content = attach_metadata(content, info=_info(recipe, run_id, labels, folder, license))
    path = folder / f"{recipe.name}.tflite"
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(content)
        read = prove_contract(temporary, recipe, labels=labels, io=io)
        difference = prove_answers(temporary, recipe, images=proof[0], reference=proof[1])
    drawn = Calibration(len(calibration.samples), calibration.seed, calibration.sha256())
    manifest = describe(
        read, recipe, run_id=run_id, labels_sha256=labels_sha256(labels), calibration=drawn, tools=_tools()
    )
    write_manifest(manifest_path(path), manifest)
    return Exported(path, manifest, difference, time.perf_counter() - started)


def _info(recipe: Recipe, run_id: str, labels: tuple[str, ...], folder: Path, license: str) -> ModelInfo:
    """What the file says of itself; the hash of the split ties it to the photographs it was trained on."""
    split = hashlib.sha256((folder.parent / SPLIT_FILE).read_bytes()).hexdigest()
    return ModelInfo(
        name=f"Batik motif classifier, {recipe.name}",
        version=run_id,
        author="batikkit",
        license=license,
        description=f"MobileNetV2 for {len(labels)} batik motifs. {recipe.statement} Split {split}.",
        labels=labels,
        locale_labels=display_names(labels),
    )


def _write_parity(
    path: Path, net: Any, rows: Sequence[SplitRow], labels: tuple[str, ...], *, root: Path, image_size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Writes the parity pack and returns its first images with Keras' answers, to prove the files on."""
    samples = of_split(rows, "test")
    if not samples:
        raise InputError("the split has no test images: parity cannot be shown; train with a test share")
    # An even stride keeps every motif in the pack: the samples are sorted by path, hence by motif.
    samples = samples[:: -(-len(samples) // PARITY_LIMIT)]
    for sample in samples:
        check_unchanged(root, sample)

    def pixels() -> Any:
        return (load_pixels(root / sample.path, image_size) for sample in samples)

    answers = [net(image[None].astype(np.float32), training=False).numpy()[0] for image in pixels()]
    probabilities = np.array(answers, np.float32)
    index = {label: number for number, label in enumerate(labels)}
    write_parity_pack(
        path,
        pixels(),
        labels=np.array([index[sample.label] for sample in samples]),
        probabilities=probabilities,
        names=[sample.path for sample in samples],
        image_size=image_size,
    )
    chosen = np.linspace(0, len(samples) - 1, min(PROOF_IMAGES, len(samples))).astype(int)
    images = np.stack([load_pixels(root / samples[i].path, image_size) for i in chosen])
    return images, probabilities[chosen]


def _line(done: Exported) -> str:
    return (
        f"{done.path.name}: {done.manifest.size_bytes / 1e6:.2f} MB in {done.seconds:.0f} s, input "
        f"{done.manifest.input.dtype}, largest probability difference {done.largest_difference:.2g} on "
        f"{PROOF_IMAGES} test images, runs on {done.manifest.min_runtime} and later"
    )


def _tools() -> dict[str, str]:
    from importlib import metadata

    return {
        "batikkit": metadata.version("batikkit"),
        "tensorflow": str(tf.__version__),
        "tf_keras": str(keras.__version__),
        "numpy": np.__version__,
    }
