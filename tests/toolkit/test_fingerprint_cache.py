"""The cache speeds up, follows changes, and is never trusted blindly."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from batikkit.data.cloth_look import PlainTexture
from batikkit.data.fingerprint_cache import FOLDER, Groups, cache_file, read_cache, write_cache
from batikkit.data.grouping import inspect_set
from batikkit.data.inspection import Inspection, inspect_all
from batikkit.data.tree import image_files


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def motif(path: str) -> str:
    return path.split("/")[0]


def inspected(root: Path) -> list[Inspection]:
    return [item for item in inspect_all(root, list(image_files(root))) if isinstance(item, Inspection)]


def test_what_is_written_is_read(stripes: Path, tmp_path: Path) -> None:
    found = inspect_all(stripes, list(image_files(stripes)), texture=PlainTexture())
    items = [item for item in found if isinstance(item, Inspection)]
    copies, cloths = Groups("k", np.arange(36)), Groups("c", np.arange(36) // 12 * 12)
    write_cache(tmp_path / "c.npz", items, texture="plain", copies=copies, cloths=cloths)
    cache = read_cache(tmp_path / "c.npz")
    assert (cache.copies.key, cache.cloths.key, cache.texture) == ("k", "c", "plain")
    assert cache.copies.first.tolist() == list(range(36))
    assert cache.cloths.first.tolist() == cloths.first.tolist()
    assert all(item.cloth is None for item in cache.described_by("a network").values())
    for item in items:
        again = cache.known[item.path]
        assert (again.look.tone == item.look.tone).all()
        assert (again.look.hashes == item.look.hashes).all()
        assert (again.sha256, again.mode, again.animated) == (item.sha256, item.mode, item.animated)
        assert (again.cloth.texture == item.cloth.texture).all()
        assert (again.cloth.colours == item.cloth.colours).all()


def test_a_second_look_reads_no_file(stripes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = list(image_files(stripes))
    first = inspect_set(stripes, paths, label_of=motif)
    assert (stripes / FOLDER).is_dir()
    assert list(image_files(stripes)) == paths, "the cache must not become part of the data set"
    for name in ("_look_into", "open_image"):
        monkeypatch.setattr(f"batikkit.data.inspection.{name}", None)
    monkeypatch.setattr("batikkit.data.grouping.find_copies", None)
    monkeypatch.setattr("batikkit.data.cloths.find_cloths", None)
    second = inspect_set(stripes, paths, label_of=motif)
    assert (second.cloths == first.cloths).all()
    assert [i.sha256 for i in second.inspections] == [i.sha256 for i in first.inspections]
    assert (second.copies == first.copies).all()


def test_changed_added_and_removed_files_are_noticed(stripes: Path) -> None:
    inspect_set(stripes, list(image_files(stripes)))
    shutil.copy(stripes / "across" / "across_01.png", stripes / "across" / "across_00.png")
    shutil.copy(stripes / "across" / "across_02.png", stripes / "across" / "new.png")
    (stripes / "across" / "across_03.png").unlink()
    paths = list(image_files(stripes))
    found = inspect_set(stripes, paths)
    copies = dict(zip(paths, found.copies, strict=True))
    assert copies["across/across_00.png"] == copies["across/across_01.png"]
    assert copies["across/new.png"] == copies["across/across_02.png"]
    assert len(set(found.copies)) == 34


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not a zip", b"\x93NUMPY garbage"])
def test_a_damaged_cache_is_ignored(stripes: Path, damage: bytes) -> None:
    paths = list(image_files(stripes))
    inspect_set(stripes, paths)
    file = cache_file(stripes)
    file.write_bytes(damage)
    assert read_cache(file).known == {}
    assert len(inspect_set(stripes, paths).inspections) == 36
    assert len(read_cache(file).known) == 36


def test_a_cut_off_cache_is_ignored(stripes: Path) -> None:
    inspect_set(stripes, list(image_files(stripes)))
    file = cache_file(stripes)
    file.write_bytes(file.read_bytes()[:-2000])
    assert read_cache(file).known == {}


def test_a_cache_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    file = tmp_path / "c.npz"
    np.savez(file, facts=np.array([object()], dtype=object))
    assert read_cache(file).known == {}


def test_a_read_only_set_is_not_touched(stripes: Path, tmp_path: Path) -> None:
    stripes.chmod(0o555)
    try:
        assert cache_file(stripes).is_relative_to(tmp_path / "cache")
        inspect_set(stripes, list(image_files(stripes)))
        assert not (stripes / FOLDER).exists()
        assert len(read_cache(cache_file(stripes)).known) == 36
    finally:
        stripes.chmod(0o755)


def test_a_link_in_place_of_the_cache_folder_is_not_followed(stripes: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (stripes / FOLDER).symlink_to(outside, target_is_directory=True)
    inspect_set(stripes, list(image_files(stripes)))
    assert list(outside.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_done_without(stripes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = stripes / "file"
    blocked.write_text("x")
    monkeypatch.setattr("batikkit.data.grouping.cache_file", lambda _root: blocked / "cache.npz")
    assert len(inspect_set(stripes, list(image_files(stripes))).inspections) == 36


@pytest.mark.slow
def test_photographs_that_must_not_be_written_beside_are_cached_elsewhere(
    batik10: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = list(image_files(batik10))
    first = inspect_set(batik10, paths)
    assert os.environ["XDG_CACHE_HOME"] in str(cache_file(batik10))
    monkeypatch.setattr("batikkit.data.inspection._look_into", None)
    monkeypatch.setattr("batikkit.data.grouping.find_copies", None)
    second = inspect_set(batik10, paths)
    assert [i.sha256 for i in second.inspections] == [i.sha256 for i in first.inspections]
    assert (second.copies == first.copies).all()
    assert len(np.unique(first.copies)) < len(paths), "it has copies"
