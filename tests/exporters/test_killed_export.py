"""An export that is killed, doubled or out of room leaves what was there, or a folder that says it is half done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

from striped import LABELS, striped_network

from batikkit.cli import main
from batikkit.digest import file_sha256
from batikkit.export_record import read_export_record
from batikkit_exporters.export.folder import claimed

pytestmark = pytest.mark.slow
RENAMINGS = (1, 3, 5)
# Runs each command in a fork, which is killed at its n-th renaming into the export folder: in the midst of the commit.
# The forks are made before TensorFlow starts any work; they find it loaded.
KILL_AT_RENAME = """
import importlib, json, os, pathlib, signal, sys
from batikkit.cli import main
for name in ("batikkit_exporters.export.run", "batikkit.network.keras_backend", "batikkit_exporters.convert"):
    importlib.import_module(name)
replace = pathlib.Path.replace
def killed_at(number):
    count = 0
    def counted(self, target):
        nonlocal count
        if pathlib.Path(target).parent.name == "out":
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, target)
    return counted
for number, words in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        pathlib.Path.replace = killed_at(number)
        try:
            main(words)
        finally:
            os._exit(99)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
LITTLE_ROOM = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
PLAIN = "from batikkit.cli import main\nmain({words!r})"


@pytest.fixture(scope="module")
def command(stripes_for_training: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """All but the folder and the variants."""
    from batikkit.network.keras_backend import keras

    folder = tmp_path_factory.mktemp("killed")
    striped_network(keras, taught=stripes_for_training).save(folder / "net.keras")
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    given = {"--model": "net.keras", "--labels": "labels.txt"}
    words = [word for option, name in given.items() for word in (option, str(folder / name))]
    return ["export", *words, "--data", str(stripes_for_training), "--calibration-size", "12"]


@pytest.fixture(scope="module")
def killed_at_rename(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """For each of some renamings, an export folder that another export was killed at writing; each whole before."""
    outs = {number: tmp_path_factory.mktemp("renaming") / "out" for number in RENAMINGS}
    for out in outs.values():
        assert _run([*command, "--out", str(out), "--float32"]) == 0
    jobs = json.dumps([(number, _another(command, out)) for number, out in outs.items()])
    done = subprocess.run([sys.executable, "-c", KILL_AT_RENAME, jobs], capture_output=True, text=True, timeout=600)
    assert done.stdout.split() == [str(-signal.SIGKILL)] * len(outs), done.stderr[-2000:]
    return outs


def _another(command: list[str], out: Path) -> list[str]:
    return [*command, "--out", str(out), "--float32", "--license", "CC0-1.0", "--seed", "5"]


def _run(words: list[str]) -> int:
    with pytest.raises(SystemExit) as done:
        main(words)
    return int(done.value.code or 0)


def _staging(out: Path) -> list[Path]:
    return list(out.glob(".*"))


def _check_whole(out: Path, *variants: str) -> None:
    record = read_export_record(out)
    assert record is not None
    assert set(record.variants) == set(variants)
    assert {name: file_sha256(out / name) for name in record.files} == dict(record.files)
    assert {path.name for path in out.iterdir()} == {*record.files, "export.json"}


@pytest.mark.parametrize("number", RENAMINGS)
def test_killed_while_renaming_it_is_noticed_and_mended(
    number: int, command: list[str], killed_at_rename: dict[int, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = killed_at_rename[number]
    record = read_export_record(out)
    assert record is not None
    damaged = [name for name, digest in record.files.items() if file_sha256(out / name) != digest]
    assert bool(damaged) == (number > 1)
    image = next(Path(command[command.index("--data") + 1]).glob("*/*.png"))
    if "float32.tflite" in damaged:
        assert _run(["predict", str(out / "float32.tflite"), str(image)]) == 1
    capsys.readouterr()
    assert _run(_another(command, out)) == 0
    assert "nothing changed" not in capsys.readouterr().err
    assert _staging(out) == []
    _check_whole(out, "float32")


@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGTERM])
def test_killed_while_building_nothing_is_left_but_what_was(
    with_signal: signal.Signals, command: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = [*command, "--out", str(out), "--float32", "--int8"]
    process = subprocess.Popen(
        [sys.executable, "-c", PLAIN.format(words=words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 200
    while not list(out.glob(".export-*/materials/calibration.npy")) and time.monotonic() < deadline:
        time.sleep(0.02)
    builders = _children(process.pid)
    process.send_signal(with_signal)
    assert process.wait(200) == -with_signal
    assert builders, "a builder was started"
    while any(_alive(pid) for pid in builders) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in builders if _alive(pid)], "builders end with their parent"
    assert [path for path in out.iterdir() if not path.name.startswith(".")] == []
    assert _run(words) == 0
    assert _staging(out) == []
    _check_whole(out, "float32", "int8")


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_two_at_once_do_not_mix(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with claimed(out):
        capsys.readouterr()
        assert _run([*command, "--out", str(out), "--float32"]) == 2
        assert "another process is exporting" in capsys.readouterr().err.splitlines()[-1]
    assert not out.exists()
    assert _run([*command, "--out", str(out), "--float32"]) == 0


def test_a_full_disk_is_one_line_and_leaves_nothing(command: list[str], tmp_path: Path) -> None:
    """Files may grow to 30 kB, less than the calibration pixels; in a child, since the log of the tests grows too."""
    out = tmp_path / "out"
    script = LITTLE_ROOM + PLAIN.format(words=[*command, "--out", str(out), "--float32", "--int8"])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr[-2000:]
    assert "free space" in done.stderr.splitlines()[-1]
    assert not out.exists()


def test_places_that_cannot_be_written_are_one_line(
    command: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    places = [tmp_path / "file", tmp_path / "file" / "out"]
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        places += [tmp_path / "locked", tmp_path / "locked" / "out"]
    for place in [*places, Path("/proc/out")]:
        capfd.readouterr()
        assert _run([*command, "--out", str(place), "--float32"]) == 2
        said = capfd.readouterr().err.splitlines()
        assert [line for line in said if not line.startswith("exporting ")] == [said[-1]]
        assert str(place) in said[-1]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_variant_that_was_changed_is_made_again(command: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [*command, "--out", str(out), "--float32", "--float16"]
    assert _run(words) == 0
    stamp = (out / "float16.tflite").stat().st_mtime_ns
    (out / "float32.json").write_text("{}")
    assert _run(words) == 0
    _check_whole(out, "float32", "float16")
    assert (out / "float16.tflite").stat().st_mtime_ns == stamp
