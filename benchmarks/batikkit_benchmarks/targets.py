"""What to bench: from a run, a folder or files to verified models with their labels and parity pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from batikkit.assets.golden import GOLDEN_FOLDER
from batikkit.assets.manifest import ASSETS_MANIFEST, find_variant
from batikkit.errors import InputError, VerificationError
from batikkit.export_record import check_as_recorded
from batikkit.labels import LABELS_FILE, read_labels
from batikkit.manifest import manifest_path, read_manifest
from batikkit.parity_pack import PARITY_FILE, ParityPack, read_parity_pack
from batikkit.runs import EXPORT_FOLDER, RUN_FILE, newest_run
from batikkit.tflite.file import TfliteModel, read_tflite
from batikkit.tflite.labelled import check_labelled

ORDER = ("float32", "float16", "int8", "dynamic")


@dataclass(frozen=True)
class Target:
    """One verified `.tflite` file.

    Attributes:
        model: What the file says about itself.
        variant: `float32`, `int8`, ...: the manifest's word, else the file's stem.
        labels: The motifs in output order; `class 0`, ... when no label file lies beside the model.
        pack: Test images with the Keras model's answers, when they lie beside the model.
        pictures: Pictures to time on where there is no pack: the golden ones of the drop-in folder.
    """

    model: TfliteModel
    variant: str
    labels: tuple[str, ...]
    pack: ParityPack | None
    pictures: tuple[Path, ...] = ()

    @property
    def path(self) -> Path:
        """The file."""
        return self.model.path


@dataclass(frozen=True)
class Selection:
    """The targets of one bench, and the run they belong to when they do."""

    targets: tuple[Target, ...]
    source: str
    run: Path | None


def select(places: Sequence[Path], *, runs_dir: Path) -> Selection:
    """Resolves runs, folders and files; nothing given means the newest run under `runs_dir`.

    Raises:
        InputError: no such place, no `.tflite` in it, a damaged file, labels that do not match an output.
        VerificationError: a file is not the one its manifest describes.
    """
    chosen = [newest_run(runs_dir)] if not places else [_existing(place, runs_dir) for place in places]
    runs = [place for place in chosen if (place / RUN_FILE).is_file()]
    files = [file for place in chosen for file in _model_files(place)]
    unique = list(dict.fromkeys(file.resolve() for file in files))
    targets = tuple(open_target(file) for file in unique)
    return Selection(
        targets, source=", ".join(map(str, chosen)), run=runs[0] if len(chosen) == len(runs) == 1 else None
    )


def open_target(path: Path) -> Target:
    """Verifies one file and what lies beside it.

    Raises:
        InputError: damaged, or the labels do not match the output.
        VerificationError: not the file its manifest describes.
    """
    model = read_tflite(path)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(f"{path} has {len(model.inputs)} inputs and {len(model.outputs)} outputs: not a classifier")
    classes = model.outputs[0].shape[-1] if model.outputs[0].shape else 0
    pack = read_parity_pack(path.parent / PARITY_FILE) if (path.parent / PARITY_FILE).is_file() else None
    if pack is not None:
        _check_pack(path, model, pack)
    pictures = () if pack else tuple(sorted((path.parent / GOLDEN_FOLDER).glob("*.png")))
    return Target(model, _variant(path, model), _labels(path, classes), pack, pictures)


def _existing(place: Path, runs_dir: Path) -> Path:
    for candidate in (place, runs_dir / place):
        if candidate.exists():
            return candidate
    raise InputError(f"no such run, folder or file: {place}; give one, or nothing for the newest run under {runs_dir}")


def _model_files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    folder = place / EXPORT_FOLDER if (place / RUN_FILE).is_file() else place
    files = sorted(folder.glob("*.tflite"), key=_order)
    if not files:
        cure = "run 'batikkit export' first" if folder != place else "name an export folder or .tflite files"
        raise InputError(f"no .tflite files in {folder}: {cure}")
    return files


def _order(path: Path) -> tuple[int, str]:
    return (ORDER.index(path.stem) if path.stem in ORDER else len(ORDER), path.name)


def _variant(path: Path, model: TfliteModel) -> str:
    file, entry = manifest_path(path), find_variant(path)
    if entry is None and not file.is_file():
        return path.stem
    manifest = entry.manifest if entry else read_manifest(file)
    if manifest.sha256 != model.sha256:
        source = ASSETS_MANIFEST if entry else file.name
        raise VerificationError(f"{path} is not the file that {source} describes (SHA-256 differs): export again")
    return manifest.variant


def _labels(path: Path, classes: int) -> tuple[str, ...]:
    file = path.parent / LABELS_FILE
    if not file.is_file():
        return tuple(f"class {index}" for index in range(classes))
    labels = read_labels(file)
    check_as_recorded(path.parent, LABELS_FILE, PARITY_FILE)
    if len(labels) != classes:
        raise InputError(
            f"{file} has {len(labels)} labels, {path.name} answers {classes}: use the labels of its export"
        )
    check_labelled(path, labels, source=file)
    return labels


def _check_pack(path: Path, model: TfliteModel, pack: ParityPack) -> None:
    source, classes = model.inputs[0].shape, model.outputs[0].shape[-1]
    if tuple(source[1:]) != pack.image_shape or pack.probabilities.shape[1] != classes:
        raise InputError(
            f"{pack.path} holds {pack.image_shape[0]} px images of {pack.probabilities.shape[1]} classes, {path.name} "
            f"takes {source[1]} px and answers {classes}: bench it in the folder of its own export"
        )
