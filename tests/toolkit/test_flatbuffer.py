"""The flatbuffer reader: what it reads, and that damage is refused by name."""

from __future__ import annotations

import struct

import flatbuffers
import numpy as np
import pytest

from batikkit.tflite.flatbuffer import MAX_DEPTH, FlatbufferError, Table, parse_schema, read_flatbuffer

SCHEMA = parse_schema(
    "Root: size:i32=5 ratio:f32 name:str numbers:[i64] words:[str] child:Node\n"
    "    children:[Node] pet_type:u8 pet:<Pet> gone:-\n"
    "Node: value:u8 next:Node\nCat: lives:i32=9\nDog:\n",
    "Pet: Cat Dog\n",
)


def read(data: bytes) -> Table:
    return read_flatbuffer(data, SCHEMA, "Root", identifier=b"TEST")


def node(builder: flatbuffers.Builder, value: int, following: int | None = None) -> int:
    builder.StartObject(2)
    builder.PrependUint8Slot(0, value, 0)
    if following is not None:
        builder.PrependUOffsetTRelativeSlot(1, following, 0)
    return int(builder.EndObject())


@pytest.fixture
def rich() -> bytes:
    """A buffer in which every kind of field is present."""
    builder = flatbuffers.Builder(64)
    name = builder.CreateString("kawung é")
    numbers = builder.CreateNumpyVector(np.array([1, -2, 3], np.int64))
    words = [builder.CreateString(word) for word in ("a", "")]
    builder.StartVector(4, 2, 4)
    for word in reversed(words):
        builder.PrependUOffsetTRelative(word)
    word_list = builder.EndVector()
    first = node(builder, 7)
    second = node(builder, 8, first)
    builder.StartVector(4, 2, 4)
    builder.PrependUOffsetTRelative(second)
    builder.PrependUOffsetTRelative(first)
    children = builder.EndVector()
    builder.StartObject(1)
    cat = builder.EndObject()
    builder.StartObject(9)
    builder.PrependFloat32Slot(1, 0.5, 0.0)
    for slot, offset in ((2, name), (3, numbers), (4, word_list), (5, second), (6, children), (8, cat)):
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    builder.PrependUint8Slot(7, 1, 0)
    builder.Finish(builder.EndObject(), b"TEST")
    return bytes(builder.Output())


def test_reads_every_kind_of_field(rich: bytes) -> None:
    root = read(rich)
    assert (root.integer("size"), root.real("ratio"), root.text("name")) == (5, 0.5, "kawung é")
    assert root.integers("numbers") == (1, -2, 3)
    assert root.array("numbers").dtype == np.dtype("<i8")
    assert root.strings("words") == ["a", ""]
    assert [child.integer("value") for child in root.tables("children")] == [7, 8]
    pet, child = root.table("pet"), root.table("child")
    assert pet is not None
    assert (pet.name, pet.integer("lives")) == ("Cat", 9)
    assert child is not None
    # The table two parents share is one object.
    assert child.table("next") is root.tables("children")[0]
    assert "child" in root
    assert "gone" not in root


def test_vectors_are_views_of_the_file(rich: bytes) -> None:
    assert not read(rich).array("numbers").flags.owndata


def test_absent_fields_have_defaults() -> None:
    builder = flatbuffers.Builder(16)
    builder.StartObject(0)
    builder.Finish(builder.EndObject(), b"TEST")
    root = read(bytes(builder.Output()))
    assert root.integer("size") == 5
    assert root.text("name") == ""
    assert root.tables("children") == []
    assert root.array("numbers").size == 0
    assert root.table("pet") is None


def test_bytes_behind_the_buffer_are_allowed(rich: bytes) -> None:
    assert read(rich + b"PK\3\4 an archive").integer("size") == 5


def test_fields_beyond_the_schema_are_noticed(rich: bytes) -> None:
    older = parse_schema("Root: size:i32=5 ratio:f32\n")
    root = read_flatbuffer(rich, older, "Root", identifier=b"TEST")
    assert root.real("ratio") == 0.5
    assert root.newer
    assert not read(rich).newer


def test_wrong_identifier_is_named(rich: bytes) -> None:
    with pytest.raises(FlatbufferError, match="identifier is b'TEST', not b'TFL3'"):
        read_flatbuffer(rich, SCHEMA, "Root", identifier=b"TFL3")


def test_offsets_cannot_lead_back(rich: bytes) -> None:
    """Offsets are unsigned, so a table can only name itself by wrapping around; that is out of bounds."""
    data = bytearray(rich)
    root = struct.unpack_from("<I", data)[0]
    vtable = root - struct.unpack_from("<i", data, root)[0]
    child = root + struct.unpack_from("<H", data, vtable + 4 + 2 * 5)[0]
    struct.pack_into("<I", data, child, 2**32 - (child - root))
    with pytest.raises(FlatbufferError, match="points to byte"):
        read(bytes(data))


def test_deep_nesting_is_refused() -> None:
    def chain(length: int) -> bytes:
        builder = flatbuffers.Builder(64)
        last = node(builder, 0)
        for _ in range(length - 1):
            last = node(builder, 0, last)
        builder.StartObject(9)
        builder.PrependUOffsetTRelativeSlot(5, last, 0)
        builder.Finish(builder.EndObject(), b"TEST")
        return bytes(builder.Output())

    assert read(chain(MAX_DEPTH - 1)).table("child") is not None
    with pytest.raises(FlatbufferError, match="nested deeper"):
        read(chain(5000))


def test_overlapping_vectors_run_out_of_budget() -> None:
    # A vector that claims a million tables, each of its offsets leading to the same valid one.
    count = 1_000_000
    data = bytearray(40 + 4 * count + 16)
    struct.pack_into("<I4s", data, 0, 28, b"TEST")
    struct.pack_into("<9H", data, 8, 18, 8, 0, 0, 0, 0, 0, 0, 4)
    struct.pack_into("<iI", data, 28, 20, 4)
    struct.pack_into("<I", data, 36, count)
    table = 40 + 4 * count + 4
    offsets = table - (40 + 4 * np.arange(count, dtype=np.uint32))
    data[40 : 40 + 4 * count] = offsets.astype("<u4").tobytes()
    struct.pack_into("<HHi", data, table - 4, 4, 4, 4)
    with pytest.raises(FlatbufferError, match="more than"):
        read(bytes(data))


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_raises_anything_else(rich: bytes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    refused = 0
    for _ in range(3000):
        data = bytearray(rich)
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        try:
            read(bytes(data[: int(rng.integers(len(data) + 1))] if rng.random() < 0.3 else data))
        except FlatbufferError:
            refused += 1
    assert refused > 300


def test_every_truncation_is_refused(rich: bytes) -> None:
    # The builder writes the root first and strings last, so no byte but padding can be missed.
    for length in range(len(rich) - 4):
        with pytest.raises(FlatbufferError):
            read(rich[:length])
