"""What an image file is by its first bytes, whatever its name says, and what reads it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

HEAD_BYTES = 64
"""How much of a file tells its kind."""

READ = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "AVIF", "HEIF")
"""The kinds that batikkit reads, as Pillow calls them; the last two where their decoders are."""

READ_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff"}
    | {".heic", ".heif", ".hif", ".avif", ".avifs"}
)
"""File names that are looked at; the content alone decides the kind, since extensions lie."""

CAMERA_RAW = frozenset({".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw"})
"""Several of these open as a TIFF of a thumbnail, which is not the photograph."""

UNREAD_SUFFIXES = CAMERA_RAW | {".jp2", ".j2k", ".jxl", ".jxr", ".psd", ".tga", ".ppm", ".pgm", ".eps", ".svg", ".xcf"}
"""Pictures that nothing here reads: they are counted and named, never passed over."""

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"8BPS", "Photoshop"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def kind_of(head: bytes) -> str:
    """The kind of image that begins with these bytes; empty where it is none that is known.

    Args:
        head: The first `HEAD_BYTES` of a file, or all of a shorter one.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head[4:8] == b"ftyp":
        brands = {head[place : place + 4] for place in (8, *range(16, min(len(head), head[3]) - 3, 4))}
        # Both kinds may call themselves mif1: AVIF then says avif as well.
        return "AVIF" if brands & {b"avif", b"avis"} else "HEIF" if brands & _HEIF_BRANDS else ""
    return ""


def kind_of_file(path: Path) -> str:
    """The kind of an image file; empty where it is none, or cannot be read."""
    try:
        with path.open("rb") as stream:
            return kind_of(stream.read(HEAD_BYTES))
    except OSError:
        return ""


def unread_kinds() -> dict[str, str]:
    """Kind -> what to do, for those kinds whose decoder is not installed."""
    from PIL import features

    cures = {}
    if not features.check("avif"):
        cures["AVIF"] = "pip install --upgrade 'pillow>=11.3', or convert them to JPEG"
    if not _installed("pillow_heif"):
        cures["HEIF"] = "pip install 'batikkit[heic]', or convert them to JPEG"
    return cures


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # it is blocked
        return False
