"""A real run exported for real: contracts, manifests, calibration, parity pack and prediction."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from batikkit.cli import main
from batikkit.data.split import of_split, read_split
from batikkit.labels import labels_sha256, read_labels
from batikkit.manifest import read_manifest
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.tflite.file import read_tflite
from batikkit.tflite.runtime import open_model
from mediapipe_classifier import classify, saved, score_table

pytestmark = pytest.mark.slow
VARIANTS = ("float32", "float16", "int8", "dynamic", "int16x8")


@pytest.fixture(scope="session")
def export_folder(trained_run: Path) -> Path:
    with pytest.raises(SystemExit) as done:
        main(["export", str(trained_run), *(f"--{name}" for name in VARIANTS), "--calibration-size", "12"])
    assert done.value.code == 0
    return trained_run / "export"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_a_true_manifest(export_folder: Path, variant: str) -> None:
    path = export_folder / f"{variant}.tflite"
    manifest, model = read_manifest(path.with_suffix(".json")), read_tflite(path)
    assert manifest.variant == variant
    assert manifest.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256
    assert manifest.size_bytes == path.stat().st_size
    assert manifest.labels_sha256 == labels_sha256(read_labels(export_folder / "labels.txt"))
    assert manifest.input.shape == (1, 96, 96, 3)
    assert manifest.output.shape == (1, 3)
    assert {name: (op.version, op.count) for name, op in model.ops.items()} == {
        name: (op.version, op.count) for name, op in manifest.ops.items()
    }
    assert (manifest.calibration is not None) == (variant in ("int8", "int16x8"))


def test_the_pixel_contract_of_int8(export_folder: Path) -> None:
    model = read_tflite(export_folder / "int8.tflite")
    source, result = model.inputs[0], model.outputs[0]
    assert (source.dtype, source.scale, source.zero_point) == ("uint8", 1.0, 0)
    assert result.dtype == "float32"
    assert model.integer_only


def test_dynamic_range_states_the_runtime_it_needs(export_folder: Path) -> None:
    major, minor = (int(part) for part in read_manifest(export_folder / "dynamic.json").min_runtime.split(".")[:2])
    assert (major, minor) >= (2, 17)


def test_calibration_comes_from_the_train_split_in_equal_parts(export_folder: Path) -> None:
    rows = list(csv.DictReader((export_folder / "calibration.csv").read_text().splitlines()))
    train = {sample.path for sample in of_split(read_split(export_folder.parent / "split.csv"), "train")}
    assert {row["path"] for row in rows} <= train
    counts = [sum(row["label"] == label for row in rows) for label in read_labels(export_folder / "labels.txt")]
    assert counts == [4, 4, 4]
    manifest = read_manifest(export_folder / "int8.json")
    assert manifest.calibration is not None
    digest = hashlib.sha256((export_folder / "calibration.csv").read_bytes()).hexdigest()
    assert (manifest.calibration.count, manifest.calibration.sha256) == (12, digest)


def test_the_parity_pack_holds_the_test_split_and_keras_answers(export_folder: Path) -> None:
    from batikkit.network.model import load_model, predict_keras

    pack = read_parity_pack(export_folder / "parity.npz")
    test = of_split(read_split(export_folder.parent / "split.csv"), "test")
    assert set(pack.names) == {sample.path for sample in test}
    images = np.stack(list(iter_images(pack)))
    answers = predict_keras(load_model(export_folder.parent / "model.keras"), images)
    assert np.abs(answers - pack.probabilities).max() < 1e-5


@pytest.mark.parametrize(("variant", "limit"), [("float32", 1e-4), ("float16", 1e-2)])
def test_float_variants_answer_like_keras(export_folder: Path, variant: str, limit: float) -> None:
    pack = read_parity_pack(export_folder / "parity.npz")
    answers = open_model(export_folder / f"{variant}.tflite").predict(np.stack(list(iter_images(pack))))
    assert np.abs(answers - pack.probabilities).max() < limit


@pytest.mark.parametrize("variant", VARIANTS)
def test_mediapipe_answers_as_the_exported_file_does(export_folder: Path, tmp_path: Path, variant: str) -> None:
    pixels = list(iter_images(read_parity_pack(export_folder / "parity.npz")))
    model = export_folder / f"{variant}.tflite"
    answered = classify(model, saved(tmp_path, pixels))
    labels = list(read_labels(export_folder / "labels.txt"))
    assert [[c["label"] for c in categories] for categories in answered["scores"]] == [labels] * len(pixels)
    ours = open_model(model).predict(np.stack(pixels))
    assert np.ptp(ours, axis=0).max() > 0.2, "the pictures must differ in their scores"
    assert np.abs(score_table(answered) - ours).max() < 0.02


def test_predict_ranks_the_motifs(
    export_folder: Path, stripes_for_training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = sorted((stripes_for_training / "across").glob("*.png"))[:2]
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        main(["predict", str(export_folder / "int8.tflite"), *map(str, images), "--json", "-", "--top", "2"])
    assert done.value.code == 0
    lines = json.loads(capsys.readouterr().out)["answers"]
    assert [line["image"] for line in lines] == [str(image) for image in images]
    scores = [guess["probability"] for guess in lines[0]["guesses"]]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)


def test_predict_without_a_model_takes_the_newest_run(
    export_folder: Path, stripes_for_training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = next(iter((stripes_for_training / "across").glob("*.png")))
    said = []
    for words in (
        [str(export_folder / "int8.tflite")],
        [str(export_folder)],
        ["--runs-dir", str(export_folder.parents[1])],
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            main(["predict", *words, str(image)])
        assert done.value.code == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] == said[2]


def test_labels_of_another_export_are_refused(
    export_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\n")
    image = next(iter((export_folder.parent / "plots").glob("*.png")))
    with pytest.raises(SystemExit) as refused:
        main(["predict", str(export_folder / "int8.tflite"), str(image), "--labels", str(tmp_path / "labels.txt")])
    assert refused.value.code == 2
    assert "3 outputs" in capsys.readouterr().err


def test_photographs_that_changed_are_refused(trained_run: Path, export_folder: Path, tmp_path: Path) -> None:
    from batikkit.errors import InputError
    from batikkit_exporters.calibration import draw_calibration

    rows = read_split(trained_run / "split.csv")
    with pytest.raises(InputError, match="--data"):
        draw_calibration(rows, root=tmp_path, image_size=96)
    first = of_split(rows, "train")[0]
    (tmp_path / first.label).mkdir()
    for row in rows:
        (tmp_path / row.sample.path).parent.mkdir(exist_ok=True)
        (tmp_path / row.sample.path).write_bytes(b"other")
    with pytest.raises(InputError, match="changed since training"):
        draw_calibration(rows, root=tmp_path, image_size=96)
    with pytest.raises(InputError, match="one photograph per motif"):
        draw_calibration(rows, root=tmp_path, image_size=96, size=2)


def test_calibration_without_anchors_is_caught(trained_run: Path, stripes_for_training: Path, tmp_path: Path) -> None:
    from batikkit.errors import VerificationError
    from batikkit.network.frozen_graph import freeze
    from batikkit.network.model import load_model
    from batikkit_exporters.convert import convert
    from batikkit_exporters.export.proof import prove_contract
    from batikkit_exporters.variants import VARIANTS as REGISTRY

    frozen = freeze(load_model(trained_run / "model.keras"))
    dim = [np.full((1, 96, 96, 3), value, np.float32) for value in (20, 150, 180)]
    path = tmp_path / "int8.tflite"
    path.write_bytes(convert(frozen, "int8", "int8", images=lambda: iter(dim)))
    with pytest.raises(VerificationError, match="input quantization"):
        prove_contract(path, REGISTRY["int8"], labels=("a", "b", "c"))
