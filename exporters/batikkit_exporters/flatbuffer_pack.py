"""Writes a decoded `batikkit.tflite.flatbuffer.Table` back to bytes, on the `flatbuffers` builder."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np

from batikkit.tflite.flatbuffer import SCALARS, Field, Schema, Table

# Runtimes map constants straight from the file and use vector instructions on them (the schema says `force_align: 16`).
_BYTES_ALIGNMENT = 16
_SLOTS = {
    "bool": "Bool",
    "i8": "Int8",
    "u8": "Uint8",
    "i16": "Int16",
    "u16": "Uint16",
    "i32": "Int32",
    "u32": "Uint32",
    "i64": "Int64",
    "u64": "Uint64",
    "f32": "Float32",
    "f64": "Float64",
}


def make_table(schema: Schema, table: str, /, **values: Any) -> Table:
    """A table with the given fields and the schema's defaults for the rest.

    Raises:
        KeyError: a field that the table does not have.
    """
    fields = schema.tables[table]
    unknown = values.keys() - {spec.name for spec in fields}
    if unknown:
        raise KeyError(f"{table} has no {', '.join(sorted(unknown))}")
    absent = {spec.name: spec.default if spec.kind == "scalar" else None for spec in fields}
    return Table(table, {**absent, **values})


def pack_flatbuffer(root: Table, schema: Schema, *, identifier: bytes) -> bytes:
    """The bytes of a flatbuffer; tables shared by several parents are written once.

    Raises:
        ValueError: a table holds fields newer than the schema, which would be lost.
    """
    packer = _Packer(schema)
    packer.builder.Finish(packer.table(root), identifier)
    return bytes(packer.builder.Output())


class _Packer:
    def __init__(self, schema: Schema) -> None:
        self.builder = flatbuffers.Builder(1 << 16)
        self._schema = schema
        self._written: dict[int, int] = {}

    def table(self, table: Table) -> int:
        """Offset of a table, written unless it already is."""
        if table.newer:
            raise ValueError(f"{table.name} holds fields newer than the schema known here")
        if id(table) not in self._written:
            self._written[id(table)] = self._write(table)
        return self._written[id(table)]

    def _write(self, table: Table) -> int:
        fields = self._schema.tables[table.name]
        # Children first: a builder cannot nest.
        children = {
            spec.name: self._child(spec, table.values[spec.name])
            for spec in fields
            if spec.kind not in ("scalar", "deprecated") and table.values[spec.name] is not None
        }
        self.builder.StartObject(len(fields))
        for slot, spec in enumerate(fields):
            if spec.kind == "scalar":
                getattr(self.builder, f"Prepend{_SLOTS[spec.target]}Slot")(slot, table.values[spec.name], spec.default)
            elif spec.name in children:
                self.builder.PrependUOffsetTRelativeSlot(slot, children[spec.name], 0)
        return int(self.builder.EndObject())

    def _child(self, spec: Field, value: Any) -> int:
        if spec.kind == "string":
            return int(self.builder.CreateString(value))
        if spec.kind in ("table", "union"):
            return self.table(value)
        if spec.kind == "scalars":
            return self._scalars(np.asarray(value, SCALARS[spec.target][1]))
        make = self.builder.CreateString if spec.kind == "strings" else self.table
        return self._offsets([int(make(item)) for item in value])

    def _scalars(self, values: np.ndarray[Any, np.dtype[Any]]) -> int:
        size = values.itemsize
        self.builder.StartVector(size, len(values), _BYTES_ALIGNMENT if size == 1 else size)
        # One copy into the builder; prepending element by element takes seconds for a network's weights.
        self.builder.head -= values.nbytes
        self.builder.Bytes[self.builder.head : self.builder.head + values.nbytes] = values.tobytes()
        return int(self.builder.EndVector())

    def _offsets(self, offsets: list[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())
