"""What Google Play, or the first start on a phone, would refuse in an app: an .apk, an .aab, an .aar or its sources."""

from __future__ import annotations

import hashlib
import re
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batikkit.assets import pins
from batikkit.assets.android_manifest import min_sdk
from batikkit.assets.manifest import AssetsManifest
from batikkit.assets.readme import recommended
from batikkit.digest import file_sha256
from batikkit.errors import InputError

ARCHIVES = (".apk", ".aab", ".aar")
_GRADLE = ("build.gradle", "build.gradle.kts", "libs.versions.toml")
_SKIPPED = {"build", ".gradle", ".git", "node_modules"}
_WIDE = re.compile(r"(?:^|/)(?:lib|jni)/(arm64-v8a|x86_64)/[^/]+\.so$")
_DEPENDENCY = re.compile(r"[\"']([\w.]+:[\w-]+):(\d+(?:\.\d+)*)[\w.-]*[\"']")
_MIN_SDK = re.compile(r"minSdk(?:Version)?\s*(?:=|\()?\s*(\d+)")
_NO_COMPRESS_CURE = 'androidResources { noCompress += "tflite" }'
_NO_COMPRESS = re.compile(r"noCompress\b[^\n]*tflite")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `problem` says why it would be refused and what to do, empty where it is right."""

    what: str
    problem: str = ""


def check_android(app: Path, manifest: AssetsManifest) -> tuple[Finding, ...]:
    """Looks an app through for what a release would be refused for.

    Args:
        app: An .apk, .aab or .aar, or the folder of a Gradle project.
        manifest: Of the folder of assets whose model the app should hold.

    Raises:
        InputError: neither of these, or it cannot be read.
    """
    if app.is_dir():
        return tuple(_project(app, manifest))
    if app.suffix.lower() not in ARCHIVES or not app.is_file():
        raise InputError(f"{app} is no app: name an .apk, .aab or .aar, or the folder of a Gradle project")
    try:
        with zipfile.ZipFile(app) as archive:
            return tuple(_archive(app, archive, manifest))
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{app} cannot be read ({error}): build it again") from error


def _archive(app: Path, archive: zipfile.ZipFile, manifest: AssetsManifest) -> Iterator[Finding]:
    yield from _libraries(app, archive)
    if app.suffix.lower() != ".aar":
        yield from _models(app, archive, manifest)
    if app.suffix.lower() == ".apk":
        yield _lowest_android(archive)


def _libraries(app: Path, archive: zipfile.ZipFile) -> Iterator[Finding]:
    """Every 64-bit library: its segments, and in an .apk its place in the file where it is stored uncompressed."""
    found = [entry for entry in archive.infolist() if _WIDE.search(entry.filename)]
    if not found:
        yield Finding("no 64-bit library: nothing to align")
    for entry in found:
        least = least_alignment(archive.read(entry))
        stored = entry.compress_type == zipfile.ZIP_STORED and app.suffix.lower() == ".apk"
        if least is None:
            yield Finding(entry.filename, "is no 64-bit ELF library: build the app again")
        elif least < pins.PAGE_BYTES:
            yield Finding(
                entry.filename,
                f"is aligned to {least} bytes, Google Play asks for {pins.PAGE_BYTES}: take a newer version of the "
                f"dependency that brings it ({pins.LITERT}, {pins.TASKS_VISION})",
            )
        elif stored and _offset(app, entry) % pins.PAGE_BYTES:
            yield Finding(
                entry.filename, "lies off a 16 KB border in the file: zipalign -P 16, or a newer Gradle plugin"
            )
        else:
            yield Finding(f"{entry.filename}: aligned to {least} bytes")


def least_alignment(library: bytes) -> int | None:
    """The smallest alignment of a loaded segment of a little-endian 64-bit ELF file; None where it is none."""
    try:
        if library[:6] != b"\x7fELF\x02\x01":
            return None
        (table,) = struct.unpack_from("<Q", library, 32)
        size, count = struct.unpack_from("<HH", library, 54)
        segments = [struct.unpack_from("<I44xQ", library, table + index * size) for index in range(count)]
    except (struct.error, OverflowError):
        return None
    return min((align for kind, align in segments if kind == 1), default=None)


def _offset(app: Path, entry: zipfile.ZipInfo) -> int:
    with app.open("rb") as file:
        file.seek(entry.header_offset)
        name, extra = struct.unpack_from("<HH", file.read(30), 26)
    return entry.header_offset + 30 + int(name) + int(extra)


def _models(app: Path, archive: zipfile.ZipFile, manifest: AssetsManifest) -> Iterator[Finding]:
    known = {v.manifest.sha256: v.file for v in manifest.variants}
    found = [entry for entry in archive.infolist() if entry.filename.endswith(".tflite")]
    if not any(hashlib.sha256(archive.read(entry)).hexdigest() in known for entry in found):
        yield Finding("the model", f"of this folder is not in {app.name}: {_copy(manifest)}")
    for entry in found:
        name = known.get(hashlib.sha256(archive.read(entry)).hexdigest(), "of another origin")
        if app.suffix.lower() == ".aab":
            yield Finding(f"{entry.filename} ({name}); whether it is compressed shows in the .apk alone")
        elif entry.compress_type != zipfile.ZIP_STORED:
            yield Finding(entry.filename, f"is compressed, so that it cannot be mapped: {_NO_COMPRESS_CURE}")
        else:
            yield Finding(f"{entry.filename} ({name}): stored uncompressed")


def _copy(manifest: AssetsManifest) -> str:
    return f"copy {recommended(manifest).file} to app/src/main/assets/"


def _lowest_android(archive: zipfile.ZipFile) -> Finding:
    try:
        lowest = min_sdk(archive.read("AndroidManifest.xml")) or 1
    except (KeyError, ValueError) as error:
        return Finding("AndroidManifest.xml", f"cannot be read ({error}): build the app again")
    return _checked_sdk("minSdkVersion", lowest)


def _checked_sdk(what: str, lowest: int) -> Finding:
    if lowest < pins.MIN_SDK:
        return Finding(what, f"is {lowest}, the libraries need {pins.MIN_SDK}: raise minSdk in app/build.gradle.kts")
    return Finding(f"{what} {lowest}")


def _project(root: Path, manifest: AssetsManifest) -> Iterator[Finding]:
    files = [path for path in sorted(root.rglob("*")) if not _SKIPPED & set(path.relative_to(root).parts)]
    gradle = [path for path in files if path.name in _GRADLE]
    if not gradle:
        raise InputError(f"{root} is no Gradle project (no build.gradle, no build.gradle.kts): name its folder")
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8", errors="replace") for path in gradle}
    for name, text in texts.items():
        yield from _dependencies(name, text)
        yield from (_checked_sdk(f"{name}: minSdk", int(number)) for number in _MIN_SDK.findall(text))
    if not any(_NO_COMPRESS.search(text) for text in texts.values()):
        yield Finding("noCompress", f"is not set: {_NO_COMPRESS_CURE} in app/build.gradle.kts")
    else:
        yield Finding("noCompress keeps .tflite files as they are")
    known = {v.manifest.sha256 for v in manifest.variants}
    models = [path for path in files if path.suffix == ".tflite" and "assets" in path.parts]
    if any(file_sha256(path) in known for path in models):
        yield Finding("the model of this folder lies in the app's assets")
    else:
        yield Finding("the model", f"of this folder lies in no assets folder: {_copy(manifest)}")


def _dependencies(name: str, text: str) -> Iterator[Finding]:
    for library, version in _DEPENDENCY.findall(text):
        if library not in pins.FIRST_ALIGNED:
            continue
        first = pins.FIRST_ALIGNED[library]
        numbers = tuple(int(part) for part in version.split("."))
        if first is None or numbers < first or max(numbers) > 1000:
            current = pins.LITERT if "mediapipe" not in library else pins.TASKS_VISION
            yield Finding(f"{name}: {library}:{version}", f"has libraries that Google Play refuses: take {current}")
        else:
            yield Finding(f"{name}: {library}:{version}")
