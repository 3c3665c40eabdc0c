"""What to bench: from a run, a folder or files to verified models with their labels and parity pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from batikkit.assets.golden import GOLDEN_FOLDER
from batikkit.assets.manifest import ASSETS_MANIFEST, find_variant
from batikkit.errors import InputError, VerificationError
from batikkit.export_record import check_as_recorded
from batikkit.labels import LABELS_FILE, read_labels
from batikkit.manifest import manifest_path, read_manifest
from batikkit.parity_pack import PARITY_FILE, ParityPack, read_parity_pack
from batikkit.runs import EXPORT_FOLDER, RUN_FILE, all_runs, newest_run
from batikkit.tflite.file import TfliteModel, read_tflite
from batikkit.tflite.labelled import check_labelled
from batikkit_benchmarks.report import titled

ORDER = ("float32", "float16", "int8", "dynamic")


@dataclass(frozen=True)
class Target:
    """One verified `.tflite` file.

    Attributes:
        model: What the file says about itself.
        unknown: No manifest says how it wants its pixels.
        origin: What tells it from other files of its variant, such as its folder's name; empty where it is alone.
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
    unknown: bool = False
    origin: str = ""

    @property
    def title(self) -> str:
        """`int8`, or `int8 (run-a)` where another file is of that variant too."""
        return titled(self.variant, self.origin)

    @property
    def path(self) -> Path:
        """The file."""
        return self.model.path


@dataclass(frozen=True)
class Refused:
    """A file of a benched folder that cannot be run, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Selection:
    """The targets of one bench, and the run they belong to when they do.

    Attributes:
        run: A folder with `export/` in it, which keeps what was measured beside that.
        refused: Files of the folders that are damaged or unusual; the others are benched all the same.
    """

    targets: tuple[Target, ...]
    source: str
    run: Path | None
    refused: tuple[Refused, ...] = ()


def select(places: Sequence[Path], *, runs_dir: Path) -> Selection:
    """Resolves runs, folders and files; nothing given means the newest run, or export, that is found.

    Raises:
        InputError: no such place, no `.tflite` in it, a named file is damaged or all of a folder's are, labels that do
            not match an output.
        VerificationError: a file is not the one its manifest describes.
    """
    chosen = [_existing(place, runs_dir) for place in places] or [newest_exported(runs_dir)]
    runs = [place for place in chosen if _is_run(place)]
    named = {place.resolve() for place in chosen if place.is_file()}
    files = [file for place in chosen for file in _model_files(place)]
    targets, refused = [], []
    for file in dict.fromkeys(file.resolve() for file in files):
        try:
            model = read_tflite(file)
        except InputError as error:
            if file in named:
                raise
            refused.append(Refused(file, str(error)))
        else:
            targets.append(open_target(file, model))
    if not targets:
        raise InputError(refused[0].reason)
    run = runs[0] if len(chosen) == len(runs) == 1 else None
    return Selection(told_apart(targets), ", ".join(map(str, chosen)), run, tuple(refused))


def told_apart(targets: Sequence[Target]) -> tuple[Target, ...]:
    """The targets; those that share a variant are given the part of their paths that differs."""
    alike: dict[str, list[Path]] = {}
    for target in targets:
        alike.setdefault(target.variant, []).append(target.path)
    return tuple(replace(target, origin=_origin(target.path, alike[target.variant])) for target in targets)


def _origin(path: Path, alike: Sequence[Path]) -> str:
    if len(alike) == 1:
        return ""
    ways = [(*file.parent.parts, file.stem) for file in alike]
    start = _common(ways)
    end = _common([way[start:][::-1] for way in ways])
    own = (*path.parent.parts, path.stem)
    differing = own[start : len(own) - end]
    return "/".join(differing) or own[start - 1]


def _common(ways: Sequence[tuple[str, ...]]) -> int:
    """How many parts all ways begin with."""
    count = 0
    for parts in zip(*ways, strict=False):
        if len(set(parts)) > 1:
            break
        count += 1
    return count


def open_target(path: Path, model: TfliteModel | None = None) -> Target:
    """Verifies one file and what lies beside it.

    Args:
        path: The file.
        model: What `read_tflite` said of it, where the caller has it.

    Raises:
        InputError: damaged, or the labels do not match the output.
        VerificationError: not the file its manifest describes.
    """
    model = model or read_tflite(path)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(f"{path} has {len(model.inputs)} inputs and {len(model.outputs)} outputs: not a classifier")
    classes = model.outputs[0].shape[-1] if model.outputs[0].shape else 0
    pack = read_parity_pack(path.parent / PARITY_FILE) if (path.parent / PARITY_FILE).is_file() else None
    if pack is not None:
        _check_pack(path, model, pack)
    pictures = () if pack else tuple(sorted((path.parent / GOLDEN_FOLDER).glob("*.png")))
    unknown = not manifest_path(path).is_file() and find_variant(path) is None
    return Target(model, _variant(path, model), _labels(path, classes), pack, pictures, unknown)


def newest_exported(runs_dir: Path) -> Path:
    """The newest run under `runs_dir`; on a board that holds no run, the newest folder with an `export/`, or this one.

    Raises:
        InputError: there is none.
    """
    if all_runs(runs_dir):
        return newest_run(runs_dir)
    here = [place for place in sorted(runs_dir.glob("*")) if _is_run(place)] if runs_dir.is_dir() else []
    if here:
        return here[-1]
    return Path() if _is_run(Path()) else newest_run(runs_dir)


def _is_run(place: Path) -> bool:
    """A run, or what is left of one on a board: a folder with an `export/`."""
    return (place / RUN_FILE).is_file() or any((place / EXPORT_FOLDER).glob("*.tflite"))


def _existing(place: Path, runs_dir: Path) -> Path:
    for candidate in (place, runs_dir / place):
        if candidate.exists():
            return candidate
    raise InputError(f"no such run, folder or file: {place}; give one, or nothing for the newest run under {runs_dir}")


def _model_files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    folder = place / EXPORT_FOLDER if _is_run(place) else place
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
