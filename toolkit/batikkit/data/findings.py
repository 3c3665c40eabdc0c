"""What is odd about the files of a data set, and what to do about each oddity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from batikkit.data.dataset import MIN_IMAGES_PER_CLASS
from batikkit.data.duplicates import FLAT_CONTRAST
from batikkit.data.inspection import Inspection, Skipped

SEVERITIES = ("error", "leak", "warning", "info")
"""Must be mended before training; makes test figures too good; worth a look; handled, good to know."""

TINY_SIDE_PX = 100
"""Images with a shorter side are blown up about threefold by the usual 288 px input."""

IMBALANCE = 4.0
"""Largest class against smallest beyond which plain accuracy misleads."""

EXTENSIONS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "PNG": {".png", ".apng"},
    "BMP": {".bmp", ".dib"},
    "GIF": {".gif"},
    "WEBP": {".webp"},
    "TIFF": {".tif", ".tiff"},
    "HEIF": {".heic", ".heif", ".hif"},
    "AVIF": {".avif", ".avifs"},
}


@dataclass(frozen=True)
class Finding:
    """One kind of oddity and the files that show it.

    Attributes:
        kind: A stable name for machines, such as `wrong-extension`.
        severity: One of `SEVERITIES`.
        message: What was found, with the number.
        advice: What to do next.
        paths: The files, relative to the data set; may be empty when the finding is not about files.
    """

    kind: str
    severity: str
    message: str
    advice: str
    paths: tuple[str, ...] = ()


def file_findings(inspections: Sequence[Inspection], skipped: Sequence[Skipped]) -> list[Finding]:
    """Oddities of single files, the worst first."""
    found = []
    if skipped:
        found.append(
            Finding(
                "unreadable",
                "error",
                f"{len(skipped)} of {len(skipped) + len(inspections)} image files cannot be used",
                "replace or remove them; training skips them",
                tuple(f"{item.path}: {item.reason}" for item in skipped),
            )
        )
    for kind, severity, message, advice, test in _RULES:
        paths = tuple(_described(kind, item) for item in inspections if test(item))
        if paths:
            found.append(Finding(kind, severity, message.format(n=len(paths)), advice, paths))
    return found


def lies(item: Inspection) -> bool:
    """The extension names another format than the content has."""
    return PurePosixPath(item.path).suffix.lower() not in EXTENSIONS.get(item.format, set())


def _described(kind: str, item: Inspection) -> str:
    details = {
        "wrong-extension": item.format,
        "tiny": f"{item.width}x{item.height}",
        "rare-format": item.format,
        "sixteen-bit": item.mode,
        "exif-turned": f"orientation {item.orientation}",
    }
    return f"{item.path} ({details[kind]})" if kind in details else item.path


_HANDLED = "nothing: batikkit converts them; other tools may not"
_RULES: tuple[tuple[str, str, str, str, Callable[[Inspection], bool]], ...] = (
    (
        "constant",
        "warning",
        "{n} image(s) show nothing (one even colour)",
        "remove them",
        lambda i: i.look.contrast < FLAT_CONTRAST,
    ),
    (
        "tiny",
        "warning",
        f"{{n}} image(s) have a side under {TINY_SIDE_PX} px",
        "replace them by larger originals if there are any",
        lambda i: min(i.width, i.height) < TINY_SIDE_PX,
    ),
    (
        "wrong-extension",
        "info",
        "{n} file(s) are of another format than their extension says",
        "rename them if other tools read this folder; batikkit goes by content",
        lies,
    ),
    ("rare-format", "info", "{n} file(s) are neither JPEG nor PNG", _HANDLED,
     lambda i: i.format not in ("JPEG", "PNG")),
    (
        "exif-turned",
        "info",
        "{n} photograph(s) are stored turned, with an EXIF note of it",
        "nothing: batikkit turns them upright; tools that ignore EXIF see them lying",
        lambda i: i.orientation > 1,
    ),
    ("exif-upright", "info", "{n} file(s) carry an EXIF orientation that says upright", "nothing: it is right",
     lambda i: i.orientation == 1),
    ("palette", "info", "{n} image(s) have a palette", _HANDLED, lambda i: i.mode in ("P", "PA")),
    ("cmyk", "info", "{n} image(s) are CMYK, made for print", _HANDLED, lambda i: i.mode == "CMYK"),
    (
        "transparent",
        "info",
        "{n} image(s) have an alpha channel",
        "nothing: batikkit lays them over white",
        lambda i: i.mode in ("RGBA", "LA", "PA", "La", "RGBa"),
    ),
    (
        "sixteen-bit",
        "info",
        "{n} image(s) have more than 8 bits per channel",
        _HANDLED,
        lambda i: i.mode.startswith("I") or i.mode == "F",
    ),
    (
        "grey",
        "info",
        "{n} image(s) have no colour",
        "look whether they are batik photographs",
        lambda i: i.mode in ("L", "1"),
    ),
    ("animated", "info", "{n} file(s) hold several frames", "nothing: the first frame is used", lambda i: i.animated),
)  # fmt: skip


def class_findings(images: Mapping[str, int], groups: Mapping[str, int]) -> Iterable[Finding]:
    """Oddities of the set as a whole.

    Args:
        images: Class -> readable images.
        groups: Class -> independent photographs.
    """
    if len(images) < 2:
        yield Finding(
            "classes", "error", f"{len(images)} class folder(s)", "make one folder per motif: a classifier needs two"
        )
    small = [label for label, count in sorted(images.items()) if count < MIN_IMAGES_PER_CLASS]
    if small:
        yield Finding(
            "too-few-images",
            "error",
            f"{len(small)} class(es) have under {MIN_IMAGES_PER_CLASS} readable images: {', '.join(small)}",
            "add photographs or remove the class folder: training refuses them",
        )
    alike = [x for x, count in sorted(groups.items()) if count < MIN_IMAGES_PER_CLASS and x not in small]
    if alike:
        yield Finding(
            "too-few-groups",
            "warning",
            f"{len(alike)} class(es) have under {MIN_IMAGES_PER_CLASS} independent photographs: {', '.join(alike)}",
            "add photographs of other cloths: copies do not test anything",
        )
    counts = Counter({label: count for label, count in groups.items() if count})
    if len(counts) > 1:
        (largest, most), (smallest, least) = counts.most_common()[0], counts.most_common()[-1]
        if most >= IMBALANCE * least:
            yield Finding(
                "imbalance",
                "warning",
                f"{largest!r} has {most} independent photographs, {smallest!r} {least}: {most / least:.1f} to 1",
                "judge by per-class figures and macro F1, not by accuracy; train with class_weights=true",
            )
