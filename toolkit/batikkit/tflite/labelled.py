"""Whether labels are those of a `.tflite` file: its manifest, its export and the file itself each say which they are.

A label file is a list of lines; two of them swapped still fit the number of outputs, and answers name other motifs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from batikkit.errors import InputError, VerificationError
from batikkit.export_record import check_as_recorded
from batikkit.labels import LABELS_FILE, labels_sha256, read_labels
from batikkit.manifest import manifest_path, read_manifest
from batikkit.tflite.file import read_tflite
from batikkit.tflite.metadata import read_metadata
from batikkit.tflite.runtime import LoadedModel, Wishes, open_model


def open_labelled(
    path: Path,
    *,
    labels: Path | None = None,
    runtime: str | None = None,
    threads: int = 1,
    wishes: Wishes | None = None,
) -> tuple[LoadedModel, tuple[str, ...]]:
    """Loads a model as `open_model`, with the labels of its outputs: those of a file, the one beside it when None.

    Raises:
        InputError: damaged file, no labels, or labels that do not match the output.
        VerificationError: the labels are another model's, or in another order.
    """
    model = open_model(path, runtime=runtime, threads=threads, wishes=wishes)
    source = labels or path.parent / LABELS_FILE
    names, outputs = read_labels(source), model.output.shape[-1]
    if outputs != len(names):
        raise InputError(
            f"{path} has {outputs} outputs but {source} names {len(names)} labels: use the label file of the same "
            "export"
        )
    check_labelled(path, names, source=source)
    return model, names


def check_labelled(path: Path, labels: Sequence[str], *, source: Path) -> None:
    """Makes sure that a file is the one that its folder describes, and that `labels` name its outputs in order.

    Args:
        path: A `.tflite` file; what knows nothing of its labels passes.
        labels: One per output; also in one of the languages that the file carries.
        source: Where they were read, for the message.

    Raises:
        InputError: the file or its manifest is damaged.
        VerificationError: the file is another one, or the labels are another model's or in another order.
    """
    check_as_recorded(path.parent, path.name)
    metadata = read_metadata(path.read_bytes(), name=str(path))
    own = metadata.labels if metadata else ()
    translated = metadata is not None and tuple(labels) in metadata.locale_labels.values()
    if own and tuple(labels) != own and not translated:
        raise VerificationError(f"{source} {_difference(labels, own)} in {path.name} itself: {_CURE}")
    if not manifest_path(path).is_file():
        return
    manifest = read_manifest(manifest_path(path))
    if manifest.sha256 != read_tflite(path).sha256:
        raise VerificationError(
            f"{path} is not the file that {manifest_path(path).name} describes (SHA-256 differs): export again"
        )
    if labels_sha256(own if translated else labels) != manifest.labels_sha256:
        raise VerificationError(
            f"{source} is not the label file that {manifest_path(path).name} names by its SHA-256: {_CURE}"
        )


_CURE = "use the label file of the same export, or export again"


def _difference(labels: Sequence[str], own: Sequence[str]) -> str:
    if len(labels) != len(own):
        return f"has {len(labels)} labels, not the {len(own)}"
    line = next(number for number, pair in enumerate(zip(labels, own, strict=True), 1) if pair[0] != pair[1])
    return f"names {labels[line - 1]!r} in line {line} where it is {own[line - 1]!r}"
