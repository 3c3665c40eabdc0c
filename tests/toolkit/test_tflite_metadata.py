"""Reading TFLite metadata: what is there is told, damage and bombs are refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from batikkit.errors import InputError
from batikkit.tflite.metadata import MAX_FILE_BYTES, MAX_FILES, read_attached_files, read_metadata
from batikkit_exporters.metadata import ModelInfo, attach_metadata

LABELS = ("kawung", "parang", "ceplok", "megamendung", "truntum")
INFO = ModelInfo(
    name="batik classifier",
    version="1",
    author="batikkit",
    license="Apache-2.0",
    description="five motifs",
    labels=LABELS,
    locale_labels={"id": tuple(f"batik {label}" for label in LABELS)},
)


@pytest.fixture
def bare(tflite_models: Path) -> bytes:
    return (tflite_models / "int8.tflite").read_bytes()


@pytest.fixture
def dressed(bare: bytes) -> bytes:
    return attach_metadata(bare, info=INFO)


def archive_of(count: int, size: int, *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for index in range(count):
            archive.writestr(f"{index}.txt", b"\0" * size)
    return stream.getvalue()


def test_a_bare_model_has_none(bare: bytes) -> None:
    assert read_metadata(bare) is None
    assert read_attached_files(bare) == {}


def test_everything_is_read_back(dressed: bytes) -> None:
    metadata = read_metadata(dressed)
    assert metadata is not None
    assert (metadata.name, metadata.version, metadata.author) == ("batik classifier", "1", "batikkit")
    assert (metadata.license, metadata.description) == ("Apache-2.0", "five motifs")
    assert metadata.labels == LABELS
    assert metadata.locale_labels == {"id": tuple(f"batik {label}" for label in LABELS)}
    assert (metadata.mean, metadata.std, metadata.input_range) == ((0.0,), (1.0,), (0.0, 255.0))
    assert metadata.color_space == "RGB"
    assert set(metadata.files) == {"labels.txt", "labels_without_background.txt", "labels_id.txt"}


def test_a_lost_archive_is_said(dressed: bytes) -> None:
    with pytest.raises(InputError, match=r"names 'labels.txt', which is not attached"):
        read_metadata(dressed[: dressed.index(b"PK\3\4")])


def test_damaged_metadata_is_said(dressed: bytes) -> None:
    with pytest.raises(InputError, match="its metadata is damaged"):
        read_metadata(dressed.replace(b"M001", b"M009"))


def test_damaged_attached_file_is_said(dressed: bytes) -> None:
    place = dressed.index(b"kawung\nparang")
    with pytest.raises(InputError, match="attached files are damaged"):
        read_attached_files(dressed[:place] + b"x" + dressed[place + 1 :])


@pytest.mark.parametrize(("count", "size"), [(1, MAX_FILE_BYTES + 1), (MAX_FILES + 1, 1), (8, MAX_FILE_BYTES)])
def test_bombs_are_refused(bare: bytes, count: int, size: int) -> None:
    with pytest.raises(InputError, match="more than labels can need"):
        read_attached_files(bare + archive_of(count, size))


def test_a_bomb_that_lies_about_its_size_unpacks_no_further(bare: bytes) -> None:
    honest = archive_of(1, 40 << 20)
    size = (40 << 20).to_bytes(4, "little")
    assert honest.count(size) == 2
    with pytest.raises(InputError, match="attached files are damaged"):
        read_attached_files(bare + honest.replace(size, (1000).to_bytes(4, "little")))


def test_no_damage_raises_anything_else(dressed: bytes) -> None:
    rng = np.random.default_rng(5)
    tail = dressed.index(b"M001") - 64
    refused = 0
    for _ in range(100):
        data = bytearray(dressed)
        for _ in range(int(rng.integers(1, 4))):
            start = tail if rng.random() < 0.3 else len(data) - 1500
            data[int(rng.integers(start, len(data)))] = int(rng.integers(256))
        try:
            read_metadata(bytes(data))
        except InputError:
            refused += 1
    assert refused > 10
