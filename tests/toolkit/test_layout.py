"""Folders as people have them: every row of the table in docs/data.md, on files made on the spot."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from batikkit import image_kinds
from batikkit.data.check import check_folder
from batikkit.data.dataset import scan, usable_layout
from batikkit.data.layout import Layout, read_layout
from batikkit.data.photographs import find_photographs
from batikkit.data.prepared import Grouping, load_dataset
from batikkit.data.split import write_split
from batikkit.errors import InputError
from batikkit.images import load_rgb
from commands import run

DOCS = Path(__file__).resolve().parents[2] / "docs" / "data.md"
COPIES = Grouping(unit="copy")
HEIC = importlib.util.find_spec("pillow_heif") is not None


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def photograph(kind: str = "PNG", *, seed: int = 0, side: int = 64) -> bytes:
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).resize((side, side))
    stream = io.BytesIO()
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.from_pillow(rough).save(stream, format="HEIF")
    else:
        rough.save(stream, kind)
    return stream.getvalue()


def make(root: Path, folders: Mapping[str, int], kind: str = "PNG", suffix: str = ".png") -> Path:
    """So many photographs in each folder, each of its own look; 0 makes an empty folder."""
    seed = 0
    for folder, count in folders.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            (root / folder / f"{re.sub(r'[^a-z]', '', folder.lower())}_{number}{suffix}").write_bytes(
                photograph(kind, seed=seed)
            )
    return root


def counted(layout: Layout) -> dict[str, dict[str, int]]:
    """Split -> motif -> photographs."""
    found: dict[str, dict[str, int]] = {}
    for path, motif in layout.motif_of.items():
        part = found.setdefault(layout.split_of.get(path, ""), {})
        part[motif] = part.get(motif, 0) + 1
    return found


FOUR = {"kawung": 3, "parang": 3}


def under(*tops: str) -> dict[str, int]:
    return {f"{top}/{motif}": n for top in tops for motif, n in FOUR.items()}


BOTH = {"train": FOUR, "test": FOUR}
SIX = {"": {"kawung": 6, "parang": 6}}
COMPOSED = unicodedata.normalize("NFC", "kawung café")
DECOMPOSED = unicodedata.normalize("NFD", "kawung café")

# Row of the table -> folders, and what they are understood to be.
LAYOUTS: dict[str, tuple[dict[str, int], dict[str, dict[str, int]]]] = {
    "one folder per motif": (FOUR, {"": FOUR}),
    "deeper folders": ({"kawung/cloth 7": 3, "kawung": 1, "parang/a/b": 3}, {"": {"kawung": 4, "parang": 3}}),
    "one wrapping folder": (under("Batik Dataset/images"), {"": FOUR}),
    "train, test": (under("train", "test"), BOTH),
    "train, val, test": (under("train", "val", "test"), {**BOTH, "validation": FOUR}),
    "training_set, test_set": (under("training_set", "test_set"), BOTH),
    "Train Images, Test Images": (under("Train Images", "Test Images"), BOTH),
    "data_latih, data_uji": (under("data_latih", "data_uji"), BOTH),
    "wrapped split": (under("archive/train", "archive/test"), BOTH),
    "train, test, sample_images": ({**under("train", "test"), "sample_images": 3}, BOTH),
    "train, unlabelled test": ({**under("train"), "test": 4}, {"": FOUR}),
    "splits inside motifs": ({f"{m}/{s}": 3 for m in FOUR for s in ("train", "test")}, BOTH),
    "Original Images, Augmented Images": (under("Original Images", "Augmented Images"), SIX),
    "cam1, cam2": (under("cam1", "cam2"), SIX),
    "cameras inside motifs": ({f"{m}/{s}": 3 for m in FOUR for s in ("cam1", "cam2")}, SIX),
    "spellings by case": ({"train/kawung": 3, "train/parang": 3, "test/Kawung": 3, "test/PARANG ": 3}, BOTH),
    "composed and decomposed": (
        {f"train/{COMPOSED}": 3, "train/parang": 3, f"test/{DECOMPOSED}": 3, "test/parang": 3},
        {s: {COMPOSED: 3, "parang": 3} for s in ("train", "test")},
    ),
    "left behind by systems": (
        {**FOUR, "@eaDir": 2, "kawung/@eaDir": 2, "$RECYCLE.BIN": 1, "lost+found": 0, "System Volume Information": 0,
         "#recycle": 1, ".Trash-1000": 1, "__MACOSX/kawung": 2, "parang/.ipynb_checkpoints": 1, "@Recycle": 1},
        {"": FOUR},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_understood(name: str, tmp_path: Path) -> None:
    folders, wanted = LAYOUTS[name]
    root = make(tmp_path / "set", folders)
    assert counted(usable_layout(root)) == wanted
    prepared = load_dataset(root, grouping=COPIES, cache=False)
    assert prepared.dataset.labels == tuple(sorted({motif for part in wanted.values() for motif in part}))
    assert counted(read_layout(root)) == wanted
    assert check_folder(root, COPIES, cache=False).understood[0] == read_layout(root).summary


def test_nothing_of_a_layout_is_left_out_without_a_word(tmp_path: Path) -> None:
    for name, (folders, _) in LAYOUTS.items():
        root = make(tmp_path / name, folders)
        layout = read_layout(root)
        junk = ("@", "$", "#", ".", "__MACOSX", "lost+found", "System")
        photographs = [
            path for path in root.rglob("*.png")
            if not any(part.startswith(junk) for part in path.relative_to(root).parts)
        ]  # fmt: skip
        assert len(layout.motif_of) + sum(left.images for left in layout.left_out) == len(photographs), name


def test_what_was_understood_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make(tmp_path / "set", {**under("train", "test"), "sample_images": 3, "test/Kawung": 1})
    assert run("data", "check", root, "--unit", "copy") == 0
    shown = capsys.readouterr().out
    assert "train: 2 motifs, 6 images; test: 2 motifs, 7 images" in shown
    assert "'Kawung' and 'kawung' are one motif, called 'kawung'" in shown
    assert "left out 3 image(s) in sample_images" in shown
    assert run("data", "split", root, "--unit", "copy", "-o", tmp_path / "split.csv") == 0
    assert "understood train: 2 motifs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        ({**FOUR, "ceplok": 0}, "ceplok"),
        ({**under("train", "test"), "train/ceplok": 0}, "train/ceplok"),
        ({**under("train", "test"), "test/ceplok": 3}, "'ceplok'"),
    ],
)
def test_a_motif_that_would_vanish_is_an_error(
    folders: dict[str, int], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make(tmp_path / "set", folders)
    assert run("train", root, "--runs-dir", tmp_path / "runs", "--weights", "none", "--unit", "copy") == 2
    assert named in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "runs").exists()
    assert any(finding.severity == "error" for finding in check_folder(root, COPIES).findings)
    if folders[max(folders)] == 0 or "ceplok" in folders:
        with pytest.raises(InputError, match="holds no photograph"):
            find_photographs(root, ["ceplok", *FOUR])


def test_a_motif_of_other_files_or_a_link_inside_is_told(tmp_path: Path) -> None:
    root = make(tmp_path / "set", under("train", "test"))
    elsewhere = make(tmp_path / "elsewhere", {"ceplok": 3})
    (root / "train" / "ceplok").symlink_to(elsewhere / "ceplok", target_is_directory=True)
    with pytest.raises(InputError, match="train/ceplok holds no photograph"):
        scan(root)
    (root / "train" / "ceplok").unlink()
    (root / "train" / "tambal").mkdir()
    (root / "train" / "tambal" / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(40))
    with pytest.raises(InputError, match="train/tambal holds no photograph"):
        scan(root)
    kinds = {finding.kind: finding for finding in check_folder(root, COPIES).findings}
    assert ".mp4 1" in kinds["other-files"].message


def test_a_motif_of_which_nothing_can_be_read_is_an_error_for_the_bench(tmp_path: Path) -> None:
    root = make(tmp_path / "set", FOUR)
    for path in (root / "parang").iterdir():
        path.write_bytes(photograph()[:60])
    with pytest.raises(InputError, match="no photograph of 'parang'"):
        find_photographs(root, list(FOUR))


def test_the_bench_takes_the_test_part_and_other_spellings(tmp_path: Path) -> None:
    root = make(tmp_path / "set", {"train/kawung": 3, "train/parang": 3, "test/KAWUNG": 2, "test/Parang": 1})
    found = find_photographs(root, ["parang", "kawung"])
    assert found.truth.tolist() == [1, 1, 0]
    assert all(name.startswith("test/") for name in found.names)
    with pytest.raises(InputError, match="no motif of this model"):
        find_photographs(root, ["kawung", "ceplok"])


# Formats: row of the table -> what Pillow calls it, and the suffix.
FORMATS = {
    "JPEG": (".jpg", "JPEG"), "PNG": (".png", "PNG"), "BMP": (".bmp", "BMP"), "GIF": (".gif", "GIF"),
    "WebP": (".webp", "WEBP"), "TIFF": (".tiff", "TIFF"), "AVIF": (".avif", "AVIF"), "HEIC": (".heic", "HEIF"),
}  # fmt: skip


def _needs(kind: str) -> None:
    if kind == "HEIF" and not HEIC:
        pytest.skip("pillow-heif is not installed")
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("naming", ["its own", "a lie", "no suffix", "unknown"])
def test_formats_are_read_by_content(name: str, naming: str, tmp_path: Path) -> None:
    suffix, kind = FORMATS[name]
    _needs(kind)
    given = {"its own": suffix, "a lie": ".jpg" if kind != "JPEG" else ".png", "no suffix": "", "unknown": ".dat"}[
        naming
    ]
    root = make(tmp_path / "set", FOUR, kind, given)
    dataset = scan(root, strict=True)
    assert len(dataset.samples) == 6
    reference = np.asarray(Image.open(io.BytesIO(photograph(seed=1))).convert("RGB"), np.float64)
    pixels = np.asarray(load_rgb(dataset.file(dataset.samples[0])), np.float64)
    assert np.abs(pixels - reference).mean() < 12  # lossy kinds
    assert check_folder(root, COPIES, cache=False).classes[0].formats == {kind: 3}
    assert image_kinds.kind_of(photograph(kind)[: image_kinds.HEAD_BYTES]) == kind


@pytest.mark.parametrize("suffix", sorted(image_kinds.UNREAD_SUFFIXES))
def test_pictures_that_nothing_reads_are_counted_and_named(suffix: str, tmp_path: Path) -> None:
    root = make(tmp_path / "set", FOUR)
    (root / "kawung" / f"more{suffix}").write_bytes(photograph("TIFF"))  # raw files are TIFFs of a thumbnail
    dataset = scan(root)
    read = suffix not in image_kinds.CAMERA_RAW
    assert [item.path for item in dataset.skipped] == ([] if read else [f"kawung/more{suffix}"])
    (root / "kawung" / f"more{suffix}").write_bytes(b"whatever it holds")
    assert [item.path for item in scan(root).skipped] == [f"kawung/more{suffix}"]


@pytest.mark.parametrize("suffix", [".heic", ".jpg"])
def test_without_its_decoder_a_kind_is_counted_per_motif_with_the_cure(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content that no test needs to decode: brands alone tell HEIC."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    root = make(tmp_path / "set", {**FOUR, "ceplok": 3})
    head = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    for motif, count in (("kawung", 2), ("tambal", 4)):
        (root / motif).mkdir(exist_ok=True)
        for number in range(count):
            (root / motif / f"phone {number}{suffix}").write_bytes(head)
    told = "6 HEIF photographs cannot be read (kawung 2, tambal 4): pip install 'batikkit[heic]'"
    assert run("train", root, "--runs-dir", tmp_path / "runs", "--weights", "none") == 2
    assert told in capsys.readouterr().err
    assert run("data", "split", root, "-o", tmp_path / "split.csv") == 2
    assert told in capsys.readouterr().err
    with pytest.raises(InputError, match=r"kawung 2, tambal 4"):
        find_photographs(root, ["ceplok", "tambal", *FOUR])
    assert not (tmp_path / "split.csv").exists()
    assert run("data", "check", root, "--unit", "copy") == 0
    shown = capsys.readouterr().out
    assert "6 HEIF photographs cannot be read" in shown
    assert "batikkit[heic]" in shown
    assert "tambal: 4" in shown


# Tables: row of the documentation -> what is written, beside twelve flat photographs called kawung_0.png and so on.
def _table(line: str, delimiter: str = ",", of: Callable[[str], str] = lambda name: name) -> str:
    rows = [f"{of(f'{motif}_{n}.png')}{delimiter}{motif}" for motif in FOUR for n in range(6)]
    return "\n".join([line.replace(",", delimiter), *rows]) + "\n"


TABLES = {
    "path,label": _table("path,label").encode(),
    "file,class": _table("file,class").encode(),
    "filename;motif": _table("filename,motif", ";").encode(),
    "image,label with BOM": b"\xef\xbb\xbf" + _table("image,label").encode(),
    "Windows lines": _table("Path,Label").replace("\n", "\r\n").encode(),
    "Old Mac lines": _table("path,label").replace("\n", "\r").encode(),
    "File Name, Class Name": _table("File Name,Class Name").encode(),
    "filepaths,labels": _table("filepaths,labels", of=lambda name: f"images\\{name}").encode(),
    "Excel told its separator": b"sep=;\r\n" + _table("path,label", ";").replace("\n", "\r\n").encode(),
    "the same with BOM": b'\xef\xbb\xbf"sep=,"\n' + _table("path,label").encode(),
    "without suffix": _table("image_id,label", of=lambda name: name[:-4]).encode(),
    "more columns": _table("path,label").replace("\n", ",x\n").encode(),
}


def flat(root: Path, inside: str = "images") -> Path:
    (root / inside).mkdir(parents=True)
    for seed, name in enumerate(f"{motif}_{n}.png" for motif in FOUR for n in range(6)):
        (root / inside / name).write_bytes(photograph(seed=seed))
    return root


@pytest.mark.parametrize("inside", [".", "images"])
@pytest.mark.parametrize("name", TABLES)
def test_tables_label_flat_folders(name: str, inside: str, tmp_path: Path) -> None:
    root = flat(tmp_path / "set", inside)
    (root / "labels.csv").write_bytes(TABLES[name])
    (root / "sample_submission.csv").write_text(_table("path,label").replace(",kawung", ",parang"))
    assert counted(read_layout(root)) == SIX
    assert load_dataset(root, grouping=COPIES, cache=False).dataset.labels == ("kawung", "parang")


@pytest.mark.slow
def test_tables_work_in_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = flat(tmp_path / "set" / "train", ".")
    (root.parent / "train.csv").write_bytes(TABLES["filename;motif"])
    assert run("data", "check", root, "--unit", "copy") == 0
    assert "train.csv labels 12 photographs" in capsys.readouterr().out
    assert run("data", "split", root, "--unit", "copy", "-o", tmp_path / "split.csv") == 0
    assert "train.csv labels 12 photographs" in capsys.readouterr().err
    small = ("--weights", "none", "--backbone-alpha", "0.35", "--image-size", "32", "--unit", "copy")
    once = ("--set", "phase1_epochs=1", "--set", "phase2_epochs=0", "--runs-dir", tmp_path / "runs")
    assert run("train", root, *small, *once) == 0, capsys.readouterr().err
    assert run("evaluate", "--runs-dir", tmp_path / "runs", "--out", tmp_path / "judged", "--unit", "copy") == 0
    more = flat(tmp_path / "more", "images")
    (more / "labels.csv").write_bytes(TABLES["image,label with BOM"])
    for file in (more / "images").iterdir():
        file.write_bytes(photograph(seed=100 + int(file.stem[-1]) + 10 * len(file.stem) + ord(file.stem[0])))
    assert (
        run("evaluate", "--runs-dir", tmp_path / "runs", "--data", more, "--out", tmp_path / "b", "--unit", "copy") == 0
    )
    assert find_photographs(root, ("kawung", "parang")).truth.tolist() == [0] * 6 + [1] * 6


def test_tables_named_like_splits_are_the_split(tmp_path: Path) -> None:
    root = flat(tmp_path / "set")
    lines = _table("path,label").splitlines()
    (root / "train.csv").write_text("\n".join([lines[0], *lines[1::2]]))
    (root / "test.csv").write_text("\n".join([lines[0], *lines[2::2]]))
    assert counted(read_layout(root)) == {"train": FOUR, "test": FOUR}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_table("path,label").encode("utf-16"), "labels.csv is not UTF-8"),
        (("sep=;\n" + _table("path,label", ";")).encode("utf-16"), "labels.csv is not UTF-8"),
        (_table("path,label").encode() + "kawung_0.png,pärang\n".encode("latin-1"), "labels.csv is not UTF-8"),
        (_table("path,label").encode() + b"kawung_0.png,parang\n", "both 'kawung' and 'parang'"),
        (_table("path,label", of=lambda name: f"elsewhere/{name[:-4]}x.png").encode(), "names no photograph of"),
        (b"a,b\n1,2\n", "no images in subfolders"),
    ],
)
def test_tables_that_cannot_be_used_are_one_line(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = flat(tmp_path / "set", ".")
    (root / "labels.csv").write_bytes(content)
    assert run("data", "check", root) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("where", [".", ".."], ids=["in", "beside"])
@pytest.mark.parametrize(
    "content",
    [b"x" * 200_000 + b",b\n1,2\n", b"a\rb\rc", b"\0\0,\0", b'"', b"", b"\xff\xfe", b"\r", b'"a\n"b,c'],
    ids=["long", "mac", "nul", "quote", "empty", "mark", "return", "broken"],
)
def test_csv_files_of_something_else_stop_nothing(tmp_path: Path, where: str, content: bytes) -> None:
    """Downloads hold all kinds of them, and photographs are unpacked beside."""
    root = make(tmp_path / "photos", FOUR)
    (root / where / "other.csv").write_bytes(content)
    assert read_layout(root).motifs == ("kawung", "parang")


def test_what_a_table_does_not_say_is_told(tmp_path: Path) -> None:
    root = flat(tmp_path / "set")
    lines = TABLES["path,label"].decode().splitlines()
    (root / "labels.csv").write_text("\n".join([*lines[:-2], "gone.png,parang", "Kawung_99.png,Kawung"]))
    layout = read_layout(root)
    assert "2 of its 12 lines name no photograph here" in layout.notes[0]
    assert [left.images for left in layout.left_out] == [2]
    assert set(layout.motifs) == {"kawung", "parang"}
    folders = make(tmp_path / "folders", FOUR)
    (folders / "labels.csv").write_bytes(TABLES["path,label"])
    assert "folders tell the motifs" in read_layout(folders).notes[0]


@pytest.mark.parametrize(
    ("of", "advice"),
    [
        (lambda path: f"photos/{path}", "holds 'photos'"),
        (lambda path: path.split("/")[1], "write its paths|give the folder"),
        (lambda path: f"other/{path.replace('_', '-')}", "name the folder that it was made for"),
    ],
)
def test_a_split_of_another_folder_is_an_error_that_names_the_difference(
    of: Callable[[str], str], advice: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make(tmp_path / "set", {"kawung": 6, "parang": 6})
    rows = load_dataset(root, grouping=COPIES).rows
    write_split(tmp_path / "split.csv", rows)
    text = (tmp_path / "split.csv").read_text()
    lines = [line.split(",") for line in text.splitlines()]
    (tmp_path / "split.csv").write_text("\n".join(",".join([of(line[0]), *line[1:]]) for line in lines[1:]).join(
        [",".join(lines[0]) + "\n", "\n"]))  # fmt: skip
    for command in (("data", "check", root, "--no-leaks"), ("train", root, "--runs-dir", tmp_path / "runs")):
        assert run(*command, "--split", tmp_path / "split.csv", "--unit", "copy") == 2
        told = capsys.readouterr().err.strip().splitlines()[-1]
        assert "names no photograph of" in told
        assert re.search(advice, told), told
    assert not (tmp_path / "runs").exists()


def test_a_split_of_which_some_are_gone_is_no_clean_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make(tmp_path / "set", {"kawung": 6, "parang": 6})
    write_split(tmp_path / "split.csv", load_dataset(root, grouping=COPIES).rows)
    (root / "kawung" / "kawung_0.png").unlink()
    assert run("data", "check", root, "--no-leaks", "--split", tmp_path / "split.csv", "--unit", "copy") == 1
    assert "nobody can tell what leaks" in capsys.readouterr().err


def test_every_row_of_the_page_has_a_test() -> None:
    page = DOCS.read_text(encoding="utf-8")
    for table in (LAYOUTS, FORMATS, TABLES):
        for name in table:
            assert f"| {name} |" in page, f"docs/data.md has no row {name!r}"
    rows = re.findall(r"^\| ([^|]+?) \|", page[page.index("### Layouts") : page.index("## Check")], re.MULTILINE)
    tested = {*LAYOUTS, *FORMATS, *TABLES}
    assert [row for row in rows if row not in tested and row not in ("layout", "format", "table")] == []
