"""`batikkit.export`: a run to proven `.tflite` files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batikkit.evaluation.text import percent
from batikkit.steps.shown import Picture, Pictures, Shown, Table
from batikkit.svg import drawing, element, label, linear

if TYPE_CHECKING:
    from batikkit_exporters.export.plan import Export, Exported


@dataclass(frozen=True, repr=False)
class ExportedFiles(Shown):
    """`.tflite` files, each with the proof that it answers as the model does.

    Attributes:
        folder: Where they are; `bench` takes it.
        files: Path of each, by its variant.
    """

    folder: Path
    files: dict[str, Path]
    _done: Export

    @classmethod
    def of(cls, done: Export) -> ExportedFiles:
        """What became of an export."""
        return cls(done.folder, {one.manifest.variant: one.path for one in done.exported}, done)

    def tables(self) -> tuple[Table, ...]:
        """Size, input and agreement of every file."""
        headings = ("variant", "size", "input", "same answer as the model", "largest difference", "on images")
        return (Table(str(self.folder), headings, [_row(one) for one in self._done.exported]),)

    def plot(self) -> Pictures:
        """A bar for the size of every file."""
        return Pictures((Picture.of_svg("sizes.svg", _sizes(self._done.exported)),))


def wanted_variants(chosen: Sequence[str], *, target_drop: float | None = None) -> list[str]:
    """The variants that are meant, in the order in which they are offered: the default ones where nothing is chosen.

    Raises:
        InputError: there is no such variant.
    """
    from batikkit_exporters.variants import DEFAULT_VARIANTS, VARIANTS, find_variant

    names = {find_variant(name).name for name in chosen} | ({"int8"} if target_drop is not None else set())
    return [name for name in VARIANTS if name in (names or DEFAULT_VARIANTS)]


def _row(one: Exported) -> tuple[str, ...]:
    manifest, proof = one.manifest, one.manifest.proof
    side = "x".join(map(str, manifest.input.shape[1:]))
    told = (manifest.variant, f"{manifest.size_bytes / 1e6:.2f} MB", f"{manifest.input.dtype} {side}")
    if proof is None:
        return (*told, "-", "-", "-")
    return (*told, percent(proof.agreement), f"{proof.largest_difference:.2g}", str(proof.n))


def _sizes(files: Sequence[Exported]) -> str:
    left, right, row = 150.0, 860.0, 34.0
    x = linear(0, max(one.manifest.size_bytes for one in files), left, right)
    parts = []
    for number, one in enumerate(files):
        y, size = row * number, one.manifest.size_bytes
        parts.append(label(left - 12, y + 21, one.manifest.variant, anchor="end"))
        parts.append(element("rect", x=left, y=y + 7, width=x(size) - left, height=20, class_=f"bar v{number % 8}"))
        parts.append(label(x(size) + 8, y + 21, f"{size / 1e6:.2f} MB", class_="figure"))
    return drawing(960, row * len(files) + 4, parts, title="Size of every file")


def export(
    run: str | Path | None = None,
    *,
    variants: Sequence[str] | None = None,
    target_drop: float | None = None,
    calibration_size: int = 200,
    compat: str | None = None,
    license: str | None = None,
    keep: bool = False,
    data: str | Path | None = None,
    runs_dir: str | Path = "runs",
) -> ExportedFiles:
    """Writes a run's `.tflite` files, each proven against the original, as `batikkit export` does.

    Args:
        run: Its folder or name; the newest when None.
        variants: Their names, such as `("float16", "int8")`; those of the command when None.
        target_drop: Climb the quantization ladder until int8 loses at most this [percentage points].
        calibration_size: Photographs that fix the int8 ranges.
        compat: Oldest runtime that has to load the files, such as `2.14`.
        license: Terms of use, written into the files; those of the photographs when None.
        keep: Also keep files that break their promise.
        data: Where the photographs are now, if they moved.
        runs_dir: Where runs lie.

    Raises:
        InputError: no run, no photographs, or an unknown variant.
        MissingExtraError: TensorFlow is not installed.
        VerificationError: a file breaks its promise; the others are kept.
    """
    from batikkit.console import note
    from batikkit.runs import resolve_run
    from batikkit_exporters.export.plan import LICENSE, Options
    from batikkit_exporters.export.run import export_source
    from batikkit_exporters.source.run import source_of_run

    names = wanted_variants(variants or (), target_drop=target_drop)
    source = source_of_run(resolve_run(Path(run) if run else None, Path(runs_dir)), data=Path(data) if data else None)
    options = Options(
        calibration_size=calibration_size, license=license or LICENSE, compat=compat, target_drop=target_drop, keep=keep
    )
    done = export_source(source, variants=names, options=options, report=note)
    if not keep:
        done.check()
    return ExportedFiles.of(done)
