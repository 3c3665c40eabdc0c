"""The `data` commands, called as a function."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from batikkit.cli.data import parse_ratios, printable
from batikkit.data.split import read_split
from batikkit.errors import InputError
from commands import run


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_check_prints_writes_and_is_strict(stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "check", stripes, "--no-leaks", "--unit", "copy") == 0
    shutil.copy(stripes / "across" / "across_00.png", stripes / "across" / "[red]copy\x1b[31m.png")
    out, page = tmp_path / "check.json", tmp_path / "check.html"
    assert (
        run("data", "check", stripes, "--json", out, "--html", page, "--sheets", tmp_path / "sheets", "--unit", "copy")
        == 0
    )
    shown = capsys.readouterr().out
    assert "\\x1b[31m" in shown
    assert "[red]copy" in shown
    assert "a random split would leak" in shown
    assert json.loads(out.read_text())["would_leak"] is True
    assert page.read_text().startswith("<!doctype html>")
    assert len(list((tmp_path / "sheets").iterdir())) == 1
    assert run("data", "check", stripes, "--no-leaks") == 1


def test_json_on_standard_output_is_all_that_is_there(stripes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(stripes / "across" / "across_00.png", stripes / "across" / "é copy.png")
    assert run("data", "check", stripes, "--json", "-") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["would_leak"] is True
    assert "a random split would leak" in shown.err
    # A failed gate still answers; wrong input does not.
    assert run("data", "check", stripes, "--json", "-", "--no-leaks") == 1
    assert json.loads(capsys.readouterr().out)["images"] == 37
    assert run("data", "check", stripes / "no", "--json", "-") == 2
    assert capsys.readouterr().out == ""
    assert not Path("-").exists()


def test_a_group_of_many_files_is_four_names_and_a_count(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(69):
        shutil.copy(stripes / "across" / "across_00.png", stripes / "across" / f"copy_{index:02d}.png")
    assert run("data", "check", stripes, "--json", tmp_path / "check.json", "--html", tmp_path / "check.html") == 0
    shown = capsys.readouterr().out
    assert "across/across_00.png = across/copy_00.png = across/copy_01.png = across/copy_02.png and 66 more" in shown
    assert "copy_03.png" not in shown
    assert "copy_02.png and 66 more" in (tmp_path / "check.html").read_text()
    (group,) = json.loads((tmp_path / "check.json").read_text())["groups"]
    assert len(group["paths"]) == 70


def test_check_of_a_wrong_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "check", tmp_path / "no") == 2
    assert capsys.readouterr().err.count("\n") == 1


def claim_pixels(path: Path, side: int) -> None:
    """A PNG of a few bytes that claims side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def test_a_decompression_bomb_is_named_not_opened(stripes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim_pixels(stripes / "across" / "bomb.png", 60_000)
    claim_pixels(stripes / "across" / "large.png", 10_000)
    assert run("data", "check", stripes) == 0
    shown = capsys.readouterr().out
    assert "2 of 38 image files cannot be used" in shown
    assert "across/bomb.png: image too large" in shown
    assert "across/large.png: image too large" in shown


def test_evil_outputs_and_splits_end_in_one_line(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "evil.csv").write_text("path,label,split\n../../etc/passwd,a,train\n")
    before = sorted(tmp_path.rglob("*"))
    for options in (
        ("--html", tmp_path), ("--html", tmp_path / "file" / "page.html"), ("--sheets", tmp_path / "file" / "new"),
        ("--json", stripes), ("--split", tmp_path / "evil.csv"), ("--group-by", "("),
    ):  # fmt: skip
        shutil.copy(stripes / "across" / "across_00.png", stripes / "across" / "copy.png")
        assert run("data", "check", stripes, "--no-cache", *options) == 2
        assert capsys.readouterr().err.strip().count("\n") == 0, options
        (stripes / "across" / "copy.png").unlink()
    assert sorted(tmp_path.rglob("*")) == before


def test_split_writes_a_file_that_training_can_use(stripes: Path, tmp_path: Path) -> None:
    out = tmp_path / "split.csv"
    assert run("data", "split", stripes, "--out", out, "--ratios", "60,20,20", "--seed", 3) == 0
    first = out.read_bytes()
    assert len(read_split(out)) == 36
    assert run("data", "split", stripes, "--out", out) == 2
    assert out.read_bytes() == first
    assert run("data", "split", stripes, "--out", out, "--force", "--ratios", "60,20,20", "--seed", 3) == 0
    assert out.read_bytes() == first


def test_folds_test_every_image_once(stripes: Path, tmp_path: Path) -> None:
    assert run("data", "split", stripes, "--out", tmp_path / "folds", "--folds", 4) == 0
    tested = [
        r.sample.path for n in range(1, 5) for r in read_split(tmp_path / "folds" / f"fold{n}.csv") if r.split == "test"
    ]
    assert len(tested) == len(set(tested)) == 36
    assert run("data", "split", stripes, "--out", tmp_path / "more", "--folds", 13) == 2
    assert not (tmp_path / "more").exists()


@pytest.mark.parametrize("text", ["70,20", "a,b,c", "70,20,-10", "0,50,50", "inf,1,1", "nan,1,1", ""])
def test_wrong_ratios_are_named(text: str) -> None:
    with pytest.raises(InputError, match="three positive numbers"):
        parse_ratios(text)


def test_ratios_may_be_percent_or_fractions() -> None:
    assert parse_ratios("70,20,10") == pytest.approx((0.7, 0.2, 0.1))
    assert parse_ratios("0.7, 0.2, 0.1") == pytest.approx((0.7, 0.2, 0.1))


def digest(folder: Path) -> str:
    content = b"".join(path.read_bytes() for path in sorted(folder.rglob("*.png")))
    return hashlib.sha256(content).hexdigest()


def test_synth_is_byte_identical_for_a_seed(tmp_path: Path) -> None:
    options = ("--motifs", "kawung, parang", "--per-class", 3, "--size", 64)
    assert run("data", "synth", tmp_path / "a", *options, "--seed", 5, "--sheet", tmp_path / "sheet.png") == 0
    assert run("data", "synth", tmp_path / "b", *options, "--seed", 5) == 0
    assert run("data", "synth", tmp_path / "c", *options, "--seed", 6) == 0
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")
    assert sorted(path.name for path in (tmp_path / "a").iterdir() if path.is_dir()) == ["kawung", "parang"]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 300
    assert run("data", "synth", tmp_path / "a", *options) == 2
    assert run("data", "synth", tmp_path / "d", "--motifs", "plaid") == 2
    assert not (tmp_path / "d").exists()


def test_printable_shows_terminal_commands_as_text() -> None:
    assert printable("a\x1b[2J\nb é") == "a\\x1b[2J\\nb é"


@pytest.mark.parametrize("command", [("data", "split"), ("compare",)])
@pytest.mark.parametrize("folds", [-3, 1])
def test_no_number_of_folds_but_a_usable_one(
    command: tuple[str, ...], folds: int, stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*command, stripes, "--folds", folds, "--out", tmp_path / "out") == 2
    assert f"--folds {folds}: cross-validation needs at least 2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_fewer_folds_replace_all_that_were_there(stripes: Path, tmp_path: Path) -> None:
    for folds in (4, 3):
        assert run("data", "split", stripes, "--unit", "copy", "--folds", folds, "-o", tmp_path / "f", "--force") == 0
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == ["fold1.csv", "fold2.csv", "fold3.csv"]


def test_a_split_file_without_images_is_no_clean_split(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.csv").write_text("path,label,group,split,sha256\n")
    assert run("data", "check", stripes, "--split", tmp_path / "empty.csv") == 2
    assert "names no image" in capsys.readouterr().err
