"""Names with every character there is: they come back as they were, or are refused in one line."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batikkit.data.dataset import Sample, scan
from batikkit.data.layout import read_layout
from batikkit.data.split import SplitRow, read_split, write_split
from batikkit.errors import InputError
from batikkit.labels import check_labels, read_labels, write_labels
from commands import run
from sample_comparison import make_comparison

# Whatever a file system lets into a name: all but NUL and the slash.
SEPARATORS = [
    char for char in map(chr, range(1, sys.maxunicode + 1))
    if char != "/" and unicodedata.category(char) in ("Cc", "Zl", "Zp", "Zs", "Cf")
]  # fmt: skip
NAMES = st.lists(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0/"), min_size=1, max_size=12),
    min_size=2, max_size=6, unique=True,
)  # fmt: skip


@pytest.mark.parametrize("place", ["{}kawung", "ka{}wung", "kawung{}"])
def test_every_separator_in_a_label_comes_back_or_is_refused(place: str, tmp_path: Path) -> None:
    refused = []
    for char in SEPARATORS:
        labels = (place.format(char), "parang")
        try:
            write_labels(tmp_path / "labels.txt", labels)
        except InputError:
            refused.append(char)
            continue
        assert read_labels(tmp_path / "labels.txt") == labels, repr(char)
    assert set(refused) <= {"\n", "\r", "\ufeff"}


@given(NAMES)
@settings(max_examples=150, deadline=None)
def test_labels_and_splits_of_any_names_come_back(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("names")
    try:
        labels = check_labels(names, source="names")
    except InputError:
        return
    write_labels(folder / "labels.txt", labels)
    assert read_labels(folder / "labels.txt") == labels
    rows = tuple(SplitRow(Sample(f"a/{label}/1.png", label, "0" * 64, "0" * 16), "train") for label in labels)
    if any(label in (".", "..") for label in labels):
        return
    write_split(folder / "split.csv", rows)
    assert {(row.sample.path, row.sample.label) for row in read_split(folder / "split.csv")} == {
        (row.sample.path, row.sample.label) for row in rows
    }


@pytest.mark.skipif(os.name != "posix", reason="a backslash parts folders here")
def test_a_backslash_in_a_name_is_part_of_it(stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        name = stripes / "across" / f"across_{number:02d}.png"
        name.rename(name.with_name(f"kain\\{number}.png"))
    split = tmp_path / "split.csv"
    assert run("data", "split", stripes, "--unit", "copy", "--out", split) == 0
    assert run("data", "check", stripes, "--unit", "copy", "--split", split, "--no-leaks") == 0
    assert "is not here" not in capsys.readouterr().out
    # The same in a table of labels beside photographs that lie in one folder.
    flat = tmp_path / "flat"
    flat.mkdir()
    told = {file.name: file.parent.name for file in stripes.glob("*/*.png")}
    for file in stripes.glob("*/*.png"):
        file.rename(flat / file.name)
    (flat / "labels.csv").write_text("".join(f"{name},{motif}\n" for name, motif in {"file": "label", **told}.items()))
    assert read_layout(flat).motif_of == told
    assert sum("\\" in name for name in told) == 12


@pytest.mark.parametrize("name", ["🦋 kupu", "ꦧꦠꦶꦏ꧀", "$kawung", "$a$ _{b^", "蜡染", "\x0bparang", "a\u2028b"])
def test_figures_of_any_names_are_drawn_without_a_warning(name: str, tmp_path: Path) -> None:
    from batikkit.evaluation.plots import draw_comparison

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw_comparison(tmp_path, make_comparison((name, "parang", "truntum", "tambal", "nitik")))


def _in_no_encoding(folder: Path) -> Path:
    """A name that is Latin-1, as old archives unpack."""
    target = os.fsencode(folder) + b"/caf\xe9"
    try:
        os.makedirs(target)  # noqa: PTH103 (bytes)
    except OSError as error:
        pytest.skip(f"this file system refuses the name: {error}")
    return Path(os.fsdecode(target))


@pytest.mark.parametrize(
    "command",
    [("data", "check"), ("data", "check", "--json", "-"), ("data", "split"), ("train",), ("bench",), ("verify",),
     ("export", "--data"), ("evaluate", "--data"), ("predict",), ("report",)],
)  # fmt: skip
def test_a_path_that_is_not_utf8_is_one_line(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _in_no_encoding(tmp_path)
    assert run(*command, folder) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "caf\\xe9 is not UTF-8" in shown.err
    assert shown.err.count("\n") == 1


def test_a_working_folder_that_is_not_utf8_is_one_line(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _in_no_encoding(tmp_path)
    shutil.copytree(stripes, folder / "photos")
    monkeypatch.chdir(folder)
    assert run("train", "photos", "--weights", "none") == 2
    assert "is not UTF-8" in capsys.readouterr().err


def test_a_motif_whose_folder_is_not_utf8_does_not_vanish(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _in_no_encoding(stripes)
    for number in range(4):
        shutil.copy(stripes / "across" / f"across_0{number}.png", folder / f"{number}.png")
    with pytest.raises(InputError, match="class 'caf\ufffd' in "):
        scan(stripes)
    assert run("train", stripes, "--weights", "none", "--runs-dir", tmp_path / "runs") == 2
    assert not (tmp_path / "runs").exists()
    assert run("data", "check", stripes, "--json", "-", "--html", tmp_path / "page.html") == 0
    assert "its name is not UTF-8; rename it" in capsys.readouterr().out
