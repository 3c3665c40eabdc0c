"""Variants whose weights are trained for the way they are stored, made from a real run."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from batikkit.cli import main
from batikkit.manifest import read_manifest
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.tflite.file import read_tflite
from batikkit.tflite.runtime import open_model
from batikkit_exporters.export.proof import gzip_bytes
from batikkit_exporters.network.network import Network
from batikkit_exporters.network.read import read_network
from batikkit_exporters.quantization.compression import CLUSTERS, SPARSITY, compressible

pytestmark = pytest.mark.slow
NAMES = ("float32", "int8-qat", "pruned", "clustered")


@pytest.fixture(scope="module")
def folder(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("trained") / trained_run.name
    shutil.copytree(trained_run, run, ignore=shutil.ignore_patterns("export"))
    with pytest.raises(SystemExit) as done:
        main(["export", str(run), *(f"--{name}" for name in NAMES), "--calibration-size", "12"])
    assert done.value.code == 0
    return run / "export"


def _network(folder: Path, name: str) -> Network:
    return read_network((folder / f"{name}.tflite").read_bytes(), name=name)


def _large_weights(folder: Path, name: str) -> list[np.ndarray]:
    network = _network(folder, name)
    return [np.asarray(network.constant(index)) for index in compressible(network)]


def _answers(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    pack = read_parity_pack(folder / "parity.npz")
    given = open_model(folder / f"{name}.tflite").predict(np.stack(list(iter_images(pack))))
    return given, pack.probabilities


def test_half_of_the_larger_layers_weights_are_zero(folder: Path) -> None:
    pruned, original = _large_weights(folder, "pruned"), _large_weights(folder, "float32")
    assert len(pruned) == len(original) > 20
    assert max(np.mean(weights == 0) for weights in original) < 0.1
    zeros, size = sum(np.sum(weights == 0) for weights in pruned), sum(weights.size for weights in pruned)
    assert zeros / size == pytest.approx(SPARSITY, abs=0.01)


def test_larger_layers_hold_few_distinct_values(folder: Path) -> None:
    distinct = [len(np.unique(weights)) for weights in _large_weights(folder, "clustered")]
    assert len(distinct) > 20
    assert max(distinct) <= CLUSTERS
    assert min(len(np.unique(weights)) for weights in _large_weights(folder, "float32")) > CLUSTERS


@pytest.mark.parametrize(("name", "share"), [("pruned", 0.7), ("clustered", 0.35)])
def test_they_download_smaller(folder: Path, name: str, share: float) -> None:
    manifest, path = read_manifest(folder / f"{name}.json"), folder / f"{name}.tflite"
    assert manifest.gzip_bytes == gzip_bytes(path.read_bytes())
    assert manifest.gzip_bytes < share * gzip_bytes((folder / "float32.tflite").read_bytes())


@pytest.mark.parametrize("name", ["pruned", "clustered"])
def test_they_need_no_other_runtime_than_float32(folder: Path, name: str) -> None:
    manifest, float32 = read_manifest(folder / f"{name}.json"), read_manifest(folder / "float32.json")
    assert (manifest.ops, manifest.min_runtime) == (float32.ops, float32.min_runtime)
    assert "distillation" in manifest.method


@pytest.mark.parametrize("name", ["pruned", "clustered"])
def test_training_moved_what_it_kept(folder: Path, name: str) -> None:
    """Weights that only were cut or grouped would leave every bias as it was."""
    before, after = _network(folder, "float32"), _network(folder, name)
    pairs = [
        (np.asarray(a.constant(x.inputs[2])), np.asarray(b.constant(y.inputs[2])))
        for a, b in [(before, after)]
        for x, y in zip(a.nodes, b.nodes, strict=True)
        if x.kind == "CONV_2D"
    ]
    assert all(np.abs(x - y).max() > 0 for x, y in pairs)
    given, reference = _answers(folder, name)
    assert np.isfinite(given).all()
    np.testing.assert_allclose(given.sum(axis=1), 1, atol=1e-5)
    assert given.shape == reference.shape


@pytest.mark.parametrize("name", ["int8-qat", "pruned", "clustered"])
def test_they_name_the_photographs_that_steered_them(folder: Path, name: str) -> None:
    calibration = read_manifest(folder / f"{name}.json").calibration
    assert calibration is not None
    assert calibration.sha256 == hashlib.sha256((folder / "calibration.csv").read_bytes()).hexdigest()


def test_int8_qat_is_integer_only_and_agrees(folder: Path) -> None:
    model = read_tflite(folder / "int8-qat.tflite")
    assert model.integer_only
    assert (model.inputs[0].dtype, model.inputs[0].scale, model.inputs[0].zero_point) == ("uint8", 1.0, 0)
    given, reference = _answers(folder, "int8-qat")
    assert (given.argmax(axis=1) == reference.argmax(axis=1)).all()
    assert np.abs(given - reference).max() < 0.15
