"""Exports a model: every wanted variant made, proven and described, plus the parity pack.

The Keras model is traced once and its ranges are observed once; calibrated variants are then built in processes of
their own while this one converts the others and fills the parity pack. What is already there and made from the same
things is left as it is.
"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from batikkit import atomic
from batikkit.console import progress
from batikkit.errors import InputError
from batikkit.labels import LABELS_FILE, labels_sha256, write_labels
from batikkit.manifest import Calibration, Manifest, manifest_path, read_manifest, write_manifest
from batikkit.motif_names import display_names
from batikkit.parity_pack import PARITY_FILE
from batikkit.tflite.file import read_tflite
from batikkit_exporters import build, journal, shared_files
from batikkit_exporters.calibration import (
    CALIBRATION_FILE,
    CalibrationSet,
    draw_calibration,
    list_sha256,
    read_calibration,
)
from batikkit_exporters.evidence import split_pixels, tested_samples, write_parity, write_proof
from batikkit_exporters.metadata import ModelInfo
from batikkit_exporters.proof import describe, release
from batikkit_exporters.recipes import RECIPES, Recipe, find_recipe
from batikkit_exporters.source import LoadedNet, Source, source_of_run

LICENSE = "that of the photographs it was trained on"
Report = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What the user may decide about an export.

    Attributes:
        calibration_size: Photographs in the representative data set.
        calibration: A file or folder that names them instead of drawing them.
        seed: Draws them.
        io: Input dtype of integer variants.
        license: What the files say about their terms of use.
        compat: Oldest runtime that has to load every file, such as `2.14`.
        target_drop: Climb the ladder for `int8` until it loses at most this [percentage points].
        target_agreement: And agrees at least this much (0..1).
        all_rungs: Climb to the end all the same.
    """

    calibration_size: int = 200
    calibration: Path | None = None
    seed: int = 0
    io: str = "uint8"
    license: str = LICENSE
    compat: str | None = None
    target_drop: float | None = None
    target_agreement: float = 0.99
    all_rungs: bool = False


@dataclass(frozen=True)
class Exported:
    """One finished variant.

    Attributes:
        path: The `.tflite` file.
        manifest: Its passport.
        largest_difference: Against Keras, over the first test images, in probability (0..1); None: left as it was.
        seconds: Conversion and proof.
        goal_met: False when the ladder ended below its goal.
    """

    path: Path
    manifest: Manifest
    largest_difference: float | None
    seconds: float
    goal_met: bool = True


def export_run(
    run: Path,
    *,
    variants: Sequence[str],
    data: Path | None = None,
    report: Report = lambda _line: None,
    **options: Any,
) -> list[Exported]:
    """Writes `<run>/export/`.

    Args:
        run: A finished run folder.
        variants: Names of recipes.
        data: Folder of the photographs, when they moved since training.
        report: Called with one line per finished step.
        options: Fields of `Options`.

    Raises:
        InputError: no model, no photographs, or an unknown variant.
        VerificationError: a converted file is not what its recipe promises; it is not kept.
    """
    return export_source(source_of_run(run, data=data), variants=variants, options=Options(**options), report=report)


def export_source(
    source: Source, *, variants: Sequence[str], options: Options, report: Report = lambda _line: None
) -> list[Exported]:
    """Writes the source's export folder; arguments and errors as for `export_run`."""
    recipes = [find_recipe(name) for name in variants]
    if options.compat is not None:
        release(options.compat)
    if options.target_drop is not None and options.io != "uint8":
        raise InputError(f"--io {options.io} with --target-drop: the ladder makes files that take uint8; leave one out")
    made_from = {recipe.name: _fingerprint(source, options, recipe) for recipe in recipes}
    wanted = [recipe for recipe in recipes if not _finished(source.folder, recipe.name, made_from[recipe.name])]
    done = {recipe.name: _as_it_was(source.folder, recipe.name) for recipe in recipes if recipe not in wanted}
    for name in done:
        report(f"{name}.tflite: nothing changed since it was exported")
    if wanted:
        for exported in _Export(source, options, report).run(wanted):
            name = exported.manifest.variant
            made = made_from.get(name, _fingerprint(source, options, find_recipe(name)))
            if exported.goal_met:  # else the same command must fail again, not find its file finished
                journal.record(source.folder, name, made)
            report(_line(exported))
            done[name] = exported
    return [done[name] for name in dict.fromkeys((*variants, *done)) if name in done]


def _fingerprint(source: Source, options: Options, recipe: Recipe) -> str:
    facts = {**asdict(options), "calibration": None}
    if options.calibration is not None:
        facts["calibration"] = list_sha256(options.calibration, root=source.root)
    if recipe.name != "int8":
        facts = {**facts, "target_drop": None, "target_agreement": None, "all_rungs": None}
    return journal.fingerprint(source, facts)


def _finished(folder: Path, variant: str, made_from: str) -> bool:
    beside = (LABELS_FILE, PARITY_FILE, CALIBRATION_FILE)
    return all((folder / name).is_file() for name in beside) and journal.up_to_date(folder, variant, made_from)


def _as_it_was(folder: Path, variant: str) -> Exported:
    path = folder / f"{variant}.tflite"
    return Exported(path, read_manifest(manifest_path(path)), None, 0.0)


class _Export:
    """One export under way: what its variants share lies in a temporary folder beside them."""

    def __init__(self, source: Source, options: Options, report: Report) -> None:
        self._source, self._options, self._report = source, options, report

    def run(self, recipes: Sequence[Recipe]) -> Iterator[Exported]:
        climbing = self._options.target_drop is not None
        apart = [
            recipe
            for recipe in recipes
            if recipe.calibrated and not recipe.trained and not (climbing and recipe.name == "int8")
        ]
        with build.Builders(len(apart)) as builders:
            yield from self._run_beside(builders, apart, [recipe for recipe in recipes if recipe not in apart])

    def _run_beside(
        self, builders: build.Builders, apart: Sequence[Recipe], here: Sequence[Recipe]
    ) -> Iterator[Exported]:
        source = self._source
        net = source.load()
        calibration = self._calibration_set(net.image_size)
        if net.classes != len(source.labels):
            raise InputError(f"{source.model} has {net.classes} outputs for {len(source.labels)} labels: train again")
        source.folder.mkdir(parents=True, exist_ok=True)
        write_labels(source.folder / LABELS_FILE, source.labels)
        with tempfile.TemporaryDirectory(prefix=".export-", suffix=".tmp", dir=source.folder) as shared:
            yield from self._run(Path(shared), builders, apart, here, net, calibration)

    def _calibration_set(self, image_size: int) -> CalibrationSet:
        source, options = self._source, self._options
        if options.calibration is not None:
            return read_calibration(options.calibration, rows=source.rows, root=source.root, image_size=image_size)
        return draw_calibration(
            source.rows,
            root=source.root,
            image_size=image_size,
            size=options.calibration_size,
            seed=options.seed,
        )

    def _run(
        self,
        shared: Path,
        builders: build.Builders,
        apart: Sequence[Recipe],
        here: Sequence[Recipe],
        net: LoadedNet,
        calibration: CalibrationSet,
    ) -> Iterator[Exported]:
        from batikkit_exporters.convert import convert

        test = tested_samples(self._source)
        self._write_calibration((*apart, *here), calibration)
        float32 = convert(net.frozen, find_recipe("float32"))
        (shared / shared_files.FLOAT).write_bytes(float32)
        build.save_graph(net.frozen, shared / shared_files.GRAPH)
        stability = None
        if any(recipe.calibrated for recipe in (*apart, *here)):
            stability = self._observe(shared, calibration)
        drawn = Calibration(len(calibration.samples), calibration.seed, calibration.sha256(), stability)
        compat = self._options.compat
        write_proof(shared / shared_files.PROOF, self._source, net, samples=test)
        pending = builders.start([self._job(recipe, shared) for recipe in apart])
        for recipe in here:
            if not recipe.calibrated:
                started = time.perf_counter()
                content = float32 if recipe.name == "float32" else convert(net.frozen, recipe, compat=compat)
                yield self._finish(*self._proven(recipe, shared, content, build.METHODS[recipe.name], started), drawn)
        self._report("parity pack: running the model on the test photographs")
        right = write_parity(self._source, net, samples=test)
        if not self._source.trained_here:
            self._report(
                f"the model is right on {right:.1%} of {len(test)} photographs; it is fed raw pixels 0..255, so a low "
                "figure means that its scaling is not part of it"
            )
        for job, built in pending:
            yield self._finish(job, built, drawn)
        for recipe in here:
            if recipe.trained:
                started = time.perf_counter()
                content, method = self._train(recipe, shared, net)
                yield self._finish(*self._proven(recipe, shared, content, method, started), drawn)
            elif recipe.calibrated:
                yield self._climb(shared, net, drawn)

    def _write_calibration(self, recipes: Sequence[Recipe], calibration: CalibrationSet) -> None:
        """Writes `calibration.csv`, unless files stay here that were calibrated with other photographs."""
        folder = self._source.folder
        path, content = folder / CALIBRATION_FILE, calibration.csv()
        if path.is_file() and path.read_bytes() == content:
            return
        made = {recipe.name for recipe in recipes}
        others = [name for name, recipe in RECIPES.items() if recipe.calibrated and name not in made]
        kept = [f"{name}.tflite" for name in others if (folder / f"{name}.tflite").is_file()]
        if not kept:
            atomic.write_bytes(path, content)
        elif any(recipe.calibrated for recipe in recipes):
            raise InputError(
                f"{kept[0]} in {folder} was calibrated with other photographs than this export would be: export it in "
                "the same command, use the same --seed, --calibration-size and --calibration, or remove it"
            )

    def _observe(self, shared: Path, calibration: CalibrationSet) -> float | None:
        """Shows the photographs to the float network once, for all variants that need ranges."""
        from batikkit_exporters.network import UnsupportedOperatorError, read_network
        from batikkit_exporters.quantization.observation import find_stability, observe

        pixels = calibration.pixels()
        np.save(shared / shared_files.CALIBRATION, pixels)
        self._report(f"calibration: {len(calibration.samples)} photographs of the train split")
        network = read_network((shared / shared_files.FLOAT).read_bytes(), name="the float32 file")
        try:
            observed = observe(network, pixels[: len(calibration.samples)])
        except UnsupportedOperatorError as error:
            self._report(f"calibration: {error}; TensorFlow's converter takes over")
            (shared / shared_files.OBSERVED).write_bytes(pickle.dumps(None))
            return None
        (shared / shared_files.OBSERVED).write_bytes(pickle.dumps(observed))
        found = find_stability(network, observed)
        self._report(
            f"calibration: ranges of two disjoint halves differ by at most {100 * found.largest:.0f} % ({found.tensor})"
        )
        return found.largest

    def _job(self, recipe: Recipe, shared: Path, content: bytes | None = None, method: str = "") -> build.Job:
        return build.Job(
            recipe=recipe,
            shared=shared,
            info=self._info(recipe),
            io=self._options.io if recipe.activations == "int8" else "uint8",
            compat=self._options.compat,
            target=shared / f"{recipe.name}.done.tflite",
            content=content,
            method=method,
        )

    def _proven(
        self, recipe: Recipe, shared: Path, content: bytes, method: str, started: float
    ) -> tuple[build.Job, build.Built]:
        """Describes and proves a file that was made in this process, since `started`."""
        job = self._job(recipe, shared, content, method)
        return job, replace(build.build(job), seconds=time.perf_counter() - started)

    def _train(self, recipe: Recipe, shared: Path, net: LoadedNet) -> tuple[bytes, str]:
        from batikkit_exporters.quantization.trained import train_variant

        images = split_pixels(self._source, "train", net.image_size)[0]
        self._report(f"{recipe.name}: training on {len(images)} photographs of the train split")
        with progress(f"training {recipe.name}") as advance:
            return train_variant(recipe, shared, images, io=self._options.io, seed=self._options.seed, advance=advance)

    def _climb(self, shared: Path, net: LoadedNet, drawn: Calibration) -> Exported:
        from batikkit_exporters.ladder.run import climb_ladder

        options = self._options
        assert options.target_drop is not None
        started = time.perf_counter()
        validation, labels = split_pixels(self._source, "validation", net.image_size)
        climbed = climb_ladder(
            shared,
            net,
            validation=validation,
            labels=labels,
            train=split_pixels(self._source, "train", net.image_size)[0],
            seed=options.seed,
            turns=self._source.turns,
            mirrors=self._source.mirrors,
            target_drop=options.target_drop,
            target_agreement=options.target_agreement,
            all_rungs=options.all_rungs,
            folder=self._source.folder,
            report=self._report,
        )
        chosen = climbed.chosen
        name = "int16x8" if chosen.rung == "int16x8" else "int8"
        recipe = replace(find_recipe(name), integer=chosen.judgement.integer_only)
        method = f"ladder, {chosen.rung}: {chosen.candidate}"
        proven = self._proven(recipe, shared, climbed.content, method, started)
        exported = replace(self._finish(*proven, drawn), goal_met=chosen.passed)
        if name != "int8":  # an int8 file of an earlier export is not what this one chose
            for stale in (self._source.folder / "int8.tflite", self._source.folder / "int8.json"):
                stale.unlink(missing_ok=True)
        return exported

    def _finish(self, job: build.Job, built: build.Built, drawn: Calibration) -> Exported:
        """Moves a proven file to its place and writes its manifest."""
        path = self._source.folder / f"{job.recipe.name}.tflite"
        job.target.replace(path)
        manifest = describe(
            read_tflite(path),
            job.recipe,
            run_id=self._source.run_id,
            labels_sha256=labels_sha256(self._source.labels),
            calibration=drawn,
            tools=journal.tools(),
            method=built.method,
        )
        write_manifest(manifest_path(path), manifest)
        return Exported(path, manifest, built.largest_difference, built.seconds)

    def _info(self, recipe: Recipe) -> ModelInfo:
        """What the file says of itself; the hashes tie it to the photographs it was trained on."""
        source = self._source
        data = hashlib.sha256("".join(sorted(row.sample.sha256 for row in source.rows)).encode()).hexdigest()
        return ModelInfo(
            name=f"Batik motif classifier, {recipe.name}",
            version=source.run_id,
            author="batikkit",
            license=self._options.license,
            description=(
                f"Image classifier for {len(source.labels)} batik motifs. {recipe.statement} Data {data}. "
                f"Split {source.split_sha256()}."
            ),
            labels=source.labels,
            locale_labels=display_names(source.labels),
        )


def _line(done: Exported) -> str:
    manifest = done.manifest
    packed = f" ({manifest.gzip_bytes / 1e6:.2f} MB gzipped)" if manifest.gzip_bytes else ""
    kernels = "integer only, " if manifest.integer_only else ""
    return (
        f"{done.path.name}: {manifest.size_bytes / 1e6:.2f} MB{packed} in {done.seconds:.0f} s, input "
        f"{manifest.input.dtype}, {kernels}largest probability difference {done.largest_difference or 0:.2g} on "
        f"test images, runs on {manifest.min_runtime} and later"
    )
