"""`data check`: every oddity is named, what leaks is counted, and the page is safe to open."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit.data.check import check_folder
from batikkit.data.check_page import check_page, write_sheets
from batikkit.data.check_report import CheckReport, read_report, write_report
from batikkit.data.findings import Finding
from batikkit.data.prepared import Grouping, load_dataset
from batikkit.data.split import write_split
from batikkit.data.synth.writing import picture
from batikkit.data.tree import image_files
from batikkit.errors import InputError

COPIES = Grouping(unit="copy")
"""Stripes of one width look like one cloth, as they would on cloth."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """One file of every kind."""
    root = tmp_path / "odd"
    for motif in ("kawung", "parang"):
        (root / motif).mkdir(parents=True)
        for index in range(4):
            Image.fromarray(picture(motif, index, size=128, seed=2)).save(root / motif / f"{index}.png")
    a, b = root / "kawung", root / "parang"
    original = Image.open(a / "0.png")
    shutil.copy(a / "0.png", a / "same.png")
    original.transpose(Image.Transpose.ROTATE_90).save(b / "turned.jpg", quality=92)
    Image.fromarray(picture("kawung", 9, size=128, seed=2)).save(a / "lie.jpg", "PNG")
    Image.new("RGB", (120, 120), (200, 10, 10)).save(a / "even.png")
    Image.fromarray(picture("kawung", 10, size=64, seed=2)).save(a / "tiny.png")
    Image.fromarray(picture("kawung", 11, size=128, seed=2)).convert("P").save(a / "palette.png")
    Image.fromarray(picture("kawung", 12, size=128, seed=2)).convert("CMYK").save(a / "cmyk.jpg")
    Image.fromarray(picture("kawung", 13, size=128, seed=2)).convert("RGBA").save(a / "alpha.png")
    Image.fromarray(picture("kawung", 14, size=128, seed=2)).convert("L").save(a / "grey.png")
    grey = np.asarray(Image.fromarray(picture("kawung", 15, size=128, seed=2)).convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(a / "deep.png")
    frames = [Image.fromarray(picture("kawung", index, size=128, seed=2)) for index in (16, 17)]
    frames[0].save(a / "film.gif", save_all=True, append_images=frames[1:])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture("kawung", 18, size=128, seed=2)).save(a / "lying.jpg", exif=exif)
    (a / "broken.jpg").write_bytes(b"nothing")
    original.save(root / "loose.png")
    (root / "empty").mkdir()
    return root


def by_kind(report: CheckReport) -> dict[str, Finding]:
    return {finding.kind: finding for finding in report.findings}


def test_every_oddity_is_named(odd: Path) -> None:
    report = check_folder(odd)
    found = by_kind(report)
    expected = {
        "unreadable": "kawung/broken.jpg", "constant": "kawung/even.png", "tiny": "kawung/tiny.png (64x64)",
        "wrong-extension": "kawung/lie.jpg (PNG)", "palette": "kawung/palette.png", "cmyk": "kawung/cmyk.jpg",
        "transparent": "kawung/alpha.png", "grey": "kawung/grey.png", "sixteen-bit": "kawung/deep.png (I;16)",
        "animated": "kawung/film.gif", "exif-turned": "kawung/lying.jpg (orientation 6)", "loose": "loose.png",
        "unused-folder": "empty", "rare-format": "kawung/film.gif (GIF)",
    }  # fmt: skip
    for kind, path in expected.items():
        assert any(shown.startswith(path) for shown in found[kind].paths), kind
        assert found[kind].advice
    assert "conflicting-labels" in found
    assert "near-duplicates" in found
    assert found["conflicting-labels"].paths == ("kawung/0.png = kawung/same.png = parang/turned.jpg",)
    assert report.would_leak
    assert report.expected_leaks > 0
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=["error", "leak", "warning", "info"].index)


def test_the_report_comes_back_from_json(odd: Path, tmp_path: Path) -> None:
    report = check_folder(odd)
    write_report(tmp_path / "check.json", report)
    assert read_report(tmp_path / "check.json") == report
    for content in ("", "[]", '{"schema_version": 99}', '{"schema_version": 1}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(InputError):
            read_report(tmp_path / "bad.json")


def test_a_clean_set_has_a_clean_verdict(stripes: Path) -> None:
    report = check_folder(stripes, COPIES)
    assert not report.would_leak
    assert "no copies found" in report.verdict[-1]
    assert [c.images for c in report.classes] == [12, 12, 12]


def test_exact_copies_and_imbalance_are_told_apart(stripes: Path) -> None:
    shutil.copy(stripes / "across" / "across_00.png", stripes / "across" / "copy.png")
    for index in range(3, 12):
        (stripes / "upright" / f"upright_{index:02d}.png").unlink()
    found = by_kind(check_folder(stripes))
    assert found["exact-duplicates"].paths == ("across/across_00.png = across/copy.png",)
    assert "near-duplicates" not in found
    assert "4.0 to 1" in found["imbalance"].message


def test_an_expression_groups_and_is_named(stripes: Path) -> None:
    found = by_kind(check_folder(stripes, Grouping(group_by=r"_0(\d)")))
    assert "near-duplicates" not in found
    report = check_folder(stripes, Grouping(group_by="_(0)"))
    assert "--group-by" in by_kind(report)["near-duplicates"].message
    assert [facts.groups for facts in report.classes] == [3, 3, 3]
    assert report.would_leak


def test_a_split_is_checked_by_its_own_leaks_only(stripes: Path, tmp_path: Path) -> None:
    shutil.copy(stripes / "across" / "across_00.png", stripes / "across" / "copy.png")
    write_split(tmp_path / "good.csv", load_dataset(stripes, grouping=COPIES).rows)
    good = check_folder(stripes, COPIES, split_file=tmp_path / "good.csv")
    assert good.groups
    assert not good.would_leak
    homes = {"across/across_00.png": "train", "across/copy.png": "test"}
    rows = [
        replace(row, split=homes.get(row.sample.path, row.split)) for row in load_dataset(stripes, grouping=COPIES).rows
    ]
    write_split(tmp_path / "torn.csv", rows)
    report = check_folder(stripes, COPIES, split_file=tmp_path / "torn.csv")
    assert [leak.path for leak in report.leaks] == ["across/copy.png"]
    assert "1 file(s) leak" in report.verdict[-1]


def test_messy_loads_14_and_names_every_oddity(messy: Path) -> None:
    report = check_folder(messy)
    assert report.images == 14
    counts = {kind: len(finding.paths) for kind, finding in by_kind(report).items()}
    assert counts == {
        "too-few-images": 0, "tiny": 3, "wrong-extension": 8, "rare-format": 2, "exif-upright": 3, "palette": 3,
        "cmyk": 1, "transparent": 3,
    }  # fmt: skip
    formats: dict[str, int] = {}
    for facts in report.classes:
        for name, count in facts.formats.items():
            formats[name] = formats.get(name, 0) + count
    assert formats == {"PNG": 8, "BMP": 1, "JPEG": 4, "GIF": 1}


def test_the_page_holds_its_pictures_and_escapes_names(stripes: Path) -> None:
    evil = "<script>alert(1)</script>&'\".png"
    target = stripes / "across" / evil.replace("/", "")
    shutil.copy(stripes / "across" / "across_00.png", target)
    page = check_page(stripes, check_folder(stripes, COPIES))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count("data:image/jpeg;base64,") == 2
    assert "http" not in page.replace("http-equiv", "")
    assert 'src="data:' in page


def test_the_page_survives_pictures_that_vanish(stripes: Path) -> None:
    shutil.copy(stripes / "across" / "across_00.png", stripes / "across" / "copy.png")
    report = check_folder(stripes)
    (stripes / "across" / "copy.png").unlink()
    assert "cannot be read" in check_page(stripes, report)


def test_sheets_are_written_into_a_new_folder_only(stripes: Path, tmp_path: Path) -> None:
    shutil.copy(stripes / "across" / "across_00.png", stripes / "across" / "copy.png")
    report = check_folder(stripes, COPIES)
    assert write_sheets(tmp_path / "sheets", stripes, report) == 1
    with Image.open(tmp_path / "sheets" / "copies_0001.png") as sheet:
        assert sheet.width > sheet.height
    with pytest.raises(InputError, match="not empty"):
        write_sheets(tmp_path / "sheets", stripes, report)


def test_names_in_no_encoding_reach_report_and_page(stripes: Path, tmp_path: Path) -> None:
    source = stripes / "across" / "across_00.png"
    try:
        os.rename(source, os.fsencode(stripes / "across") + b"/bad\xff.png")  # noqa: PTH104 (bytes)
    except OSError as error:
        pytest.skip(f"this file system refuses the name: {error}")
    report = check_folder(stripes)
    write_report(tmp_path / "check.json", report)
    assert "not UTF-8" in check_page(stripes, report)
    assert len(list(image_files(stripes))) == 36


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images"):
        check_folder(tmp_path)


def test_names_that_go_with_copies_are_proposed_unless_they_are_used(tmp_path: Path) -> None:
    for motif in ("kawung", "parang"):
        (tmp_path / "set" / motif).mkdir(parents=True)
        for index in range(6):
            image = Image.fromarray(picture(motif, index, size=128, seed=2))
            for turn in (0, 90):
                image.rotate(turn).save(tmp_path / "set" / motif / f"{motif}_{index:02d}_rot{turn}.png")
    named = [f for f in check_folder(tmp_path / "set").findings if f.kind == "names-agree"]
    assert len(named) == 1
    option = re.search("--group-by '(.*)'", named[0].advice)
    assert option is not None
    again = check_folder(tmp_path / "set", Grouping(group_by=option[1]))
    assert [c.groups for c in again.classes] == [6, 6]
    assert "names-agree" not in {finding.kind for finding in again.findings}
