"""The export folder as a transaction: claimed by one process, filled aside, and changed by renaming at the end."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from batikkit import atomic
from batikkit.digest import file_sha256
from batikkit.errors import InputError
from batikkit.export_record import ExportRecord, Origin, is_as_recorded, read_export_record, write_export_record
from batikkit.labels import LABELS_FILE
from batikkit.manifest import manifest_path
from batikkit.operating_system import try_lock
from batikkit.parity_pack import PARITY_FILE
from batikkit_exporters.calibration import CALIBRATION_FILE
from batikkit_exporters.variants import VARIANTS
from batikkit_exporters.variants.variant import Variant

_STAGING = ".export-*.tmp"
_LOCK = ".export.lock"


@dataclass(frozen=True)
class Folder:
    """A claimed folder and what its record said when it was claimed."""

    path: Path
    record: ExportRecord

    def file(self, variant: str) -> Path:
        """Where a variant's file lies."""
        return self.path / f"{variant}.tflite"

    def is_finished(self, variant: Variant, made_from: str) -> bool:
        """Whether a variant was made from the same things, and nothing of it or beside it is another file since."""
        origin = self.record.variants.get(variant.name)
        names = [
            *_files_of(variant.name),
            LABELS_FILE,
            PARITY_FILE,
            *([CALIBRATION_FILE] if variant.calibrated else []),
        ]
        return (
            origin is not None
            and origin.made_from == made_from
            and all(is_as_recorded(self.path, self.record, name) for name in names)
        )

    def check_kept(self, made: Collection[str], *, source: str, calibration: bytes | None) -> None:
        """Makes sure that files which stay do not contradict those that will lie beside them.

        Args:
            made: Variants that are made anew.
            source: Hash of the source, as in an `Origin`.
            calibration: The new `calibration.csv`; None when it stays as it is.

        Raises:
            InputError: one would; the message names it.
        """
        for name in VARIANTS:
            if name in made or not self.file(name).is_file():
                continue
            origin = self.record.variants.get(name)
            sound = all(is_as_recorded(self.path, self.record, file) for file in _files_of(name))
            if origin is None or not sound:
                reason = "is not one that a finished export left there"
            elif origin.source != source:
                reason = "was exported from another model, other labels or another split"
            elif calibration is not None and VARIANTS[name].calibrated and calibration != self._calibration():
                reason = "was calibrated with other photographs than this export would be"
            else:
                continue
            raise InputError(
                f"{name}.tflite in {self.path} {reason}: export it in the same command with the same options, choose "
                "another folder, or remove it"
            )

    def keeps_calibration(self, made: Collection[str]) -> bool:
        """Whether a calibrated variant stays, so that its list has to."""
        stays = (name for name in VARIANTS if VARIANTS[name].calibrated and name not in made)
        return any(self.file(name).is_file() for name in stays)

    def _calibration(self) -> bytes:
        path = self.path / CALIBRATION_FILE
        return path.read_bytes() if path.is_file() else b""

    @contextlib.contextmanager
    def stage(self) -> Iterator[Path]:
        """A folder inside, gone at the end, for what will be renamed and for what it is made from."""
        with atomic.told_when_unwritable(self.path / "a file"):
            staging = tempfile.TemporaryDirectory(prefix=".export-", suffix=".tmp", dir=self.path)
        with staging as place:
            yield Path(place)

    def commit(self, files: Path, origins: Mapping[str, Origin], *, withdrawn: Collection[str]) -> None:
        """Puts finished files in their place, removes variants that were not to be had, and writes the record last.

        Args:
            files: A folder of nothing but these files, on the same disk.
            origins: Of the variants among them.
            withdrawn: Variants of which no file may stay.
        """
        # A variant's file comes after all that describes it: who sees it sees them.
        order = sorted(files.iterdir(), key=lambda path: (path.suffix == ".tflite", path.stem in VARIANTS, path.name))
        hashes = {path.name: file_sha256(path) for path in order}
        for path in order:
            atomic.to_disk(path)
        for path in order:
            path.replace(self.path / path.name)
        for name in withdrawn:
            for file in _files_of(name):
                (self.path / file).unlink(missing_ok=True)
        kept = {
            name: digest
            for name, digest in self.record.files.items()
            if (self.path / name).is_file() and name not in hashes
        }
        variants = {name: origin for name, origin in self.record.variants.items() if name not in withdrawn}
        write_export_record(self.path, ExportRecord({**kept, **hashes}, {**variants, **origins}))


def _files_of(variant: str) -> tuple[str, str]:
    file = Path(f"{variant}.tflite")
    return file.name, manifest_path(file).name


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[Folder]:
    """Claims a folder for this process, makes it where there is none, and clears what a killed export left in it.

    Raises:
        InputError: another process is exporting into it, or it cannot be made.
    """
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    with atomic.told_when_unwritable(path):
        path.mkdir(parents=True, exist_ok=True)
        lock = try_lock(path / _LOCK)
    if lock is None:
        raise InputError(f"another process is exporting into {path}: wait for it, or name another folder")
    try:
        for staging in path.glob(_STAGING):
            shutil.rmtree(staging, ignore_errors=True)
        yield Folder(path, read_export_record(path) or ExportRecord())
    finally:
        with contextlib.suppress(OSError):  # Windows removes no open file
            (path / _LOCK).unlink()
        lock.release()
        for folder in made:
            with contextlib.suppress(OSError):  # it has files by now
                folder.rmdir()
