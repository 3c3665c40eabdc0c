"""Label files, manifests, parity packs, run folders and the atomic writes below them."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import numpy as np
import pytest

from batikkit import atomic, runs
from batikkit.errors import InputError
from batikkit.labels import labels_sha256, read_labels, write_labels
from batikkit.manifest import Calibration, InputSpec, Manifest, OpUse, OutputSpec, read_manifest, write_manifest
from batikkit.parity_pack import iter_images, read_parity_pack, write_parity_pack
from batikkit.runs import store
from run_folders import write_run

MANIFEST = Manifest(
    run_id="r",
    variant="int8",
    sha256="0" * 64,
    size_bytes=5,
    input=InputSpec("image", (1, 96, 96, 3), "uint8", 1.0, 0),
    output=OutputSpec("scores", (1, 3), "float32", None, None),
    labels_sha256=labels_sha256(["a", "b", "c"]),
    ops={"CONV_2D": OpUse(3, 35)},
    min_runtime="1.14.0",
    integer_only=True,
    calibration=Calibration(200, 0, "1" * 64),
    tools={"batikkit": "0.1.0"},
)


def test_a_failed_write_keeps_the_previous_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    atomic.write_text(path, "old")
    with pytest.raises(RuntimeError), atomic.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic.new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic.new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("x")
    assert (tmp_path / "out" / "a").read_text() == "x"
    with pytest.raises(InputError, match="not empty"), atomic.new_folder(tmp_path / "out"):
        pass


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a folder"):
        atomic.write_text(tmp_path, "x")
    with pytest.raises(InputError, match=r"cannot write .*File exists"):
        atomic.write_text(tmp_path / "file" / "page.html", "x")
    with pytest.raises(InputError, match="cannot write"), atomic.new_folder(tmp_path / "file" / "deep" / "new"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    """Whoever may do all, as in a container, would take `/dev/null` from every other program; a pipe stands for it."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for place in (pipe, link):
        for write in (lambda place: atomic.write_text(place, "x"), atomic.try_out):
            with pytest.raises(InputError, match="a device or a pipe"):
                write(place)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert link.is_symlink()
    assert _names(tmp_path) == ["link", "pipe"]


def test_links_are_followed_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    for name, target in (("file", "far/file"), ("folder", "far/folder"), ("round", "round")):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "far" / "folder").mkdir()
    for text in ("one", "two"):  # at first there is nothing where the link leads
        atomic.write_text(tmp_path / "file", text)
        assert (tmp_path / "far" / "file").read_text() == text
    with atomic.new_folder(tmp_path / "folder") as made:
        (made / "x").touch()
    assert (tmp_path / "far" / "folder" / "x").is_file()
    assert all((tmp_path / name).is_symlink() for name in ("file", "folder", "round"))
    assert _names(tmp_path / "far") == ["file", "folder"]
    assert _names(tmp_path) == ["far", "file", "folder", "round"]


@pytest.mark.parametrize("place", [".", "..", "../here", "inner/..", "absolute"])
def test_the_current_folder_is_not_replaced(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that stands in it would see nothing of what was made."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    path = here if place == "absolute" else Path(place)
    if place == "inner/..":
        (here / "inner").mkdir()
    with pytest.raises(InputError, match="the folder you are in"), atomic.new_folder(path, replace=True):
        raise AssertionError("it was begun")
    assert _names(tmp_path) == ["here"]


def test_labels_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    write_labels(path, ["parang", "Ceplok", "kawung é"])
    assert read_labels(path) == ("parang", "Ceplok", "kawung é")
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")
    assert read_labels(path) == ("a", "b")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"one\n", "at least two"), (b"a\na\n", "more than once"), (b"a\n\nb\n", "empty"), (b"\xff\xfe", "UTF-8")],
)
def test_unusable_labels_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_labels(path)


def test_manifest_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "int8.json"
    write_manifest(path, MANIFEST)
    assert read_manifest(path) == MANIFEST


@pytest.mark.parametrize("text", ["{}", "[]", "not json", '{"schema_version": 1}', '{"schema_version": 99}'])
def test_foreign_manifests_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "int8.json"
    path.write_text(text)
    with pytest.raises(InputError):
        read_manifest(path)


def _pack(path: Path, images: np.ndarray) -> None:
    count = len(images)
    write_parity_pack(
        path,
        iter(images),
        labels=np.arange(count) % 2,
        probabilities=np.full((count, 2), 0.5, np.float32),
        names=[f"a/{i}.png" for i in range(count)],
        groups=[f"cloth {i // 2}" for i in range(count)],
        image_size=8,
        caution="test cloths were seen in training",
    )


def test_parity_pack_round_trip_and_plain_numpy_can_read_it(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    path = tmp_path / "parity.npz"
    _pack(path, images)
    pack = read_parity_pack(path)
    assert pack.labels.tolist() == [0, 1, 0, 1, 0]
    assert pack.names[4] == "a/4.png"
    assert pack.groups == ("cloth 0", "cloth 0", "cloth 1", "cloth 1", "cloth 2")
    assert pack.cautions == ("test cloths were seen in training",)
    assert np.array_equal(np.stack(list(iter_images(pack))), images)
    with np.load(path) as arrays:
        assert np.array_equal(arrays["images"], images)


def test_parity_packs_of_other_versions(tmp_path: Path) -> None:
    """Version 1 had no groups: it is read with a word on that; a newer one than ours is refused in one line."""
    path = tmp_path / "parity.npz"
    old = {
        "images": np.zeros((3, 8, 8, 3), np.uint8),
        "labels": np.arange(3),
        "probabilities": np.full((3, 2), 0.5, np.float32),
        "names": np.array(["a/0.png", "a/1.png", "b/0.png"]),
    }
    np.savez(path, **old, schema_version=np.int64(1))
    pack = read_parity_pack(path)
    assert (pack.groups, pack.grouped) == (pack.names, False)
    assert "every image counts on its own" in pack.cautions[0]
    np.savez(path, **old, schema_version=np.int64(3))
    with pytest.raises(InputError, match="version 3: this batikkit reads 1 to 2"):
        read_parity_pack(path)
    np.savez(path, **old, groups=np.array(["a"]), caution=np.str_(""), schema_version=np.int64(2))
    with pytest.raises(InputError, match="inconsistent"):
        read_parity_pack(path)


def test_damaged_parity_packs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "parity.npz"
    with pytest.raises(InputError, match="no parity pack"):
        read_parity_pack(path)
    _pack(path, np.zeros((5, 8, 8, 3), np.uint8))
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="damaged"):
            read_parity_pack(path)


def test_too_few_images_leave_no_pack(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="images for"):
        write_parity_pack(
            tmp_path / "parity.npz",
            iter([]),
            labels=np.array([0]),
            probabilities=np.ones((1, 2), np.float32),
            names=["a"],
            groups=["a"],
            image_size=8,
        )
    assert list(tmp_path.iterdir()) == []


def test_runs_sort_by_time_and_the_newest_is_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no runs under"):
        runs.resolve_run(None, tmp_path)
    first, second = (store.create_run(tmp_path, name="a b") for _ in range(2))
    assert first != second
    assert first.name.endswith("-a-b")
    for run in (first, second):
        write_run(run)
    assert runs.resolve_run(None, tmp_path) == max(first, second)
    assert runs.resolve_run(Path(first.name), tmp_path) == first
    assert runs.read_run(first)["run_id"] == first.name


def test_a_run_without_a_model_says_so(tmp_path: Path) -> None:
    run = store.create_run(tmp_path, name="x")
    with pytest.raises(InputError, match="not a run folder"):
        runs.read_run(run)
    write_run(run, status="training")
    with pytest.raises(InputError, match=rf"no model\.keras.*batikkit train --resume {run}"):
        runs.model_file(run)
    (run / runs.RUN_FILE).write_text(json.dumps({"schema_version": 0}))
    with pytest.raises(InputError, match="another batikkit version"):
        runs.read_run(run)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077, 0o027])
def test_new_files_and_folders_have_the_permissions_of_the_umask(tmp_path: Path, umask: int) -> None:
    def modes(*names: str) -> list[int]:
        return [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names]

    before = os.umask(umask)
    try:
        (tmp_path / "plain").write_text("x")
        (tmp_path / "plain folder").mkdir()
        atomic.write_text(tmp_path / "file.json", "x")
        with atomic.new_folder(tmp_path / "folder") as folder:
            (folder / "inside").write_text("x")
    finally:
        os.umask(before)
    assert modes("file.json", "folder/inside") == modes("plain", "plain")
    assert modes("folder") == modes("plain folder")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_what_is_replaced_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    file, folder = tmp_path / "file.json", tmp_path / "folder"
    file.write_text("old")
    folder.mkdir()
    (folder / "old").write_text("x")
    file.chmod(mode)
    folder.chmod(mode | 0o700)
    atomic.write_text(file, "new")
    with atomic.new_folder(folder, replace=True) as temporary:
        (temporary / "new").write_text("x")
    assert stat.S_IMODE(file.stat().st_mode) == mode
    assert stat.S_IMODE(folder.stat().st_mode) == mode | 0o700
    assert (file.read_text(), [entry.name for entry in folder.iterdir()]) == ("new", ["new"])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file.json", "folder"]


def test_nothing_decides_permissions_itself() -> None:
    """No chmod to a number, no temporary file of `tempfile`'s (0600) that is then moved to its place."""
    root = Path(__file__).resolve().parents[2]
    for source in ("toolkit/batikkit", "exporters/batikkit_exporters", "benchmarks/batikkit_benchmarks"):
        for file in (root / source).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"chmod\((?!stat\.S_IMODE)|mkstemp|mkdtemp|NamedTemporaryFile", text), file
