"""SHA-256 of files, by which photographs, models and splits are known again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

_CHUNK_BYTES = 1 << 20


def file_sha256(file: Path) -> str:
    """SHA-256 of a file's bytes, hex, read in pieces.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        return stream_sha256(stream)


def stream_sha256(stream: BinaryIO) -> str:
    """SHA-256 of what is left in a stream, hex, read in pieces.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
