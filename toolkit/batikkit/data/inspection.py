"""Opening every file of a data set once: does it decode, what is it really, and what does it look like?"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from batikkit.console import Advance
from batikkit.data.fingerprint import DECODE_SIDE, Fingerprint, fingerprint
from batikkit.digest import stream_sha256
from batikkit.errors import InputError
from batikkit.images import damage_named, decode, open_image
from batikkit.processors import worker_count

_EXIF_ORIENTATION = 0x0112

MOST_IN_MEMORY_BYTES = 32 << 20
"""Files up to this size are read once and at a stroke; photographs are smaller. Of a larger one nothing is kept, and it
is read again to be decoded."""


@dataclass(frozen=True)
class Inspection:
    """What one image file turned out to be.

    Attributes:
        path: POSIX path relative to the data set's root.
        size_bytes: Length of the file.
        mtime_ns: When it was last written, as the file system says.
        sha256: Hash of its bytes, hex.
        format: By content: `JPEG`, `PNG`, `BMP`, `GIF`, `WEBP` or `TIFF`.
        mode: Pillow's name of its pixel layout, such as `RGB`, `P`, `CMYK`, `I;16`.
        width: Width as stored [pixels].
        height: Height as stored [pixels].
        animated: It has several frames; only the first is used.
        orientation: EXIF orientation, 1 (upright) to 8; 0 when it has none.
        look: Its fingerprint.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str
    format: str
    mode: str
    width: int
    height: int
    animated: bool
    orientation: int
    look: Fingerprint


@dataclass(frozen=True)
class Skipped:
    """A file that looks like an image and could not be used."""

    path: str
    reason: str


def inspect_all(
    root: Path,
    paths: Sequence[str],
    *,
    known: Mapping[str, Inspection] | None = None,
    advance: Advance | None = None,
) -> list[Inspection | Skipped]:
    """Inspects files in parallel.

    Args:
        root: The data set's folder.
        paths: POSIX paths relative to `root`.
        known: Earlier inspections; one is taken over when its file's size and time of change are the same.
        advance: Called with (done, total).

    Returns:
        One result per path, in order. Nothing is raised for a file that is broken or has vanished.
    """
    results: list[Inspection | Skipped] = []
    pool = ThreadPoolExecutor(worker_count())  # Pillow releases the GIL while decoding
    try:
        for result in pool.map(lambda path: _inspect(root, path, known or {}), paths):
            results.append(result)
            if advance:
                advance(len(results), len(paths))
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupted run does not wait for thousands of pictures
    return results


def _inspect(root: Path, relative: str, known: Mapping[str, Inspection]) -> Inspection | Skipped:
    try:
        relative.encode("utf-8")
    except UnicodeEncodeError:
        shown = relative.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return Skipped(shown, "its name is not UTF-8; rename it")
    try:
        status = os.stat(root / relative)  # noqa: PTH116 (Path.stat is the same call, slower; there are many)
        earlier = known.get(relative)
        if earlier and (earlier.size_bytes, earlier.mtime_ns) == (status.st_size, status.st_mtime_ns):
            return earlier
        return inspect_file(root, relative)
    except InputError as error:
        return Skipped(relative, str(error))
    except OSError as error:
        return Skipped(relative, f"cannot read it: {error.strerror}")


def inspect_file(root: Path, relative: str) -> Inspection:
    """Decodes, hashes and fingerprints one file.

    Raises:
        InputError: it cannot be decoded.
        OSError: it cannot be read, or has vanished.
    """
    file = root / relative
    with file.open("rb") as stream:
        status = os.fstat(stream.fileno())
        source = io.BytesIO(stream.read()) if status.st_size <= MOST_IN_MEMORY_BYTES else stream
        sha256 = stream_sha256(source)
        source.seek(0)
        with open_image(file, source) as image, damage_named(file):
            kind, mode, (width, height) = image.format or "", image.mode, image.size
            animated = bool(getattr(image, "is_animated", False))
            orientation = _orientation(image.getexif().get(_EXIF_ORIENTATION, 0))
            picture = decode(image, at_least=DECODE_SIDE)
    multi_picture = kind == "MPO"  # a JPEG with a preview or a second eye behind it
    return Inspection(
        path=relative,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        sha256=sha256,
        format="JPEG" if multi_picture else kind,
        mode=mode,
        width=width,
        height=height,
        animated=animated and not multi_picture,
        orientation=orientation,
        look=fingerprint(picture),
    )


def _orientation(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 0
