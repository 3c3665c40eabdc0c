"""int8 files trained by tensorflow-model-optimization, and the ladder with and without it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_model_optimization")

from batikkit.data.split import of_split, read_split
from batikkit.errors import MissingExtraError
from batikkit.images import load_pixels
from batikkit.labels import read_labels
from batikkit.network.model import load_model
from batikkit.tflite.runtime import open_model
from batikkit_exporters.export.proof import prove_contract
from batikkit_exporters.ladder import run as ladder_run
from batikkit_exporters.quantization import tfmot_qat
from batikkit_exporters.source.loaded import LoadedNet
from batikkit_exporters.variants import find_variant

pytestmark = pytest.mark.slow


def _photographs(run: Path, data: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    names = read_labels(run / "labels.txt")
    samples = of_split(read_split(run / "split.csv"), split)
    pixels = np.stack([load_pixels(data / sample.path, 64) for sample in samples])
    return pixels, np.array([names.index(sample.label) for sample in samples], np.int64)


def test_the_file_takes_raw_pixels_in_integers_and_answers_near_the_float_model(
    short_run: Path, stripes_for_training: Path, tmp_path: Path
) -> None:
    model = load_model(short_run / "model.keras")
    before = [weight.copy() for weight in model.get_weights()]
    images, labels = _photographs(short_run, stripes_for_training, "train")
    steps: list[tuple[int, int]] = []
    content = tfmot_qat.train_qat(
        model, images, labels, epochs=1, learning_rate=1e-6, advance=lambda *step: steps.append(step)
    )
    assert steps == [(n, len(steps)) for n in range(1, -(-len(images) // tfmot_qat.BATCH) + 1)]
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)  # a copy was trained

    path = tmp_path / "tfmot.tflite"
    path.write_bytes(content)
    # Integer kernels only, uint8 pixels with quantization exactly (1, 0).
    facts = prove_contract(path, find_variant("int8-qat"), labels=read_labels(short_run / "labels.txt"))
    assert facts.integer_only
    assert "MUL" not in facts.ops

    seen, _ = _photographs(short_run, stripes_for_training, "test")
    seen = np.concatenate([seen, images])
    reference = model(seen.astype(np.float32), training=False).numpy()
    given = open_model(path).predict(seen)
    # A network of so few steps is undecided on some: what counts is that probabilities stay near.
    assert np.mean(given.argmax(axis=1) == reference.argmax(axis=1)) > 0.8
    assert np.abs(given - reference).mean() < 0.08


def test_a_missing_package_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_model_optimization", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'batikkit\[qat\]'"):
        tfmot_qat.load_tfmot()


def test_the_ladder_leaves_it_out_where_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    photographs = np.zeros((1, 96, 96, 3), np.uint8)
    foreign = LoadedNet(None, lambda images: images, 96, 3)
    told: list[str] = []
    assert ladder_run._tfmot(foreign, photographs, 0, told.append) is None
    assert told == []
    monkeypatch.setitem(sys.modules, "tensorflow_model_optimization", None)
    assert ladder_run._tfmot(replace(foreign, keras=object()), photographs, 0, told.append) is None
    assert len(told) == 1
    assert "batikkit[qat]" in told[0]
