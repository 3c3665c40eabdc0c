"""Writes the drop-in folder from an exported run. Needs a runtime, not TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

import batikkit
from batikkit import atomic, runs
from batikkit.assets.card import model_card
from batikkit.assets.croissant import CROISSANT_FOLDER, croissant_files
from batikkit.assets.figures import VariantFigures, choose_rule, measure
from batikkit.assets.golden import EXPECTED_FILE, GOLDEN_FOLDER, GoldenVector, draw_golden, expect, write_expected
from batikkit.assets.hub import hub_header
from batikkit.assets.kotlin import KOTLIN_FOLDER, kotlin_sources
from batikkit.assets.litert_js import Files
from batikkit.assets.manifest import (
    ASSETS_MANIFEST,
    TOLERANCE,
    AssetsManifest,
    AssetVariant,
    write_assets_manifest,
)
from batikkit.assets.provenance import Provenance, read_provenance
from batikkit.assets.readme import readme, recommended
from batikkit.assets.rejection import Rejection
from batikkit.assets.replacing import check_replaceable
from batikkit.assets.web import WEB_FOLDER, web_files
from batikkit.console import Advance
from batikkit.data.split import SPLIT_FILE, check_unchanged, of_split, read_split
from batikkit.digest import file_sha256
from batikkit.errors import InputError, VerificationError
from batikkit.export_record import check_as_recorded
from batikkit.images import load_pixels
from batikkit.labels import LABELS_FILE, read_labels, write_labels
from batikkit.manifest import manifest_path, read_manifest
from batikkit.parity_pack import PARITY_FILE, read_parity_pack
from batikkit.tflite import interpreters
from batikkit.tflite.labelled import check_labelled
from batikkit.tflite.metadata import read_metadata
from batikkit.tflite.runtime import LoadedModel, open_model

LABELS_ALIAS = "labels_without_background.txt"
"""The name under which the LiteRT sample app looks its labels up."""

AGAIN = "`batikkit assets {run}` from the run of that name."
_PRECISION = ("float32", "float16", "int16x8", "dynamic", "int8")
Report = Callable[[str], None]


@dataclass(frozen=True)
class Extras:
    """What a folder may hold beside the rest.

    Attributes:
        engine: LiteRT.js for the page in `web/`; no page when None.
        hub_header: The model card begins with the Hugging Face Hub's header.
        croissant: The split as a Croissant data set, in `croissant/`.
    """

    engine: Files | None = None
    hub_header: bool = False
    croissant: bool = False


@dataclass(frozen=True)
class Assets:
    """A finished folder."""

    folder: Path
    manifest: AssetsManifest
    figures: tuple[VariantFigures, ...]


def build_assets(
    run: Path,
    out: Path,
    *,
    data: Path | None = None,
    replace: bool = False,
    again: str | None = None,
    extras: Extras | None = None,
    report: Report = lambda _line: None,
    advance: Advance = lambda *_: None,
) -> Assets:
    """Writes `out` whole or not at all.

    Args:
        run: A run with an export folder.
        out: A new or empty folder; when `replace`, an older folder of assets that holds nothing else.
        data: Where the images are now, if they moved since training.
        replace: Whether `out` may be a folder that this function wrote earlier.
        again: How to make the folder again, for the model card.
        extras: What else to write.
        report: Called with one line per finished step.
        advance: Called with (golden images drawn, in all).

    Raises:
        InputError: no exports, no validation images, or `out` is something else.
        VerificationError: an export or its labels are not those that its manifest describes.
    """
    extras = extras or Extras()
    replaces = replace and out.exists()
    if replaces:
        changed = check_replaceable(out)
        if changed:
            report(f"replaced although they were changed by hand: {', '.join(changed)}")
    source = read_provenance(run, data)
    variants, labels = _variants(run)
    models = {v.name: open_model(_export(run, v)) for v in variants}
    pixels, truth = _validation(run, source, labels, image_size=models[variants[0].name].input.shape[1])
    rule = choose_rule(models[variants[0].name], pixels, truth, labels)
    report(f"rule from {len(pixels)} validation images: temperature {rule.temperature}, threshold {rule.threshold}")
    figures = tuple(_measured(run, v, models[v.name], labels, rule) for v in variants)
    pictures = draw_golden(models, advance=advance)
    manifest = AssetsManifest(labels, variants, rule, {}, _tools())
    with atomic.new_folder(out, replace=replace) as folder:
        _write_models(folder, run, variants, labels)
        vectors = _write_golden(folder / GOLDEN_FOLDER, pictures, models, labels)
        _write_texts(folder, manifest, vectors, source, figures, run, again or AGAIN.format(run=source.run_id), extras)
        atomic.write_text(folder / "README.md", readme(manifest, vectors, web=extras.engine is not None))
        _write_extras(folder, run, manifest, source, extras)
        manifest = AssetsManifest(labels, variants, rule, _hashes(folder), _tools())
        write_assets_manifest(folder, manifest)
        if replaces:
            check_replaceable(out)  # once more: the minutes since were enough to put something there
    return Assets(out, manifest, figures)


def _export(run: Path, variant: AssetVariant) -> Path:
    return run / runs.EXPORT_FOLDER / f"{variant.name}.tflite"


def _variants(run: Path) -> tuple[tuple[AssetVariant, ...], tuple[str, ...]]:
    """What the run's export folder offers to phones, most precise first, and the labels."""
    folder = run / runs.EXPORT_FOLDER
    found = [
        AssetVariant(f"batik_{path.stem}.tflite", TOLERANCE[path.stem], read_manifest(manifest_path(path)))
        for path in folder.glob("*.tflite")
        if path.stem in TOLERANCE
    ]
    usable = [v for v in found if v.manifest.input.dtype in ("uint8", "float32")]
    if not usable:
        raise InputError(f"{folder} holds no model that phones take: run 'batikkit export {run}' first")
    for variant in usable:
        proof = variant.manifest.proof
        if proof is not None and proof.kept:
            raise VerificationError(
                f"{_export(run, variant)} breaks its promise and was kept with --keep ({proof.agreement:.1%} the same "
                f"answers as the model, promised {proof.least_agreement:.1%}): apps get what is proven; run 'batikkit "
                f"export {run} --{variant.name}' without --keep, which takes it away"
            )
    labels = read_labels(folder / LABELS_FILE)
    check_as_recorded(folder, PARITY_FILE)
    for variant in usable:
        check_labelled(_export(run, variant), labels, source=folder / LABELS_FILE)
    return tuple(sorted(usable, key=lambda v: _PRECISION.index(v.name))), labels


def _validation(
    run: Path, source: Provenance, labels: tuple[str, ...], *, image_size: int
) -> tuple[list[NDArray[np.uint8]], NDArray[np.int64]]:
    samples = of_split(read_split(run / SPLIT_FILE), "validation")
    if not samples or not source.root.is_dir():
        raise InputError(
            f"the validation images of {run} are not at {source.root}: they choose when to say 'not sure'; name their "
            "folder with --data DIR"
        )
    for sample in samples:
        check_unchanged(source.root, sample)
    pixels = [load_pixels(source.root / sample.path, image_size) for sample in samples]
    return pixels, np.array([labels.index(sample.label) for sample in samples], np.int64)


def _measured(
    run: Path, variant: AssetVariant, model: LoadedModel, labels: tuple[str, ...], rule: Rejection
) -> VariantFigures:
    pack = read_parity_pack(run / runs.EXPORT_FOLDER / PARITY_FILE)
    return measure(variant.name, variant.manifest.size_bytes, model, pack, rule, labels)


def _write_models(folder: Path, run: Path, variants: tuple[AssetVariant, ...], labels: tuple[str, ...]) -> None:
    for variant in variants:
        atomic.write_bytes(folder / variant.file, _export(run, variant).read_bytes())
    write_labels(folder / LABELS_FILE, labels)
    write_labels(folder / LABELS_ALIAS, labels)


def _write_golden(
    folder: Path, pictures: dict[str, bytes], models: dict[str, LoadedModel], labels: tuple[str, ...]
) -> tuple[GoldenVector, ...]:
    for name, content in pictures.items():
        atomic.write_bytes(folder / name, content)
    vectors = expect(pictures, models)
    write_expected(folder / EXPECTED_FILE, vectors, labels)
    return vectors


def _write_texts(
    folder: Path,
    manifest: AssetsManifest,
    vectors: tuple[GoldenVector, ...],
    source: Provenance,
    figures: tuple[VariantFigures, ...],
    run: Path,
    again: str,
    extras: Extras,
) -> None:
    chosen = recommended(manifest)
    metadata = read_metadata(_export(run, chosen).read_bytes(), name=chosen.file)
    licence = metadata.license if metadata and metadata.license else "not stated"
    header = hub_header(source, figures, licence=licence) if extras.hub_header else ""
    card = model_card(manifest, source, figures, licence=licence, again=again)
    atomic.write_text(folder / "model_card.md", header + card)
    for name, code in kotlin_sources(manifest, chosen, golden_count=len(vectors)).items():
        atomic.write_text(folder / KOTLIN_FOLDER / name, code)


def _write_extras(folder: Path, run: Path, manifest: AssetsManifest, source: Provenance, extras: Extras) -> None:
    if extras.engine is not None:
        for name, content in web_files(folder, manifest, extras.engine, drawn=source.synthetic is not None).items():
            atomic.write_bytes(folder / WEB_FOLDER / name, content)
    if extras.croissant:
        for name, content in croissant_files((run / SPLIT_FILE).read_bytes(), source).items():
            atomic.write_bytes(folder / CROISSANT_FOLDER / name, content)


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ASSETS_MANIFEST)
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def _tools() -> dict[str, str]:
    runtime = interpreters.find_runtime(None)
    return {
        "batikkit": batikkit.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        runtime: interpreters.version(runtime),
    }
