"""Reads the metadata that a `.tflite` file carries for those who feed it: labels, normalization, name, licence.

TFLite Metadata is a second flatbuffer (identifier M001) in the model's buffer `TFLITE_METADATA`, and a ZIP archive
behind the model for the files it names. The writer is `batikkit_exporters.metadata`.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from batikkit.errors import InputError
from batikkit.labels import label_lines
from batikkit.tflite.encoding import Normalization
from batikkit.tflite.file import TfliteModel, verify_tflite
from batikkit.tflite.flatbuffer import FlatbufferError, Table, parse_schema, read_flatbuffer
from batikkit.tflite.graph import buffer_bytes

METADATA_NAME = "TFLITE_METADATA"
METADATA_IDENTIFIER = b"M001"
COLOR_SPACES = ("unknown", "RGB", "grayscale")
AXIS_LABELS = 2

# Label files are kilobytes; an archive that claims more is broken or hostile.
MAX_FILES = 256
MAX_FILE_BYTES = 4 << 20
MAX_ARCHIVE_BYTES = 16 << 20

# Transcribed from mediapipe/tasks/metadata/metadata_schema.fbs, version 1.5.0.
METADATA_SCHEMA = parse_schema(
    """
ModelMetadata: name:str description:str version:str subgraph_metadata:[SubGraphMetadata] author:str license:str
    associated_files:[AssociatedFile] min_parser_version:str
SubGraphMetadata: name:str description:str input_tensor_metadata:[TensorMetadata]
    output_tensor_metadata:[TensorMetadata] associated_files:[AssociatedFile] input_process_units:[ProcessUnit]
    output_process_units:[ProcessUnit] input_tensor_groups:[TensorGroup] output_tensor_groups:[TensorGroup]
    custom_metadata:[CustomMetadata]
TensorMetadata: name:str description:str dimension_names:[str] content:Content process_units:[ProcessUnit]
    stats:Stats associated_files:[AssociatedFile]
AssociatedFile: name:str description:str type:i8 locale:str version:str
Content: content_properties_type:u8 content_properties:<ContentProperties> range:ValueRange
ValueRange: min:i32 max:i32
FeatureProperties:
ImageProperties: color_space:i8 default_size:ImageSize
ImageSize: width:u32 height:u32
BoundingBoxProperties: index:[u32] type:i8 coordinate_type:i8
AudioProperties: sample_rate:u32 channels:u32
ProcessUnit: options_type:u8 options:<ProcessUnitOptions>
NormalizationOptions: mean:[f32] std:[f32]
ScoreCalibrationOptions: score_transformation:i8 default_score:f32
ScoreThresholdingOptions: global_score_threshold:f32
BertTokenizerOptions: vocab_file:[AssociatedFile]
SentencePieceTokenizerOptions: sentence_piece_model:[AssociatedFile] vocab_file:[AssociatedFile]
RegexTokenizerOptions: delim_regex_pattern:str vocab_file:[AssociatedFile]
Stats: max:[f32] min:[f32]
TensorGroup: name:str tensor_names:[str]
CustomMetadata: name:str data:[u8]
""",
    """
ContentProperties: FeatureProperties ImageProperties BoundingBoxProperties AudioProperties
ProcessUnitOptions: NormalizationOptions ScoreCalibrationOptions ScoreThresholdingOptions BertTokenizerOptions
    SentencePieceTokenizerOptions RegexTokenizerOptions
""",
)


@dataclass(frozen=True)
class ModelMetadata:
    """The metadata of an image classifier.

    Attributes:
        labels: of the first output, in output order; empty when the file attaches none.
        locale_labels: display names by locale (`id`, `en`), same order as `labels`.
        mean, std: normalization `(pixel - mean) / std` asked of the caller; empty when none is declared.
        input_range: smallest and largest input value declared, if any.
        color_space: `RGB`, `grayscale`, `unknown`, or empty when the input is not declared an image.
        files: every file attached, by name.
    """

    name: str
    version: str
    author: str
    license: str
    description: str
    min_parser_version: str
    labels: tuple[str, ...]
    locale_labels: Mapping[str, tuple[str, ...]]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_range: tuple[float, float] | None
    color_space: str
    files: Mapping[str, bytes]


def read_metadata(model_bytes: bytes, *, name: str = "model") -> ModelMetadata | None:
    """Read the metadata of a model held in memory; None when it carries none.

    Args:
        model_bytes: the whole `.tflite` file.
        name: what to call it in messages.

    Raises:
        InputError: the model, its metadata or the attached archive is damaged, or the archive is far too large.
    """
    model, _ = verify_tflite(model_bytes, name=name)
    entries = [entry for entry in model.tables("metadata") if entry.text("name") == METADATA_NAME]
    if not entries:
        return None
    content = buffer_bytes(model, entries[0].integer("buffer"), model_bytes).tobytes()
    root = _root(content, name)
    return _describe(root, read_attached_files(model_bytes, name=name), name)


def read_normalization(model: TfliteModel) -> Normalization | None:
    """The NormalizationOptions of a verified file; None where it declares none.

    Raises:
        InputError: its metadata is damaged.
    """
    content = model.metadata.get(METADATA_NAME)
    if content is None:
        return None
    root = _root(content, str(model.path))
    subgraph = next(iter(root.tables("subgraph_metadata")), None)
    source = next(iter(subgraph.tables("input_tensor_metadata")), None) if subgraph else None
    mean, std = _normalization(source)
    return Normalization(mean, std) if mean and std else None


def _root(content: bytes, name: str) -> Table:
    try:
        return read_flatbuffer(content, METADATA_SCHEMA, "ModelMetadata", identifier=METADATA_IDENTIFIER)
    except FlatbufferError as fault:
        raise InputError(f"{name}: its metadata is damaged: {fault}; export it again") from None


def read_attached_files(model_bytes: bytes, *, name: str = "model") -> dict[str, bytes]:
    """Content of the files attached behind a model, by name; empty without an archive.

    Raises:
        InputError: the archive is damaged or would unpack to more than a model's labels can need.
    """
    stream = io.BytesIO(model_bytes)
    if not zipfile.is_zipfile(stream):
        return {}
    try:
        with zipfile.ZipFile(stream) as archive:
            _check_sizes(archive.infolist(), name)
            return {entry.filename: _unpack(archive, entry) for entry in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as fault:
        raise InputError(f"{name}: its attached files are damaged ({fault}); export it again") from None
    except (zlib.error, struct.error) as fault:
        raise InputError(f"{name}: its attached files are damaged ({fault}); export it again") from None


def _check_sizes(entries: list[zipfile.ZipInfo], name: str) -> None:
    largest = max((entry.file_size for entry in entries), default=0)
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_FILES or largest > MAX_FILE_BYTES or total > MAX_ARCHIVE_BYTES:
        raise InputError(
            f"{name}: its {len(entries)} attached files unpack to {total} bytes, more than labels can need; "
            "do not trust this file"
        )


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as stream:
        # The declared size is only a claim: read no further than it.
        return stream.read(MAX_FILE_BYTES)


def _describe(root: Table, files: Mapping[str, bytes], name: str) -> ModelMetadata:
    subgraph = next(iter(root.tables("subgraph_metadata")), None)
    source = next(iter(subgraph.tables("input_tensor_metadata")), None) if subgraph else None
    scores = next(iter(subgraph.tables("output_tensor_metadata")), None) if subgraph else None
    labels = _labels(scores, files, name)
    mean, std = _normalization(source)
    return ModelMetadata(
        name=root.text("name"),
        version=root.text("version"),
        author=root.text("author"),
        license=root.text("license"),
        description=root.text("description"),
        min_parser_version=root.text("min_parser_version"),
        labels=labels.pop("", ()),
        locale_labels=labels,
        mean=mean,
        std=std,
        input_range=_range(source),
        color_space=_color_space(source),
        files=files,
    )


def _labels(scores: Table | None, files: Mapping[str, bytes], name: str) -> dict[str, tuple[str, ...]]:
    """Label lists of the output by locale; the empty locale is the model's own."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in scores.tables("associated_files") if scores else []:
        if entry.integer("type") != AXIS_LABELS:
            continue
        file_name = entry.text("name")
        if file_name not in files:
            raise InputError(f"{name}: its metadata names {file_name!r}, which is not attached; export it again")
        try:
            text = files[file_name].decode("utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{name}: its attached {file_name!r} is not UTF-8; export it again") from None
        found.setdefault(entry.text("locale"), tuple(label_lines(text)))
    return found


def _normalization(source: Table | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    for unit in source.tables("process_units") if source else []:
        options = unit.table("options")
        if options is not None and options.name == "NormalizationOptions":
            return _floats(options.array("mean")), _floats(options.array("std"))
    return (), ()


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _range(source: Table | None) -> tuple[float, float] | None:
    stats = source.table("stats") if source else None
    if stats is None or not len(stats.array("min")) or not len(stats.array("max")):
        return None
    return float(stats.array("min").min()), float(stats.array("max").max())


def _color_space(source: Table | None) -> str:
    content = source.table("content") if source else None
    properties = content.table("content_properties") if content else None
    if properties is None or properties.name != "ImageProperties":
        return ""
    code = properties.integer("color_space")
    return COLOR_SPACES[code] if 0 <= code < len(COLOR_SPACES) else COLOR_SPACES[0]
