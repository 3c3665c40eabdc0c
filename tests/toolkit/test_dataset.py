"""Folders as users have them: links that lead back, odd names, files that are no images."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from batikkit.data.dataset import scan
from batikkit.data.tree import image_files
from batikkit.errors import InputError


def test_labels_and_samples_are_sorted_whatever_the_file_system_says(stripes: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for path in sorted(stripes.rglob("*.png"), reverse=True):
        target = copy / path.relative_to(stripes)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    first, second = scan(stripes), scan(copy)
    assert first.labels == ("across", "diagonal", "upright")
    assert first.samples == second.samples
    assert [s.path for s in first.samples] == sorted(s.path for s in first.samples)
    assert first.class_index() == {"across": 0, "diagonal": 1, "upright": 2}
    assert first.file(first.samples[0]).is_file()


def test_unreadable_images_are_skipped_with_a_reason_or_refused(stripes: Path) -> None:
    (stripes / "across" / "broken.jpg").write_bytes(b"nothing")
    dataset = scan(stripes)
    assert len(dataset.samples) == 36
    assert [item.path for item in dataset.skipped] == ["across/broken.jpg"]
    assert "not a readable image" in dataset.skipped[0].reason
    with pytest.raises(InputError, match=r"1 unreadable image\(s\), first .*broken.jpg"):
        scan(stripes, strict=True)


def test_hidden_files_and_other_files_are_not_looked_at(stripes: Path) -> None:
    for name in (".hidden.jpg", "._across_00.png", "notes.txt", "Thumbs.db"):
        (stripes / "across" / name).write_bytes(b"x")
    (stripes / ".git").mkdir()
    (stripes / ".git" / "a.png").write_bytes(b"x")
    (stripes / "__MACOSX").mkdir()
    (stripes / "__MACOSX" / "a.png").write_bytes(b"x")
    dataset = scan(stripes, strict=True)
    assert len(dataset.samples) == 36


def test_deeper_folders_belong_to_their_class(stripes: Path) -> None:
    deep = stripes / "across" / "cloth 7" / "close up"
    deep.mkdir(parents=True)
    shutil.move(stripes / "across" / "across_00.png", deep / "a b.PNG")
    dataset = scan(stripes)
    assert ("across/cloth 7/close up/a b.PNG", "across") in [(s.path, s.label) for s in dataset.samples]


def test_link_loops_end_and_outside_links_of_classes_are_followed_once(stripes: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    shutil.move(stripes / "upright", outside)
    (stripes / "upright").symlink_to(outside, target_is_directory=True)
    (stripes / "loop").symlink_to(stripes, target_is_directory=True)
    (stripes / "above").symlink_to(tmp_path, target_is_directory=True)
    (stripes / "self").symlink_to(stripes / "self")
    (stripes / "across" / "back").symlink_to(stripes, target_is_directory=True)
    (stripes / "across" / "self.png").symlink_to(stripes / "across" / "self.png")
    dataset = scan(stripes)
    assert dataset.labels == ("across", "diagonal", "upright")
    assert len(dataset.samples) == 36
    assert [item.path for item in dataset.skipped] == ["across/self.png"]


def test_a_file_that_vanishes_after_listing_is_skipped(stripes: Path) -> None:
    def vanish(done: int, _total: int) -> None:
        if done == 1:
            (stripes / "upright" / "upright_11.png").unlink(missing_ok=True)

    gone = stripes / "upright" / "upright_11.png"
    gone.unlink()
    gone.symlink_to(stripes / "nowhere.png")
    dataset = scan(stripes, advance=vanish)
    assert len(dataset.samples) == 35
    assert dataset.skipped[0].path == "upright/upright_11.png"


def test_names_that_are_not_utf8_are_skipped_by_name(stripes: Path) -> None:
    source = stripes / "across" / "across_00.png"
    target = os.fsencode(stripes / "across") + b"/bad\xff\xfe.png"
    try:
        os.rename(source, target)  # noqa: PTH104 (bytes)
    except OSError as error:
        pytest.skip(f"this file system refuses the name: {error}")
    dataset = scan(stripes)
    assert len(dataset.samples) == 35
    assert "not UTF-8" in dataset.skipped[0].reason
    dataset.skipped[0].path.encode("utf-8")


def test_names_with_line_breaks_commas_and_quotes_survive(stripes: Path) -> None:
    odd = 'a,"b"\n[red]<i>.png'
    (stripes / "across" / "across_00.png").rename(stripes / "across" / odd)
    assert f"across/{odd}" in [s.path for s in scan(stripes, strict=True).samples]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _root: None, "no such folder"),
        (lambda root: root.mkdir(), "no images in subfolders"),
        (lambda root: (root / "one").mkdir(parents=True), "no images in subfolders"),
    ],
)
def test_useless_folders_are_named(tmp_path: Path, make: object, message: str) -> None:
    make(tmp_path / "set")  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        scan(tmp_path / "set")


def test_one_class_and_small_classes_are_refused(stripes: Path) -> None:
    shutil.rmtree(stripes / "upright")
    for index in range(2, 12):
        (stripes / "diagonal" / f"diagonal_{index:02d}.png").unlink()
    with pytest.raises(InputError, match=r"class 'diagonal' .* has 2 readable"):
        scan(stripes)
    shutil.rmtree(stripes / "diagonal")
    with pytest.raises(InputError, match="only one class"):
        scan(stripes)


def test_image_files_are_relative_posix_paths(stripes: Path) -> None:
    files = list(image_files(stripes))
    assert len(files) == 36
    assert all(file.count("/") == 1 and not file.startswith("/") for file in files)


def test_the_messy_set_has_classes_too_small_to_train(messy: Path) -> None:
    with pytest.raises(InputError, match="readable image"):
        scan(messy)


def test_a_folder_that_cannot_be_opened_is_an_error_and_no_missing_motif(
    stripes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may open everything, so the system's refusal is played."""
    opened = os.scandir

    def refuse(path: str) -> object:
        if Path(path) == stripes / "upright":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="upright: Permission denied"):
        list(image_files(stripes))
