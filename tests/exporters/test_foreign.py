"""Models trained elsewhere: every file kind is exported for real, what cannot be exported is refused in one line."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from striped import SIDE, striped_network

from batikkit.cli import main
from batikkit.manifest import read_manifest
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.tflite.runtime import open_model

# Keras 3 saves its own variables in a way that NumPy 2 warns of.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
KINDS = ("keras3.keras", "tf_keras.keras", "tf_keras.h5", "saved_model")


def save(kind: str, folder: Path, **options: Any) -> Path:
    from batikkit.network.keras_backend import keras, tf

    path = folder / kind
    if kind == "keras3.keras":
        import keras as keras3

        striped_network(keras3, **options).save(path)
    elif kind == "saved_model":
        model = striped_network(keras, **options)
        spec = tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32, name="pixels")
        call = tf.function(lambda pixels: {"scores": model(pixels, training=False)}, input_signature=[spec])
        tracked = tf.Module()
        tracked.model = model
        tf.saved_model.save(tracked, str(path), signatures={"serving_default": call})
    else:
        model = striped_network(keras, **options)
        if path.suffix == ".h5":
            with pytest.warns(UserWarning, match="HDF5"):
                model.save(path)
        else:
            model.save(path)
    return path


def export(model: Path, data: Path, out: Path, *options: str) -> int:
    labels = model.parent / "labels.txt"
    labels.write_text("across\ndiagonal\nupright\n")
    command = ["export", "--model", str(model), "--labels", str(labels), "--data", str(data), "--out", str(out)]
    with pytest.raises(SystemExit) as done:
        main([*command, "--calibration-size", "18", *options])
    assert isinstance(done.value.code, int)
    return done.value.code


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_is_exported(kind: str, stripes_for_training: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export(save(kind, tmp_path, taught=stripes_for_training), stripes_for_training, out, "--float32") == 0
    pack = read_parity_pack(out / "parity.npz")
    answers = open_model(out / "float32.tflite").predict(np.stack(list(iter_images(pack))))
    assert np.ptp(answers, axis=0).max() > 0.01, "the pictures must differ in their scores"
    assert np.abs(answers - pack.probabilities).max() < 1e-4


def test_unchanged_is_left_alone_and_a_changed_option_rebuilds(stripes_for_training: Path, tmp_path: Path) -> None:
    model, out = save("tf_keras.keras", tmp_path, taught=stripes_for_training), tmp_path / "out"

    def stamps(*options: str) -> dict[str, int]:
        assert export(model, stripes_for_training, out, "--float32", "--int8", *options) == 0
        return {path.name: path.stat().st_mtime_ns for path in out.iterdir()}

    first = stamps()
    assert stamps() == first
    changed = stamps("--license", "CC0-1.0")
    assert {name for name in first if changed[name] != first[name]} >= {"float32.tflite", "int8.tflite"}


def test_the_model_is_hashed_once_for_all_variants(
    stripes_for_training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from batikkit_exporters.source import loaded

    hashed: list[Path] = []
    real = loaded.model_sha256
    monkeypatch.setattr(loaded, "model_sha256", lambda path: (hashed.append(path), real(path))[1])
    model = save("tf_keras.keras", tmp_path, taught=stripes_for_training)
    assert export(model, stripes_for_training, tmp_path / "out", "--float32", "--float16", "--dynamic") == 0
    assert hashed == [model]


def test_another_calibration_list_rebuilds_and_never_contradicts_files_that_stay(
    stripes_for_training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save("tf_keras.keras", tmp_path, taught=stripes_for_training)
    out, listed = tmp_path / "out", tmp_path / "list.csv"
    assert export(model, stripes_for_training, out, "--float32") == 0
    with (out / "calibration.csv").open(encoding="utf-8", newline="") as file:
        names = [row["path"] for row in csv.DictReader(file)]

    def int8(chosen: list[str], *options: str) -> int:
        listed.write_text("\n".join(["path", *chosen]) + "\n")
        return export(model, stripes_for_training, out, "--calibration", str(listed), *options)

    assert int8(names[:14], "--int8") == 0
    first = read_manifest(out / "int8.json").calibration
    assert int8(names[4:], "--int8") == 0, "the same path, another list"
    second = read_manifest(out / "int8.json").calibration
    assert first is not None
    assert second is not None
    assert first.sha256 != second.sha256
    capsys.readouterr()
    assert int8(names[:14], "--int16x8") == 2, "int8.tflite stays, so its list must"
    assert "int8.tflite" in capsys.readouterr().err
    assert hashlib.sha256((out / "calibration.csv").read_bytes()).hexdigest() == second.sha256
    assert int8(names[:14], "--float16") == 0
    assert hashlib.sha256((out / "calibration.csv").read_bytes()).hexdigest() == second.sha256


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--int8-qat",), "leave this variant out"),
        (("--int8", "--io", "int8", "--target-drop", "1"), "leave one out"),
    ],
)
def test_what_cannot_be_made_is_one_line(
    options: tuple[str, ...], said: str, stripes_for_training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save("tf_keras.keras", tmp_path, hidden="swish", taught=stripes_for_training)
    capsys.readouterr()
    assert export(model, stripes_for_training, tmp_path / "out", *options) == 2
    assert len([line for line in capsys.readouterr().err.splitlines() if said in line]) == 1


def test_an_operator_without_a_kernel_of_ours_goes_to_the_converter(stripes_for_training: Path, tmp_path: Path) -> None:
    model, out = save("tf_keras.keras", tmp_path, hidden="swish", taught=stripes_for_training), tmp_path / "out"
    assert export(model, stripes_for_training, out, "--int8") == 0
    assert "converter" in str(read_manifest(out / "int8.json").method)


def test_compatible_files_run_in_tflite_runtime_2_14(stripes_for_training: Path, tmp_path: Path) -> None:
    python = Path(os.environ.get("BATIKKIT_LEGACY_PYTHON", Path(__file__).parents[2] / ".venv-legacy/bin/python"))
    if not python.exists():
        pytest.skip(f"no {python}: python3.11 -m venv .venv-legacy; pip install 'batikkit[pi-legacy]' into it")
    variants = ("float32", "float16", "int8", "dynamic")
    model, out = save("tf_keras.keras", tmp_path, taught=stripes_for_training), tmp_path / "out"
    assert export(model, stripes_for_training, out, "--compat", "2.14", *(f"--{name}" for name in variants)) == 0
    images = np.stack(list(iter_images(read_parity_pack(out / "parity.npz"))))
    np.save(tmp_path / "images.npy", images)
    script = (
        "import sys, numpy as np, tflite_runtime.interpreter as t\n"
        "i = t.Interpreter(sys.argv[1], num_threads=1); i.allocate_tensors()\n"
        "a, b = i.get_input_details()[0], i.get_output_details()[0]; found = []\n"
        "for x in np.load(sys.argv[2]):\n"
        "    i.set_tensor(a['index'], x[None].astype(a['dtype'])); i.invoke()\n"
        "    found.append(i.get_tensor(b['index'])[0].copy())\n"
        "np.save(sys.argv[3], np.stack(found))\n"
    )
    for name in variants:
        file, answers = out / f"{name}.tflite", tmp_path / f"{name}.npy"
        command = [str(python), "-c", script, str(file), str(tmp_path / "images.npy"), str(answers)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{name}: {done.stderr[-800:]}"
        assert np.abs(np.load(answers) - open_model(file).predict(images)).max() < 0.02
        assert [int(part) for part in read_manifest(file.with_suffix(".json")).min_runtime.split(".")[:2]] <= [2, 14]
