"""Exports a model: every wanted variant is made, proven and described aside, then all are put in their place at once.

The model is traced once and its ranges are observed once; variants that take long are made in processes of their own
while this one makes the others and lets the model answer the test photographs. What is already there and made from the
same things is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.errors import InputError
from batikkit.export_record import Origin
from batikkit.labels import LABELS_FILE, write_labels
from batikkit.manifest import manifest_path, read_manifest
from batikkit_exporters.calibration import CALIBRATION_FILE, CalibrationSet, draw_calibration, read_calibration
from batikkit_exporters.export.builder import Builders
from batikkit_exporters.export.folder import Folder, claimed
from batikkit_exporters.export.making import Maker
from batikkit_exporters.export.plan import Export, Exported, Options, Plan, Report, fingerprints, plan_export
from batikkit_exporters.export.trial import prove_all
from batikkit_exporters.source.loaded import Source
from batikkit_exporters.source.run import source_of_run
from batikkit_exporters.variants import find_variant
from batikkit_exporters.variants.materials import Materials


def export_run(
    run: Path,
    *,
    variants: Sequence[str],
    data: Path | None = None,
    report: Report = lambda _line: None,
    **options: Any,
) -> tuple[Exported, ...]:
    """Writes `<run>/export/`.

    Args:
        run: A finished run folder.
        variants: Their names.
        data: Folder of the photographs, when they moved since training.
        report: Called with one line per finished step.
        options: Fields of `Options`.

    Raises:
        InputError: no model, no photographs, or an unknown variant.
        VerificationError: a file breaks its promise; it is not kept, those that do not are.
    """
    source = source_of_run(run, data=data)
    done = export_source(source, variants=variants, options=Options(**options), report=report)
    done.check()
    return done.exported


def export_source(
    source: Source, *, variants: Sequence[str], options: Options, report: Report = lambda _line: None
) -> Export:
    """Writes the source's export folder; arguments as for `export_run`.

    Raises:
        InputError: as `export_run`.
        VerificationError: the model itself is not what it should be; nothing is written.
    """
    wanted = [find_variant(name) for name in variants]
    options.check()
    sha256 = source.sha256()
    made_from = fingerprints(source, sha256, options, wanted)
    with atomic.told_when_full(source.folder), claimed(source.folder) as folder:
        missing = [variant for variant in wanted if not folder.is_finished(variant, made_from[variant.name])]
        done = {v.name: _as_it_was(folder, v.name) for v in wanted if v not in missing}
        for name in done:
            report(f"{name}.tflite: nothing changed since it was exported")
        refused: Mapping[str, str] = {}
        if missing:
            plan = plan_export(source, options, missing, report)
            made, refused = _transact(plan, folder, sha256, made_from)
            done |= made
    order = [variant.name for variant in wanted]
    names = sorted(done, key=lambda name: order.index(name) if name in order else len(order))
    return Export(source.folder, tuple(done[name] for name in names), refused)


def _as_it_was(folder: Folder, variant: str) -> Exported:
    path = folder.file(variant)
    return Exported(path, read_manifest(manifest_path(path)), 0.0)


def _transact(
    plan: Plan, folder: Folder, sha256: str, made_from: Mapping[str, str]
) -> tuple[dict[str, Exported], dict[str, str]]:
    """Makes, proves and commits; returns what is there now, and why variants were refused, by name."""
    source = plan.source
    with Builders(sum(variant.apart for variant in plan.variants)) as builders:
        net = source.load()
        if net.classes != len(source.labels):
            raise InputError(f"{source.model} has {net.classes} outputs for {len(source.labels)} labels: train again")
        maker = Maker(plan, net)
        maker.diagnose_model()
        calibration = _calibration_set(plan, net.image_size)
        made = plan.names()
        folder.check_kept(made, source=sha256, calibration=calibration.csv() if plan.calibrates else None)
        with folder.stage() as stage:
            files, materials = stage / "files", Materials(stage / "materials")
            for place in (files, materials.folder):
                place.mkdir()
            write_labels(files / LABELS_FILE, source.labels)
            if plan.calibrates or not folder.keeps_calibration(made):
                atomic.write_bytes(files / CALIBRATION_FILE, calibration.csv())
            drawn = maker.prepare(materials, calibration)
            candidates, pack = maker.make(materials, builders, files)
            exported, refused = prove_all(plan, candidates, pack, builders=builders, folder=folder, drawn=drawn)
            origins = {
                # Where something is wrong the same command must fail again, not find its file finished.
                name: Origin(sha256, "" if done.shortfall else made_from.get(name, ""))
                for name, done in exported.items()
            }
            folder.commit(files, origins, withdrawn=set(plan.names()) - set(exported))
    return exported, refused


def _calibration_set(plan: Plan, image_size: int) -> CalibrationSet:
    source, options = plan.source, plan.options
    if options.calibration is not None:
        return read_calibration(options.calibration, rows=source.rows, root=source.root, image_size=image_size)
    return draw_calibration(
        source.rows, root=source.root, image_size=image_size, size=options.calibration_size, seed=options.seed
    )
