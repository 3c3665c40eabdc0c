"""`verify --android`: apps packed here from real libraries and the real model, right and with each thing wrong."""

from __future__ import annotations

import json
import shutil
import struct
import sysconfig
import zipfile
from pathlib import Path

import pytest

from batikkit.assets import pins
from batikkit.assets.android import check_android, least_alignment
from batikkit.assets.android_manifest import min_sdk
from batikkit.assets.manifest import read_assets_manifest
from batikkit.cli import main
from batikkit.errors import InputError

FOLDER = Path(__file__).resolve().parents[2] / "android_demo_assets"
MANIFEST = read_assets_manifest(FOLDER)
MODEL = (FOLDER / "batik_int8.tflite").read_bytes()


def _library(align: int | None = None) -> bytes:
    """A real shared library of this machine, its loaded segments marked as aligned to `align`."""
    source = sorted(Path(sysconfig.get_path("platlib"), "numpy").rglob("*.so"), key=lambda path: path.stat().st_size)[0]
    content = bytearray(source.read_bytes())
    (table,), (size, count) = struct.unpack_from("<Q", content, 32), struct.unpack_from("<HH", content, 54)
    for at in range(table, table + size * count, size):
        if align is not None and struct.unpack_from("<I", content, at) == (1,):
            struct.pack_into("<Q", content, at + 48, align)
    return bytes(content)


def _manifest(lowest: int, *, others: int = 2) -> bytes:
    """A compiled manifest: <manifest><uses-sdk targetSdkVersion=.. minSdkVersion=../>, names by resource number."""

    def chunk(kind: int, header: bytes, body: bytes) -> bytes:
        return struct.pack("<HHI", kind, 8 + len(header), 8 + len(header) + len(body)) + header + body

    def element(*attributes: tuple[int, int]) -> bytes:
        rows = b"".join(struct.pack("<IIIHBBI", 0, name, 0xFFFFFFFF, 8, 0, 0x10, value) for name, value in attributes)
        body = struct.pack("<IIHHHHHH", 0xFFFFFFFF, 5, 20, 20, len(attributes), 0, 0, 0) + rows
        return chunk(0x0102, struct.pack("<II", 1, 0xFFFFFFFF), body)

    strings = chunk(0x0001, struct.pack("<IIIII", 0, 0, 0, 28, 0), b"")
    numbers = chunk(0x0180, b"", struct.pack("<3I", 0x01010003, 0x01010270, 0x0101020C))
    inner = strings + numbers + element() + element((0, 7)) * others + element((1, 36), (2, lowest))
    return struct.pack("<HHI", 0x0003, 8, 8 + len(inner)) + inner


def _app(
    path: Path,
    *,
    align: int = 16384,
    border: int = 16384,
    lowest: int = 24,
    compressed: bool = False,
    model: bytes = MODEL,
) -> Path:
    """An .apk, or by its suffix an .aab, as Gradle packs it."""
    inside = "base/" if path.suffix == ".aab" else ""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("AndroidManifest.xml", _manifest(lowest), zipfile.ZIP_DEFLATED)
        entry = zipfile.ZipInfo(f"{inside}assets/batik_int8.tflite")
        entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        archive.writestr(entry, model)
        archive.writestr(f"{inside}lib/armeabi-v7a/libLiteRt.so", b"32-bit libraries need no such alignment")
        entry = zipfile.ZipInfo(f"{inside}lib/arm64-v8a/libLiteRt.so")
        start = archive.fp.tell() + 30 + len(entry.filename)  # type: ignore[union-attr]
        # Whatever lies before it, a smaller border is none of the larger ones too.
        on_larger = border < 16384 and (start + -start % border) % 16384 == 0
        entry.extra = b"\0" * (-start % border + on_larger * border)
        archive.writestr(entry, _library(align))
    return path


def _problems(app: Path) -> list[str]:
    return [f"{finding.what} {finding.problem}" for finding in check_android(app, MANIFEST) if finding.problem]


def test_an_app_as_it_should_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = _app(tmp_path / "app.apk")
    with pytest.raises(SystemExit) as stopped:
        main(["verify", str(FOLDER), "--android", str(app), "--json", str(tmp_path / "found.json")])
    assert not stopped.value.code
    said = capsys.readouterr().out
    assert "ok  minSdkVersion 24" in said
    assert "ok  lib/arm64-v8a/libLiteRt.so: aligned to 16384 bytes" in said
    assert "(batik_int8.tflite): stored uncompressed" in said
    assert "0 of 3 would be refused" in said
    assert len(json.loads((tmp_path / "found.json").read_text())["findings"]) == 3
    assert _problems(_app(tmp_path / "app.aab")) == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"align": 4096}, "libLiteRt.so is aligned to 4096 bytes, Google Play asks for 16384"),
        ({"border": 4096}, "lies off a 16 KB border"),
        ({"lowest": 21}, "minSdkVersion is 21, the libraries need 24"),
        (
            {"compressed": True},
            'is compressed, so that it cannot be mapped: androidResources { noCompress += "tflite" }',
        ),
        ({"model": MODEL + b"x"}, "the model of this folder is not in app.apk"),
    ],
)
def test_each_thing_wrong_is_told_alone(
    tmp_path: Path, wrong: dict[str, object], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = _app(tmp_path / "app.apk", **wrong)  # type: ignore[arg-type]
    (problem,) = _problems(app)
    assert says in problem
    with pytest.raises(SystemExit) as stopped:
        main(["verify", str(FOLDER), "--android", str(app)])
    assert stopped.value.code == 1
    assert "\n1 of " in capsys.readouterr().out


def test_a_library_of_this_machine_is_not_aligned_for_phones() -> None:
    assert least_alignment(_library()) == 4096
    assert least_alignment(_library(16384)) == 16384
    for content in (b"", b"\x7fELF\x01\x01" + bytes(60), b"\x7fELF\x02\x01" + b"\xff" * 60, _library()[:100]):
        assert least_alignment(content) is None


def test_compiled_manifests() -> None:
    assert [min_sdk(_manifest(lowest)) for lowest in (1, 23, 36)] == [1, 23, 36]
    whole = _manifest(24)
    for content in (b"", b"<?xml version", whole[:40], whole[: len(whole) // 2], whole[:12] + bytes(len(whole) - 12)):
        with pytest.raises(ValueError, match=r"not compiled|damaged|without a size"):
            min_sdk(content)


GRADLE = """android {
    defaultConfig { minSdk = %d }
    %s
}
dependencies { implementation("%s") }
"""
NO_COMPRESS = 'androidResources { noCompress += "tflite" }'


@pytest.mark.parametrize(
    ("lowest", "line", "library", "model", "says"),
    [
        (24, NO_COMPRESS, pins.LITERT, True, []),
        (26, "aaptOptions { noCompress 'tflite' }", pins.TASKS_VISION, True, []),
        (23, NO_COMPRESS, pins.LITERT, True, ["minSdk is 23"]),
        (24, "", pins.LITERT, True, ["noCompress is not set"]),
        (
            24,
            NO_COMPRESS,
            "com.google.mediapipe:tasks-vision:0.10.14",
            True,
            ["0.10.14 has libraries that Google Play"],
        ),
        (24, NO_COMPRESS, "com.google.mediapipe:tasks-vision:0.20230731", True, ["0.20230731 has libraries"]),
        (24, NO_COMPRESS, "org.tensorflow:tensorflow-lite:2.17.0", True, ["2.17.0 has libraries"]),
        (21, "", "com.google.ai.edge.litert:litert:1.2.0", False, ["1.2.0", "minSdk", "noCompress", "the model"]),
    ],
)
def test_a_project_before_it_is_built(
    tmp_path: Path, lowest: int, line: str, library: str, model: bool, says: list[str]
) -> None:
    assets = tmp_path / "app/src/main/assets"
    assets.mkdir(parents=True)
    (tmp_path / "app/build.gradle.kts").write_text(GRADLE % (lowest, line, library))
    if model:
        shutil.copy(FOLDER / "batik_int8.tflite", assets)
    problems = _problems(tmp_path)
    assert len(problems) == len(says), problems
    for problem, wanted in zip(problems, says, strict=True):
        assert wanted in problem


def test_what_is_no_app(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.apk").write_bytes(b"PK\x03\x04 and nothing more")
    for app in (tmp_path / "none.apk", tmp_path / "broken.apk", tmp_path, FOLDER / "labels.txt"):
        with pytest.raises(InputError, match=app.name):
            check_android(app, MANIFEST)
    with pytest.raises(SystemExit) as stopped:
        main(["verify", str(FOLDER), "--android", str(tmp_path), "--explain", str(tmp_path)])
    assert stopped.value.code == 2
    assert "one at a time" in capsys.readouterr().err
