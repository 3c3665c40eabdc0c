"""Writing TFLite metadata: the model stays the same, and MediaPipe, the real judge, reads it and agrees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit.errors import InputError
from batikkit.tflite.file import read_tflite, verify_tflite
from batikkit.tflite.metadata import read_metadata
from batikkit_exporters.metadata import ModelInfo, attach_metadata
from mediapipe_classifier import classify, saved, score_table

LABELS = ("kawung", "parang", "ceplok", "megamendung", "truntum")
INFO = ModelInfo(
    name="batik classifier",
    version="1",
    author="batikkit",
    license="Apache-2.0",
    description="five motifs",
    labels=LABELS,
    locale_labels={"id": tuple(f"batik {label}" for label in LABELS), "en": tuple(f"{x} motif" for x in LABELS)},
)
VARIANTS = ("float32", "float16", "dynamic", "int8")


def scores(model: Path, pixels: np.ndarray) -> np.ndarray:
    """LiteRT's probabilities, float32 [C], of one picture uint8 [H, W, 3]."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(model_path=str(model), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.set_tensor(source["index"], pixels[None].astype(source["dtype"]))
    interpreter.invoke()
    return np.array(interpreter.get_tensor(target["index"])[0])


def pictures(count: int, size: int) -> list[np.ndarray]:
    """uint8 [size, size, 3] coloured waves."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[:size, :size] * (96 / size)
    made = []
    for _ in range(count):
        a, b = rng.uniform(-0.7, 0.7, 2)
        wave = np.sin(a * x + b * y)[..., None] * rng.uniform(20, 120, 3) + rng.uniform(60, 190, 3)
        made.append(np.clip(wave, 0, 255).astype(np.uint8))
    return made


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_model_stays_the_same(tflite_models: Path, tmp_path: Path, variant: str) -> None:
    bare = tflite_models / f"{variant}.tflite"
    dressed = tmp_path / bare.name
    dressed.write_bytes(attach_metadata(bare.read_bytes(), info=INFO))
    before, after = read_tflite(bare), read_tflite(dressed)
    assert (after.tensors, after.ops, after.min_runtime) == (before.tensors, before.ops, before.min_runtime)
    assert set(after.metadata) == {*before.metadata, "TFLITE_METADATA"}
    assert all(after.metadata[name] == content for name, content in before.metadata.items())
    for pixels in pictures(3, 96):
        np.testing.assert_array_equal(scores(dressed, pixels), scores(bare, pixels))


@pytest.mark.parametrize("variant", VARIANTS)
def test_constants_stay_aligned_for_vector_instructions(tflite_models: Path, variant: str) -> None:
    dressed = attach_metadata((tflite_models / f"{variant}.tflite").read_bytes(), info=INFO)
    start = np.frombuffer(dressed, np.uint8).__array_interface__["data"][0]
    model, _ = verify_tflite(dressed, name="model")
    addresses = [b.array("data").__array_interface__["data"][0] for b in model.tables("buffers") if "data" in b]
    assert len(addresses) > 50
    assert {(address - start) % 16 for address in addresses if address >= start} == {0}


def test_attaching_twice_is_attaching_once(tflite_models: Path) -> None:
    bare = (tflite_models / "int8.tflite").read_bytes()
    once = attach_metadata(bare, info=INFO)
    assert attach_metadata(bare, info=INFO) == once
    assert attach_metadata(once, info=INFO) == once
    renamed = read_metadata(attach_metadata(once, info=replace(INFO, name="other", locale_labels={})))
    assert renamed is not None
    assert (renamed.name, renamed.locale_labels) == ("other", {})
    assert "labels_id.txt" not in renamed.files


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (replace(INFO, labels=LABELS[:4], locale_labels={}), "4 labels for"),
        (replace(INFO, locale_labels={"id": LABELS[:3]}), "3 id for"),
        (replace(INFO, labels=("", *LABELS[1:])), "empty or two-line"),
        (replace(INFO, labels=("a\nb", *LABELS[1:])), "empty or two-line"),
    ],
)
def test_labels_that_do_not_fit(tflite_models: Path, info: ModelInfo, said: str) -> None:
    with pytest.raises(InputError, match=said):
        attach_metadata((tflite_models / "int8.tflite").read_bytes(), info=info)


def test_models_that_are_no_classifiers(tflite_models: Path) -> None:
    for name in ("shapes", "recurrent"):
        with pytest.raises(InputError, match=r"one input and one output|not \[1, H, W, 3\]"):
            attach_metadata((tflite_models / f"others/{name}.tflite").read_bytes(), info=INFO)


def test_the_published_reader_agrees(tflite_models: Path, tmp_path: Path) -> None:
    """The generated code of the metadata schema reads what our own schema text wrote."""
    model = tmp_path / "model.tflite"
    model.write_bytes(attach_metadata((tflite_models / "int8.tflite").read_bytes(), info=INFO))
    assert classify(model, [])["metadata"] == {
        "name": "batik classifier",
        "rgb": True,
        "size": [96, 96],
        "mean": [0.0],
        "std": [1.0],
        "max": [255.0],
        "files": [["labels.txt", ""], ["labels_en.txt", "en"], ["labels_id.txt", "id"]],
        "labels": True,
    }


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_mediapipe_agrees(tflite_models: Path, tmp_path: Path, variant: str) -> None:
    """Pictures of the input's own size: MediaPipe's scores and labels are ours."""
    model = tmp_path / "model.tflite"
    model.write_bytes(attach_metadata((tflite_models / f"{variant}.tflite").read_bytes(), info=INFO))
    pixels = pictures(6, 96)
    answered = classify(model, saved(tmp_path, pixels), "--locale", "id")
    found = answered["scores"]
    ours = np.array([scores(model, picture) for picture in pixels])
    assert np.ptp(ours, axis=0).max() > 0.2, "the pictures must differ in their scores"
    assert [[c["label"] for c in categories] for categories in found] == [list(LABELS)] * len(pixels)
    assert found[0][1]["display"] == "batik parang"
    assert np.abs(score_table(answered) - ours).max() < 0.02


def mediapipe_resize(pixels: np.ndarray, size: int) -> np.ndarray:
    """What MediaPipe makes of a larger picture: uint8 [H, W, 3] to uint8 [size, size, 3].

    It warps corner onto corner (OpenCV `warpPerspective`): output pixel x samples input position x * W / size, off the
    usual place, between four neighbours in steps of 1/32 pixel, without averaging when it shrinks.
    """
    (top, below, y), (left, right, x) = (_neighbours(length, size) for length in pixels.shape[:2])
    real = pixels.astype(np.float64)
    upper = real[top][:, left] * (1 - x)[:, None] + real[top][:, right] * x[:, None]
    lower = real[below][:, left] * (1 - x)[:, None] + real[below][:, right] * x[:, None]
    return np.floor(upper * (1 - y)[:, None, None] + lower * y[:, None, None] + 0.5).astype(np.uint8)


def _neighbours(length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    position = np.arange(size) * length / size
    low = np.floor(position).astype(int)
    return low, np.minimum(low + 1, length - 1), np.rint((position - low) * 32) / 32


@pytest.mark.slow
@pytest.mark.parametrize("size", [240, 131])
def test_mediapipe_on_larger_pictures_differs_by_its_resize_alone(
    tflite_models: Path, tmp_path: Path, size: int
) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(attach_metadata((tflite_models / "float32.tflite").read_bytes(), info=INFO))
    large = pictures(6, size)
    theirs = score_table(classify(model, saved(tmp_path, large)))
    same_resize = np.array([scores(model, mediapipe_resize(picture, 96)) for picture in large])
    assert np.abs(theirs - same_resize).max() < 0.02
    averaged = [np.array(Image.fromarray(p).resize((96, 96), Image.Resampling.BILINEAR)) for p in large]
    ours = np.array([scores(model, picture) for picture in averaged])
    assert np.abs(theirs - ours).max() > 0.02, "no difference left: the explanation above is out of date"
