"""Wrong input at the command line: one clear line on standard error, exit code 2, nothing half-written."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit.cli import main
from run_folders import write_run


def _fails(capsys: pytest.CaptureFixture[str], *command: object, code: int = 2) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main([str(part) for part in command])
    said = capsys.readouterr().err
    assert stopped.value.code == code, said
    last = said.strip().splitlines()[-1]
    assert last.startswith("batikkit: "), said
    assert "Traceback" not in said
    return last


def test_no_such_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such folder" in _fails(capsys, "train", tmp_path / "none", "--runs-dir", tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_a_single_class(stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("across", "upright"):
        shutil.rmtree(stripes / name)
    assert "only one class" in _fails(capsys, "train", stripes, "--runs-dir", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_class_with_two_images(stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted((stripes / "across").iterdir())[2:]:
        path.unlink()
    said = _fails(capsys, "train", stripes, "--runs-dir", tmp_path / "runs")
    assert "'across'" in said
    assert "2 readable" in said


def test_an_unreadable_image_is_named_and_refused_when_strict(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (stripes / "across" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    said = _fails(capsys, "train", stripes, "--strict", "--runs-dir", tmp_path / "runs")
    assert "broken.jpg" in said
    assert not (tmp_path / "runs").exists()


def test_a_wrong_setting(stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = _fails(capsys, "train", stripes, "--set", "dropout=2", "--runs-dir", tmp_path / "runs")
    assert "dropout is 2.0" in said
    assert "neither" not in said
    assert "either a folder" in _fails(capsys, "train")


@pytest.mark.slow
def test_wrong_weights_leave_no_run(stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.h5").write_bytes(b"not of this kind")
    command = ("train", stripes, "--weights", tmp_path / "other.h5", "--runs-dir", tmp_path / "runs")
    assert "no HDF5 file" in _fails(capsys, *command, "--preset", "smoke")
    assert not (tmp_path / "runs").exists()


def test_wrong_weights_are_told_before_the_photographs_are_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("train", "compare"):
        said = _fails(capsys, command, tmp_path / "no-photographs", "--weights", tmp_path / "none.h5")
        assert f"no weight file {tmp_path / 'none.h5'}" in said


def test_runs_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no runs under" in _fails(capsys, "export", "--runs-dir", tmp_path)
    assert "not a run folder" in _fails(capsys, "export", tmp_path, "--runs-dir", tmp_path)
    run = write_run(tmp_path / "20260101T000000Z-paper", status="training")
    assert f"batikkit train --resume {run}" in _fails(capsys, "export", run)
    assert f"batikkit train --resume {run}" in _fails(capsys, "export", "--runs-dir", tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty"), (b"hello, this is no model", "not a TFLite file"), (b"\x1c\0\0\0TFL3" + b"\0" * 40, "damaged")],
)
def test_files_that_are_no_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, says: str
) -> None:
    path, image = tmp_path / "model.tflite", tmp_path / "a.png"
    path.write_bytes(content)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(image)
    assert says in _fails(capsys, "predict", path, image)
    assert says in _fails(capsys, "bench", path)


def test_a_model_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "none.tflite" in _fails(capsys, "predict", tmp_path / "none.tflite", tmp_path / "a.png")
