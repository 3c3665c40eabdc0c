"""Every made file described, proven against its promise, and kept or refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from batikkit.errors import InputError, VerificationError
from batikkit.labels import labels_sha256, motif_count
from batikkit.manifest import Calibration, Proof, manifest_path, write_manifest
from batikkit.motif_names import display_names
from batikkit.parity_pack import ParityPack
from batikkit.tflite.file import read_tflite
from batikkit_exporters.export.builder import Builders
from batikkit_exporters.export.folder import Folder
from batikkit_exporters.export.making import MadeFile
from batikkit_exporters.export.plan import Exported, Plan, tools
from batikkit_exporters.export.proof import broken_promise, check_compat, describe, prove_answers, prove_contract
from batikkit_exporters.metadata import ModelInfo, attach_metadata
from batikkit_exporters.source.loaded import Source
from batikkit_exporters.variants.variant import Variant


def prove_all(
    plan: Plan,
    made: Sequence[MadeFile],
    pack: ParityPack,
    *,
    builders: Builders,
    folder: Folder,
    drawn: Calibration,
) -> tuple[dict[str, Exported], dict[str, str]]:
    """Writes the files beside the parity pack with their manifests; those that fail are gone again.

    Args:
        plan: What was to be made.
        made: The bare files.
        pack: The photographs and answers that they are proven by.
        builders: Prove what they made.
        folder: Where the files will lie.
        drawn: The calibration behind them.

    Returns:
        What may be exported, and why the others may not, by name.
    """
    exported: dict[str, Exported] = {}
    refused: dict[str, str] = {}
    answers: dict[str, Callable[[], Proof]] = {}
    for file in made:
        path = pack.path.with_name(f"{file.variant.name}.tflite")
        try:
            _write(path, file, plan)
            answers[path.stem] = _begin(path, file.variant, pack, builders)
        except (VerificationError, InputError) as error:
            refused[path.stem] = _reason(error, path)
    for file in made:
        path = pack.path.with_name(f"{file.variant.name}.tflite")
        try:
            if path.stem in answers:
                proof = answers[path.stem]()
                broken = broken_promise(path.name, file.variant.promise, proof)
                if broken and not plan.options.keep:
                    raise VerificationError(f"{broken}; it was not written: --keep writes it all the same")
                done = _exported(path, file, plan, proof=replace(proof, kept=broken is not None), drawn=drawn)
                wrong = "; ".join(reason for reason in (file.shortfall, broken) if reason)
                exported[path.stem] = replace(done, path=folder.file(path.stem), shortfall=wrong)
                plan.report(_line(exported[path.stem]))
        except (VerificationError, InputError) as error:  # a runtime's refusal is an InputError elsewhere
            refused[path.stem] = _reason(error, path)
    for name in refused:
        pack.path.with_name(f"{name}.tflite").unlink(missing_ok=True)
    return exported, refused


def _reason(error: Exception, path: Path) -> str:
    """Without the folder that is gone when this is read."""
    return str(error).replace(str(path), path.name)


def _write(path: Path, file: MadeFile, plan: Plan) -> None:
    """Writes a file with its metadata and checks everything about it but its answers."""
    io = plan.options.io if file.variant.activations == "int8" else "uint8"
    content = file.made.content
    if io == "uint8":  # consumers of metadata refuse int8 pixels
        content = attach_metadata(content, info=describing(plan.source, file.variant, plan.options.license))
    path.write_bytes(content)
    model = prove_contract(path, file.variant, labels=plan.source.labels, io=io)
    check_compat(model, plan.options.compat)


def _begin(path: Path, variant: Variant, pack: ParityPack, builders: Builders) -> Callable[[], Proof]:
    """Starts to prove a file; what came out of a process of its own is tried in one, too."""
    if variant.apart:
        return builders.prove(variant, path, pack.path).result
    return lambda: prove_answers(path, variant.promise, pack=pack)


def _exported(path: Path, file: MadeFile, plan: Plan, *, proof: Proof, drawn: Calibration) -> Exported:
    """Writes the manifest."""
    manifest = describe(
        read_tflite(path),
        file.variant,
        run_id=plan.source.run_id,
        labels_sha256=labels_sha256(plan.source.labels),
        calibration=drawn,
        tools=tools(),
        method=file.made.method,
        proof=proof,
    )
    write_manifest(manifest_path(path), manifest)
    return Exported(path, manifest, file.seconds)


def describing(source: Source, variant: Variant, terms: str) -> ModelInfo:
    """What a file says of itself; the hashes tie it to the photographs it was trained on."""
    data = hashlib.sha256("".join(sorted(row.sample.sha256 for row in source.rows)).encode()).hexdigest()
    return ModelInfo(
        name=f"Batik motif classifier, {variant.name}",
        version=source.run_id,
        author="batikkit",
        license=terms,
        description=(
            f"Image classifier for {motif_count(source.labels)} batik motifs. {variant.statement} Data {data}. "
            f"Split {source.split_sha256()}."
        ),
        labels=source.labels,
        locale_labels=display_names(source.labels),
    )


def _line(done: Exported) -> str:
    manifest, proof = done.manifest, done.manifest.proof
    assert proof is not None
    packed = f" ({manifest.gzip_bytes / 1e6:.2f} MB gzipped)" if manifest.gzip_bytes else ""
    kernels = "integer only, " if manifest.integer_only else ""
    return (
        f"{done.path.name}: {manifest.size_bytes / 1e6:.2f} MB{packed} in {done.seconds:.0f} s, input "
        f"{manifest.input.dtype}, {kernels}same motif as the model on {proof.agreement:.1%} of {proof.n} test "
        f"photographs, largest probability difference {proof.largest_difference:.2g}, runs on {manifest.min_runtime} "
        "and later"
    )
