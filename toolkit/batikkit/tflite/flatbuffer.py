"""A small flatbuffer reader that trusts nothing: every offset is checked before it is followed.

The whole buffer is decoded in one pass against a schema, so decoding *is* the structural verification: a `Table` that
exists can be read without any further check. The rules are those of the FlatBuffers C++ verifier (bounds, alignment,
vtables, terminated strings, depth), plus a budget of elements so that overlapping vectors cannot take for ever.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_DEPTH = 64
MAX_ELEMENTS = 200_000

# Schema notation -> struct code, NumPy dtype. Everything in a flatbuffer is little-endian.
SCALARS = {
    "bool": ("<B", "u1"),
    "i8": ("<b", "i1"),
    "u8": ("<B", "u1"),
    "i16": ("<h", "<i2"),
    "u16": ("<H", "<u2"),
    "i32": ("<i", "<i4"),
    "u32": ("<I", "<u4"),
    "i64": ("<q", "<i8"),
    "u64": ("<Q", "<u8"),
    "f32": ("<f", "<f4"),
    "f64": ("<d", "<f8"),
}


class FlatbufferError(ValueError):
    """The bytes are not a well-formed flatbuffer of the expected schema."""


@dataclass(frozen=True)
class Field:
    """One slot of a table.

    Attributes:
        kind: `scalar`, `string`, `table`, `union`, `scalars`, `strings`, `tables` or `deprecated`.
        target: scalar notation, table name or union name, by kind.
    """

    name: str
    kind: str
    target: str = ""
    default: float = 0


@dataclass(frozen=True)
class Schema:
    """Tables by name (fields in slot order) and unions by name (members; type code = position + 1)."""

    tables: dict[str, tuple[Field, ...]]
    unions: dict[str, tuple[str, ...]]


def parse_schema(tables: str, unions: str = "") -> Schema:
    """Read the schema notation.

    One table per entry, `Name: field:type field:type=default`; indented lines continue it. A type is a scalar (`u8`,
    `i32`, `f32`, ...), `str`, a table name, `<Union>` (its type code must be the slot before, named `<field>_type`),
    any of the first three in brackets for a vector, or `-` for a deprecated slot.
    """
    union_members = {name: tuple(words) for name, words in _entries(unions)}
    parsed = {name: tuple(map(_parse_field, words)) for name, words in _entries(tables)}
    return Schema(parsed, union_members)


def _entries(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in text.strip().replace("\n ", " ").splitlines():
        name, _, rest = line.partition(":")
        yield name, rest.split()


def _parse_field(word: str) -> Field:
    name, _, notation = word.partition(":")
    notation, _, default = notation.partition("=")
    vector = notation.startswith("[")
    notation = notation.strip("[]")
    plural = "s" if vector else ""
    if notation == "-":
        return Field(name, "deprecated")
    if notation in SCALARS:
        return Field(name, "scalar" + plural, notation, float(default) if "." in default else int(default or 0))
    if notation == "str":
        return Field(name, "string" + plural)
    if notation.startswith("<"):
        return Field(name, "union", notation.strip("<>"))
    return Field(name, "table" + plural, notation)


@dataclass(eq=False)
class Table:
    """One decoded table. Absent scalars have their default; absent vectors, strings and tables are None.

    Attributes:
        newer: the table holds more than the schema knows, which a copy made from `values` would lose.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    newer: bool = False

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def integer(self, name: str) -> int:
        """A scalar field as int."""
        return int(self.values[name])

    def real(self, name: str) -> float:
        """A scalar field as float."""
        return float(self.values[name])

    def text(self, name: str) -> str:
        """A string field; empty when absent."""
        return self.values[name] or ""

    def array(self, name: str) -> NDArray[Any]:
        """A vector of scalars as a read-only view of the file; empty when absent."""
        value = self.values[name]
        return np.empty(0, np.uint8) if value is None else value

    def integers(self, name: str) -> tuple[int, ...]:
        """A vector of scalars as Python ints; empty when absent."""
        return tuple(int(value) for value in self.array(name))

    def strings(self, name: str) -> list[str]:
        """A vector of strings; empty when absent."""
        return self.values[name] or []

    def table(self, name: str) -> Table | None:
        """A table or union field; a union's `Table.name` tells which member it is."""
        value: Table | None = self.values[name]
        return value

    def tables(self, name: str) -> list[Table]:
        """A vector of tables; empty when absent."""
        return self.values[name] or []


def read_flatbuffer(data: bytes | bytearray, schema: Schema, root: str, *, identifier: bytes) -> Table:
    """Decode and verify a whole flatbuffer; bytes after it (such as a ZIP archive) are allowed.

    Raises:
        FlatbufferError: anything reachable from the root is out of bounds, misaligned, cyclic or of the wrong kind.
    """
    if len(data) < 8:
        raise FlatbufferError(f"only {len(data)} bytes long")
    if data[4:8] != identifier:
        raise FlatbufferError(f"its identifier is {data[4:8]!r}, not {identifier!r}")
    reader = _Reader(data, schema)
    return reader.table(reader.offset(0), root, 0)


class _Reader:
    """The state of one decoding pass."""

    def __init__(self, data: bytes | bytearray, schema: Schema) -> None:
        self._data = data
        self._schema = schema
        self._tables: dict[tuple[int, str], Table | None] = {}
        self._elements = 0

    def offset(self, position: int) -> int:
        """Follow the relative offset stored at `position`."""
        distance = int(self._scalar(position, "u32"))
        if distance == 0:
            raise FlatbufferError(f"null offset at byte {position}")
        target = position + distance
        if target >= len(self._data):
            raise FlatbufferError(f"offset at byte {position} points to byte {target} of {len(self._data)}")
        return target

    def table(self, position: int, name: str, depth: int) -> Table:
        """Decode the table at `position`; a table shared by several parents is decoded once."""
        key = (position, name)
        if key in self._tables:
            known = self._tables[key]
            if known is None:
                raise FlatbufferError(f"{name} at byte {position} contains itself")
            return known
        if depth > MAX_DEPTH:
            raise FlatbufferError(f"tables are nested deeper than {MAX_DEPTH}")
        self._tables[key] = None
        table = self._decode(position, name, depth)
        self._tables[key] = table
        return table

    def _decode(self, position: int, name: str, depth: int) -> Table:
        fields = self._schema.tables[name]
        self._spend(1 + len(fields))
        vtable = position - int(self._scalar(position, "i32"))
        vtable_size = int(self._scalar(vtable, "u16"))
        if vtable_size < 4 or vtable_size % 2 or vtable + vtable_size > len(self._data):
            raise FlatbufferError(f"{name} at byte {position} has a broken vtable")
        table_size = int(self._scalar(vtable + 2, "u16"))
        if table_size < 4 or position + table_size > len(self._data):
            raise FlatbufferError(f"{name} at byte {position} does not fit into the file")
        values: dict[str, Any] = {}
        for slot, spec in enumerate(fields):
            entry = vtable + 4 + 2 * slot
            inner = int(self._scalar(entry, "u16")) if 4 + 2 * slot < vtable_size else 0
            if inner and (inner < 4 or inner >= table_size):
                raise FlatbufferError(f"{name}.{spec.name} at byte {position} lies outside its table")
            values[spec.name] = self._value(position + inner if inner else 0, spec, values, depth)
        beyond = self._data[vtable + 4 + 2 * len(fields) : vtable + vtable_size]
        unknown = any(values[spec.name + "_type"] and not values[spec.name] for spec in fields if spec.kind == "union")
        return Table(name, values, newer=any(beyond) or unknown)

    def _value(self, position: int, spec: Field, values: dict[str, Any], depth: int) -> Any:
        if spec.kind == "scalar":
            return self._scalar(position, spec.target) if position else spec.default
        if spec.kind == "union":
            return self._union(position, spec, int(values[spec.name + "_type"]), depth)
        if not position or spec.kind == "deprecated":
            return None
        target = self.offset(position)
        if spec.kind == "string":
            return self._string(target)
        if spec.kind == "table":
            return self.table(target, spec.target, depth + 1)
        if spec.kind == "scalars":
            return self._scalars(target, spec.target)
        items = self._offsets(target)
        if spec.kind == "strings":
            return [self._string(item) for item in items]
        return [self.table(item, spec.target, depth + 1) for item in items]

    def _union(self, position: int, spec: Field, code: int, depth: int) -> Table | None:
        members = self._schema.unions[spec.target]
        if code == 0 or not position:
            if code and not position:
                raise FlatbufferError(f"{spec.name} has type {code} but no value")
            return None
        if code > len(members):
            # A member newer than the schema: nobody here will read it, and a runtime that knows it is as new.
            return None
        return self.table(self.offset(position), members[code - 1], depth + 1)

    def _scalar(self, position: int, notation: str) -> Any:
        code = SCALARS[notation][0]
        size = struct.calcsize(code)
        if position < 0 or position + size > len(self._data):
            raise FlatbufferError(f"byte {position} lies outside the file of {len(self._data)} bytes")
        if position % size:
            raise FlatbufferError(f"{notation} value at byte {position} is not aligned")
        return struct.unpack_from(code, self._data, position)[0]

    def _scalars(self, position: int, notation: str) -> NDArray[Any]:
        dtype = np.dtype(SCALARS[notation][1])
        start, count = self._vector(position, dtype.itemsize)
        if start % dtype.itemsize:
            raise FlatbufferError(f"vector at byte {position} is not aligned")
        return np.frombuffer(self._data, dtype, count, start) if count else np.empty(0, dtype)

    def _string(self, position: int) -> str:
        start, count = self._vector(position, 1)
        self._spend(count // 64)
        if self._data[start + count : start + count + 1] != b"\0":
            raise FlatbufferError(f"string at byte {position} is not terminated")
        try:
            return self._data[start : start + count].decode("utf-8")
        except UnicodeDecodeError:
            raise FlatbufferError(f"string at byte {position} is not UTF-8") from None

    def _offsets(self, position: int) -> list[int]:
        start, count = self._vector(position, 4)
        self._spend(count)
        return [self.offset(start + 4 * index) for index in range(count)]

    def _vector(self, position: int, item_size: int) -> tuple[int, int]:
        count = int(self._scalar(position, "u32"))
        start = position + 4
        if start + count * item_size > len(self._data):
            raise FlatbufferError(f"vector of {count} elements at byte {position} ends beyond the file")
        return start, count

    def _spend(self, elements: int) -> None:
        self._elements += elements
        if self._elements > MAX_ELEMENTS:
            raise FlatbufferError(f"it holds more than {MAX_ELEMENTS} elements")
