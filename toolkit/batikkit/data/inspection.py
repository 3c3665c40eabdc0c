"""Opening every file of a data set once: does it decode, what is it really, and what does it look like?"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from batikkit.console import Advance
from batikkit.data import circumstances
from batikkit.data.cloth_look import LOOK_SIDE, ClothLook, Texture, cloth_looks
from batikkit.data.fingerprint import DECODE_SIDE, Fingerprint, fingerprint
from batikkit.data.folder_names import shown
from batikkit.digest import stream_sha256
from batikkit.errors import InputError
from batikkit.images import damage_named, decode, open_image, resize
from batikkit.processors import worker_count

_EXIF_ORIENTATION = 0x0112

MOST_IN_MEMORY_BYTES = 32 << 20
"""Files up to this size are read once and at a stroke; photographs are smaller. Of a larger one nothing is kept, and it
is read again to be decoded."""


_AT_ONCE = 64
"""Files whose pictures are held together, ten megabytes."""


@dataclass(frozen=True)
class Inspection:
    """What one image file turned out to be.

    Attributes:
        path: POSIX path relative to the data set's root.
        size_bytes: Length of the file.
        mtime_ns: When it was last written, as the file system says.
        sha256: Hash of its bytes, hex.
        format: By content: one of `image_kinds.READ`.
        mode: Pillow's name of its pixel layout, such as `RGB`, `P`, `CMYK`, `I;16`.
        width: Width as stored [pixels].
        height: Height as stored [pixels].
        animated: It has several frames; only the first is used.
        orientation: EXIF orientation, 1 (upright) to 8; 0 when it has none.
        look: Its fingerprint.
        cloth: What it shows of its cloth; None where nobody asked.
        circumstances: How it was taken and saved, in numbers.
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
    cloth: ClothLook | None = None
    circumstances: tuple[float, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A file that looks like an image and could not be used."""

    path: str
    reason: str


_Found = tuple[Inspection | Skipped, NDArray[np.uint8] | None]
"""What became of a file, and its picture (uint8 [LOOK_SIDE, LOOK_SIDE, 3]) where its cloth is still to be described."""


def inspect_all(
    root: Path,
    paths: Sequence[str],
    *,
    known: Mapping[str, Inspection] | None = None,
    texture: Texture | None = None,
    advance: Advance | None = None,
) -> list[Inspection | Skipped]:
    """Inspects files in parallel.

    Args:
        root: The data set's folder.
        paths: POSIX paths relative to `root`.
        known: Earlier inspections; one is taken over when its file's size and time of change are the same.
        texture: Also describes the cloths, while the next files are decoded.
        advance: Called with (done, total).

    Returns:
        One result per path, in order. Nothing is raised for a file that is broken or has vanished.
    """
    results: list[Inspection | Skipped] = []
    pool = ThreadPoolExecutor(worker_count())  # Pillow releases the GIL while decoding
    parts = [paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE)]

    def begin(part: Sequence[str]) -> list[Future[_Found]]:
        return [pool.submit(_inspect, root, path, known or {}, texture is not None) for path in part]

    try:
        begun = begin(parts[0]) if parts else []
        # The next part is decoded while this one is described; no more of them wait, since each holds pictures.
        for following in (*parts[1:], ()):
            present, begun = begun, begin(following)
            for result in _described([future.result() for future in present], texture):
                results.append(result)
                if advance:
                    advance(len(results), len(paths))
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupted run does not wait for thousands of pictures
    return results


def _described(found: Sequence[_Found], texture: Texture | None) -> Iterator[Inspection | Skipped]:
    """Adds the look of the cloth to inspections that come with their picture."""
    pictures = [picture for _, picture in found if picture is not None]
    looks = iter(cloth_looks(pictures, texture) if texture else ())
    for result, picture in found:
        if picture is not None and isinstance(result, Inspection):
            yield replace(result, cloth=next(looks))
        else:
            yield result


def _inspect(root: Path, relative: str, known: Mapping[str, Inspection], want_cloth: bool) -> _Found:
    try:
        relative.encode("utf-8")
    except UnicodeEncodeError:
        return Skipped(shown(relative), "its name is not UTF-8; rename it"), None
    try:
        status = os.stat(root / relative)  # noqa: PTH116 (Path.stat is the same call, slower; there are many)
        if not stat.S_ISREG(status.st_mode):
            return Skipped(relative, "it is no file: a pipe or a device; remove it"), None
        earlier = known.get(relative)
        unchanged = earlier and (earlier.size_bytes, earlier.mtime_ns) == (status.st_size, status.st_mtime_ns)
        if earlier and unchanged and (earlier.cloth or not want_cloth):
            return earlier, None
        inspection, picture = _look_into(root, relative)
        return inspection, resize(picture, LOOK_SIDE) if want_cloth else None
    except InputError as error:
        return Skipped(relative, str(error)), None
    except OSError as error:
        return Skipped(relative, f"cannot read it: {error.strerror}"), None


def inspect_file(root: Path, relative: str) -> Inspection:
    """Decodes, hashes and fingerprints one file.

    Raises:
        InputError: it cannot be decoded.
        OSError: it cannot be read, or has vanished.
    """
    return _look_into(root, relative)[0]


def _look_into(root: Path, relative: str) -> tuple[Inspection, Image.Image]:
    """The same, and the picture itself, RGB and upright."""
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
            stored = circumstances.of_file(image, status.st_size)
            picture = decode(image, at_least=DECODE_SIDE)
    multi_picture = kind == "MPO"  # a JPEG with a preview or a second eye behind it
    inspection = Inspection(
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
        circumstances=(*stored, *circumstances.of_picture(picture)),
    )
    return inspection, picture


def _orientation(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 0
