"""A file of a data set is opened once, whatever it holds, and however large or damaged it is."""

from __future__ import annotations

import hashlib
import io
import random
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit.data import inspection
from batikkit.data.fingerprint import DECODE_SIDE, fingerprint
from batikkit.data.inspection import Skipped, inspect_all, inspect_file
from batikkit.errors import InputError
from batikkit.images import load_rgb

_opened: list[str] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(arguments[0], (str, Path)):
        _opened.append(str(arguments[0]))


sys.addaudithook(_note)  # Python knows no way to take one off: it does nothing but in `opens`


def opens(root: Path, name: str) -> int:
    """How often `inspect_file` opens the file."""
    global _opened
    _opened = []
    try:
        inspect_file(root, name)
        return _opened.count(str(root / name))
    finally:
        _opened = None


def picture(seed: int, size: tuple[int, int] = (90, 70)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8))


def encoded(kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture(1).save(stream, kind, **options)
    return stream.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


FILES = {
    "a.jpg": encoded("JPEG"),
    "turned.jpg": encoded("JPEG", exif=turned()),
    "b.png": encoded("PNG", exif=turned()),
    "c.gif": encoded("GIF", save_all=True, append_images=[picture(2)]),
    "d.webp": encoded("WEBP"),
    "e.tif": encoded("TIFF"),
    "f.tif": encoded("TIFF", save_all=True, append_images=[picture(2)]),
    "g.bmp": encoded("BMP"),
}


@pytest.mark.parametrize("limit", [inspection.MOST_IN_MEMORY_BYTES, 0])
@pytest.mark.parametrize("name", FILES)
def test_once_opened_everything_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int
) -> None:
    """Read into memory, and (with the limit at nothing) read from the stream."""
    monkeypatch.setattr(inspection, "MOST_IN_MEMORY_BYTES", limit)
    (tmp_path / name).write_bytes(FILES[name])
    assert opens(tmp_path, name) == 1
    found, look = inspect_file(tmp_path, name), fingerprint(load_rgb(tmp_path / name, at_least=DECODE_SIDE))
    assert (found.sha256, found.size_bytes) == (hashlib.sha256(FILES[name]).hexdigest(), len(FILES[name]))
    assert found.mtime_ns == (tmp_path / name).stat().st_mtime_ns
    assert (found.width, found.height) == (90, 70)
    assert found.animated == (name in ("c.gif", "f.tif"))
    assert found.orientation == {"turned.jpg": 6, "b.png": 6}.get(name, found.orientation)
    for part in ("hashes", "tone", "colour"):
        assert np.array_equal(getattr(found.look, part), getattr(look, part))


def test_real_photographs_look_as_they_are_decoded(messy: Path) -> None:
    files = [path.relative_to(messy).as_posix() for path in sorted(messy.rglob("*.*")) if path.is_file()]
    results = inspect_all(messy, files)
    for name, found in zip(files, results, strict=True):
        if not isinstance(found, Skipped):
            look = fingerprint(load_rgb(messy / name, at_least=DECODE_SIDE))
            assert np.array_equal(found.look.hashes, look.hashes), name
            assert opens(messy, name) == 1


def test_a_huge_file_is_not_held(tmp_path: Path) -> None:
    """40 MB behind a small picture, as a phone's video behind a still."""
    with (tmp_path / "motion.jpg").open("wb") as file:
        file.write(FILES["a.jpg"])
        for _ in range(40):
            file.write(bytes(1 << 20))
    inspect_file(tmp_path, "motion.jpg")
    tracemalloc.start()
    try:
        inspect_file(tmp_path, "motion.jpg")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_damage_of_any_kind_is_one_line(tmp_path: Path) -> None:
    """Truncated and altered files, header and body: a result, or an error with the file's name and a reason."""
    chance, told = random.Random(1), []
    for _ in range(300):
        name = chance.choice(list(FILES))
        content = bytearray(FILES[name])
        if chance.random() < 0.4:
            content = content[: chance.randrange(len(content))]
        for _ in range(chance.choice((0, 1, 4, 40))):
            if content:
                content[chance.randrange(min(len(content), chance.choice((60, 600, 1 << 30))))] = chance.randrange(256)
        (tmp_path / name).write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                inspect_file(tmp_path, name)
        except InputError as error:
            told.append(str(error).replace(str(tmp_path / name), "FILE"))
    assert len(told) > 30
    assert [text for text in told if "FILE" not in text or "None" in text] == []
