"""Writes TFLite Metadata into a classifier, so that MediaPipe and the Android samples need no guessing.

The pixel contract is fixed: raw RGB 0..255 in, probabilities out. Hence mean 0 and standard deviation 1 (the scaling to
[-1, 1] is part of the graph), statistics 0..255, and labels in output order. The reader is `batikkit.tflite.metadata`.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from batikkit.errors import InputError
from batikkit.tflite.file import verify_tflite
from batikkit.tflite.flatbuffer import Table
from batikkit.tflite.graph import Graph
from batikkit.tflite.metadata import AXIS_LABELS, METADATA_IDENTIFIER, METADATA_NAME, METADATA_SCHEMA
from batikkit.tflite.schema import FILE_IDENTIFIER, SCHEMA
from batikkit_exporters.flatbuffer_pack import make_table, pack_flatbuffer

LABELS_FILE = "labels.txt"
# The name under which the LiteRT Android sample looks its labels up.
LABELS_ALIAS = "labels_without_background.txt"
# Nothing here is newer than the first public schema.
MIN_PARSER_VERSION = "1.0.0"
_RGB = 1
_FEATURE_PROPERTIES, _IMAGE_PROPERTIES = 1, 2
_NORMALIZATION = 1
# A fixed time stamp keeps the file, and so its SHA-256, the same from one export to the next.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ModelInfo:
    """What the metadata tells about a model.

    Attributes:
        labels: class names in output order.
        locale_labels: display names by locale (`id`, `en`, `jv`), each in the order of `labels`.
    """

    name: str
    version: str
    author: str
    license: str
    description: str
    labels: tuple[str, ...]
    locale_labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def attach_metadata(model_bytes: bytes, *, info: ModelInfo) -> bytes:
    """A copy of the model with metadata and label files attached.

    Constants, operators and other metadata entries stay as they are; metadata written earlier is replaced.

    Args:
        model_bytes: a `.tflite` file with one input uint8 or float32 [1, H, W, 3] and one output [1, C].
        info: what to write; `labels` has C entries.

    Raises:
        InputError: the model is not such a classifier, or the labels do not fit its output.
    """
    model, graphs = verify_tflite(model_bytes, name=info.name)
    _check_fit(graphs[0], info)
    if any(buffer.integer("offset") > 1 for buffer in model.tables("buffers")):
        raise InputError(f"{info.name}: a model above 2 GB cannot carry metadata; export a smaller one")
    content = pack_flatbuffer(_metadata(graphs[0], info), METADATA_SCHEMA, identifier=METADATA_IDENTIFIER)
    _store(model, np.frombuffer(content, np.uint8))
    try:
        packed = pack_flatbuffer(model, SCHEMA, identifier=FILE_IDENTIFIER)
    except ValueError as fault:
        raise InputError(f"{info.name}: {fault}; update batikkit to write its metadata") from None
    return _append_files(packed, _label_files(info))


def _check_fit(graph: Graph, info: ModelInfo) -> None:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise InputError(f"{info.name}: a classifier has one input and one output; export another model")
    shape, classes = graph.inputs[0].shape, graph.outputs[0].shape[-1:]
    if len(shape) != 4 or shape[3] != 3:
        raise InputError(f"{info.name}: its input has the shape {shape}, not [1, H, W, 3]; export an image model")
    for what, labels in (("labels", info.labels), *info.locale_labels.items()):
        if classes != (len(labels),):
            raise InputError(f"{info.name}: {len(labels)} {what} for {classes} classes; give the model's own labels")
        if any(not label.strip() or "\n" in label or "\r" in label for label in labels):
            raise InputError(f"{info.name}: {what} holds an empty or two-line label; labels are one line each")


def _locale_file(locale: str) -> str:
    return f"labels_{locale}.txt"


def _label_files(info: ModelInfo) -> dict[str, bytes]:
    texts = {LABELS_FILE: info.labels, LABELS_ALIAS: info.labels}
    texts.update({_locale_file(locale): labels for locale, labels in info.locale_labels.items()})
    return {name: "".join(f"{label}\n" for label in labels).encode() for name, labels in texts.items()}


def _metadata(graph: Graph, info: ModelInfo) -> Table:
    alias = _table("AssociatedFile", name=LABELS_ALIAS, description="Copy of labels.txt for the LiteRT sample.")
    subgraph = _table(
        "SubGraphMetadata",
        input_tensor_metadata=[_image_input(graph.inputs[0].shape)],
        output_tensor_metadata=[_probabilities(info)],
    )
    return _table(
        "ModelMetadata",
        name=info.name,
        description=info.description,
        version=info.version,
        author=info.author,
        license=info.license,
        subgraph_metadata=[subgraph],
        associated_files=[alias],
        min_parser_version=MIN_PARSER_VERSION,
    )


def _image_input(shape: tuple[int, ...]) -> Table:
    size = _table("ImageSize", height=shape[1], width=shape[2])
    # One value, not three: MediaPipe takes either, older readers only this.
    options = _table("NormalizationOptions", mean=_floats(0.0), std=_floats(1.0))
    return _table(
        "TensorMetadata",
        name="image",
        description="RGB photograph, whole image stretched to the input size, pixel values 0 to 255.",
        content=_table(
            "Content",
            content_properties_type=_IMAGE_PROPERTIES,
            content_properties=_table("ImageProperties", color_space=_RGB, default_size=size),
        ),
        process_units=[_table("ProcessUnit", options_type=_NORMALIZATION, options=options)],
        stats=_table("Stats", min=_floats(0.0), max=_floats(255.0)),
    )


def _probabilities(info: ModelInfo) -> Table:
    files = [_table("AssociatedFile", name=LABELS_FILE, description="Class names.", type=AXIS_LABELS)]
    files += [
        _table(
            "AssociatedFile",
            name=_locale_file(locale),
            description=f"Class names ({locale}).",
            type=AXIS_LABELS,
            locale=locale,
        )
        for locale in sorted(info.locale_labels)
    ]
    return _table(
        "TensorMetadata",
        name="probability",
        description="Probability of each class, in the order of the labels.",
        content=_table(
            "Content",
            content_properties_type=_FEATURE_PROPERTIES,
            content_properties=_table("FeatureProperties"),
        ),
        stats=_table("Stats", min=_floats(0.0), max=_floats(1.0)),
        associated_files=files,
    )


def _table(table: str, /, **values: object) -> Table:
    return make_table(METADATA_SCHEMA, table, **values)


def _floats(*values: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(values, np.float32)


def _store(model: Table, content: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    """Point the model's TFLITE_METADATA entry to a buffer with this content, adding either when absent."""
    buffers, entries = list(model.tables("buffers")), list(model.tables("metadata"))
    buffer = make_table(SCHEMA, "Buffer", data=content)
    old = [entry for entry in entries if entry.text("name") == METADATA_NAME]
    if old:
        buffers[old[0].integer("buffer")] = buffer
    else:
        entries.append(make_table(SCHEMA, "Metadata", name=METADATA_NAME, buffer=len(buffers)))
        buffers.append(buffer)
    model.values.update(buffers=buffers, metadata=entries)


def _append_files(model_bytes: bytes, files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO(model_bytes)
    # Stored, not deflated: readers on the device map the archive and take the bytes as they are.
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return stream.getvalue()
