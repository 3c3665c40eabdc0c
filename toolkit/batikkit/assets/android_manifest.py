"""`AndroidManifest.xml` in the compiled form that an .apk holds: only the lowest Android version that is read from it.

The format is a row of chunks (type, header size, size), described by ResourceTypes.h of the Android sources.
"""

from __future__ import annotations

import struct

_FILE, _STRINGS, _RESOURCES, _START_ELEMENT = 0x0003, 0x0001, 0x0180, 0x0102
_MIN_SDK = 0x0101020C
"""The resource number of `android:minSdkVersion`; names may have been stripped, numbers are always there."""


def min_sdk(content: bytes) -> int | None:
    """`minSdkVersion` of a compiled manifest; None where it names none, which Android takes as 1.

    Raises:
        ValueError: not a compiled manifest, or damaged.
    """
    try:
        kind, header, size = struct.unpack_from("<HHI", content)
        if kind != _FILE or size > len(content):
            raise ValueError("not compiled")
        return _search(content, header, size)
    except struct.error as error:
        raise ValueError(f"damaged: {error}") from error


def _search(content: bytes, at: int, end: int) -> int | None:
    numbers: tuple[int, ...] = ()
    while at < end:
        kind, header, size = struct.unpack_from("<HHI", content, at)
        if size < 8:
            raise ValueError("a chunk without a size")
        if kind == _RESOURCES:
            numbers = struct.unpack_from(f"<{(size - header) // 4}I", content, at + header)
        if kind == _START_ELEMENT:
            found = _attribute(content, at + header, numbers)
            if found is not None:
                return found
        at += size
    return None


def _attribute(content: bytes, body: int, numbers: tuple[int, ...]) -> int | None:
    _, _, start, step, count = struct.unpack_from("<IIHHH", content, body)
    for index in range(count):
        _, name, _, _, _, _, value = struct.unpack_from("<IIIHBBI", content, body + start + index * step)
        if name < len(numbers) and numbers[name] == _MIN_SDK:
            return int(value)
    return None
