"""What of other people's models loads, row by row as docs/export.md lists it, and what is refused in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from striped import LABELS, SIDE, striped_network

from batikkit.cli import main
from batikkit.manifest import read_manifest
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.tflite.runtime import open_model

# Keras 3 saves its own variables in a way that NumPy 2 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning"),
]
ROOT = Path(__file__).resolve().parents[2]
NUMBERED = tuple(f"{number} {label}" for number, label in enumerate(LABELS))


def _keras() -> Any:
    from batikkit.network.keras_backend import keras

    return keras


def _export(
    model: Path, data: Path, capfd: pytest.CaptureFixture[str], *options: str, labels: tuple[str, ...] = LABELS
) -> tuple[int, list[str]]:
    """The exit code, and everything that was printed to standard error, by native code too."""
    listed = model.parent / "labels-of-it.txt"
    listed.write_text("".join(f"{label}\n" for label in labels))
    command = ["export", "--model", str(model), "--labels", str(listed), "--data", str(data)]
    capfd.readouterr()
    with pytest.raises(SystemExit) as done:
        main([*command, "--out", str(model.parent / "out"), "--calibration-size", "12", *options])
    return int(done.value.code or 0), capfd.readouterr().err.splitlines()


def _saved(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def _fixed_batch(folder: Path, data: Path) -> Path:
    keras = _keras()
    source = keras.Input(batch_shape=(8, SIDE, SIDE, 3))
    return _saved(striped_network(keras, source=source, taught=data), folder / "net.keras")


def _bytes_in(folder: Path, data: Path) -> Path:
    keras = _keras()
    source = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    return _saved(striped_network(keras, source=source, taught=data), folder / "net.keras")


def _bytes_in_saved_model(folder: Path, data: Path) -> Path:
    from batikkit.network.keras_backend import tf

    model = striped_network(_keras(), taught=data)
    spec = tf.TensorSpec((1, SIDE, SIDE, 3), tf.uint8, name="pixels")
    call = tf.function(lambda pixels: {"scores": model(tf.cast(pixels, tf.float32))}, input_signature=[spec])
    tracked = tf.Module()
    tracked.model = model
    tf.saved_model.save(tracked, str(folder / "net"), signatures={"serving_default": call})
    return folder / "net"


def _unnamed(folder: Path, data: Path) -> Path:
    import keras as keras3

    taught = striped_network(keras3, taught=data)
    model = keras3.Sequential([keras3.layers.Rescaling(1 / 127.5, offset=-1), *taught.layers[1:]])
    model(np.zeros((1, SIDE, SIDE, 3), np.float32))
    return _saved(model, folder / "net.keras")


def _augmented(folder: Path, data: Path) -> Path:
    keras = _keras()
    views = (keras.layers.RandomFlip(), keras.layers.RandomRotation(0.1), keras.layers.Rescaling(1 / 127.5, offset=-1))
    return _saved(striped_network(keras, before=views, taught=data), folder / "net.keras")


def _exported_by_keras3(folder: Path, data: Path) -> Path:
    import keras as keras3

    striped_network(keras3, taught=data).export(str(folder / "net"), verbose=False)
    return folder / "net"


def _inside(layer: Callable[[Any], Any]) -> Callable[[Path, Path], Path]:
    def made(folder: Path, _data: Path) -> Path:
        keras = _keras()
        return _saved(striped_network(keras, inside=(layer(keras.layers),)), folder / "net.keras")

    return made


def _mobilenet_v3(folder: Path, _data: Path) -> Path:
    keras = _keras()
    build = keras.applications.MobileNetV3Small
    model = build(input_shape=(64, 64, 3), alpha=0.75, minimalistic=True, weights=None, classes=3)
    return _saved(model, folder / "net.keras")


def _efficientnet_lite(folder: Path, _data: Path) -> Path:
    """Its block without squeeze and excitation: a wide convolution, a depthwise one, a narrow one, a residual sum."""
    keras = _keras()
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3))
    stem = layers.Conv2D(8, 3, strides=2, padding="same")(layers.Rescaling(1 / 127.0, offset=-127 / 128)(image))
    wide = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(48, 1, use_bias=False)(stem)))
    deep = layers.DepthwiseConv2D(5, padding="same", use_bias=False)(wide)
    narrow = layers.Conv2D(8, 1)(layers.ReLU(6.0)(layers.BatchNormalization()(deep)))
    pooled = layers.GlobalAveragePooling2D()(layers.Add()([stem, narrow]))
    return _saved(keras.Model(image, layers.Dense(3, activation="softmax")(pooled)), folder / "net.keras")


def _teachable(data: Path) -> Any:
    """As Teachable Machine builds it: one Sequential in another, fed -1..1 by its page."""
    keras = _keras()
    taught = striped_network(keras, taught=data)
    features = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *taught.layers[1:-1]])
    scores = keras.Sequential([keras.Input(features.output_shape[1:]), taught.layers[-1]])
    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), features, scores])


LOADS: dict[str, tuple[Callable[[Path, Path], Path], tuple[str, ...]]] = {
    "a fixed batch": (_fixed_batch, ("--int8",)),
    "uint8 input": (_bytes_in, ()),
    "uint8 input, SavedModel": (_bytes_in_saved_model, ()),
    "an unnamed Sequential": (_unnamed, ("--int8",)),
    "augmentation inside": (_augmented, ("--int8",)),
    "Keras 3's `model.export()`": (_exported_by_keras3, ("--int8",)),
    "a depth multiplier": (_inside(lambda layers: layers.DepthwiseConv2D(3, depth_multiplier=2)), ("--int8", "--keep")),
    "grouped convolutions": (_inside(lambda layers: layers.Conv2D(8, 3, groups=2)), ("--int8", "--keep")),
    "dense layers on a feature map": (_inside(lambda layers: layers.Dense(8)), ("--int8", "--keep")),
    "MobileNetV3": (_mobilenet_v3, ("--int8", "--keep")),
    "EfficientNet-Lite": (_efficientnet_lite, ("--int8", "--keep")),
    "Teachable Machine, `.h5`": (
        lambda folder, data: _saved(_teachable(data), folder / "net.h5"),
        ("--int8", "--input-range", "-1,1"),
    ),
    "Teachable Machine, SavedModel": (
        lambda folder, data: _saved(_teachable(data), folder / "net"),
        ("--int8", "--input-range", "-1,1"),
    ),
}


@pytest.mark.parametrize("row", LOADS)
def test_it_loads_and_answers_as_before(
    row: str, stripes_for_training: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, options = LOADS[row]
    labels = NUMBERED if "Teachable" in row else LABELS
    model = make(tmp_path, stripes_for_training)
    code, said = _export(model, stripes_for_training, capfd, "--float32", *options, labels=labels)
    # Untaught networks answer all photographs nearly alike: how int8 then decides between them proves nothing.
    assert code == 0 or "--keep" in options, said
    out = tmp_path / "out"
    pack = read_parity_pack(out / "parity.npz")
    answers = open_model(out / "float32.tflite").predict(np.stack(list(iter_images(pack))))
    assert np.abs(answers - pack.probabilities).max() < 1e-4
    if "--keep" not in options:
        assert np.ptp(answers, axis=0).max() > 0.1, "the pictures must differ in their scores"
        assert np.mean(pack.probabilities.argmax(axis=1) == pack.labels) > 0.8
    if "--int8" in options:
        manifest = read_manifest(out / "int8.json")
        assert manifest.integer_only
        assert ("converter" in manifest.method) == (row.startswith(("a depth", "grouped", "dense")))
    assert tuple((out / "labels.txt").read_text().splitlines()) == LABELS
    assert not [line for line in said if re.match(r"[WEI]\d{4}|.*(Traceback|warning)", line)], said


def test_the_page_lists_what_is_tested() -> None:
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    missing = [row for row in LOADS if f"| {row} |" not in page]
    assert not missing


def _without(name: str) -> Callable[[Path, Path], Path]:
    """A SavedModel with an operator that TensorFlow Lite has not."""

    def made(folder: Path, _data: Path) -> Path:
        from batikkit.network.keras_backend import tf

        def scores(pixels: Any) -> dict[str, Any]:
            mean = tf.reduce_mean(pixels, axis=(1, 2)) / 255
            if name == "Svd":
                return {"scores": tf.nn.softmax(tf.linalg.svd(tf.reduce_mean(pixels, 3), compute_uv=False)[:, :3])}
            return {"scores": tf.nn.softmax(tf.math.betainc(1.0, 2.0, tf.clip_by_value(mean, 0.0, 1.0)))}

        spec = tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32, name="pixels")
        call = tf.function(scores, input_signature=[spec])
        tf.saved_model.save(tf.Module(), str(folder / "net"), signatures={"serving_default": call})
        return folder / "net"

    return made


def _lambda(suffix: str) -> Callable[[Path, Path], Path]:
    def made(folder: Path, _data: Path) -> Path:
        ran = str(folder / "ran")
        keras = _keras()
        code = keras.layers.Lambda(lambda pixels: [pixels, Path(ran).touch()][0])
        path = _saved(striped_network(keras, before=(code,)), folder / f"net{suffix}")
        Path(ran).unlink()
        return path

    return made


def _weights_only(folder: Path, _data: Path) -> Path:
    striped_network(_keras()).save_weights(folder / "net.h5")
    return folder / "net.h5"


def _augmented_export(folder: Path, _data: Path) -> Path:
    import keras as keras3

    before = (keras3.layers.RandomFlip(), keras3.layers.Rescaling(1 / 127.5, offset=-1))
    striped_network(keras3, before=before).export(str(folder / "net"), verbose=False)
    return folder / "net"


def _network(**options: Any) -> Callable[[Path, Path], Path]:
    return lambda folder, _data: _saved(striped_network(_keras(), **options), folder / "net.keras")


def _damaged(folder: Path, _data: Path) -> Path:
    (folder / "net.keras").write_bytes(b"PK no model")
    return folder / "net.keras"


REFUSED: dict[str, tuple[Callable[[Path, Path], Path], tuple[str, ...], str]] = {
    "unsupported operator": (_without("Betainc"), ("--keep",), r".*no operator for Betainc.*"),
    "another one": (_without("Svd"), ("--keep",), r".*no operator for Svd.*"),
    "code in .h5": (_lambda(".h5"), (), r".*net\.h5 has a Lambda layer, which is code.*"),
    "code in .keras": (_lambda(".keras"), (), r".*net\.keras has a Lambda layer, which is code.*"),
    "weights alone": (_weights_only, (), r".*holds weights without their network.*model\.save\('net\.keras'\)"),
    "logits": (_network(activation=None), (), r".*does not end in softmax.*Softmax\(\).*"),
    "sigmoids": (_network(activation="sigmoid"), (), r".*sigmoids or the like.*softmax instead"),
    "no square": (_network(shape=(SIDE, 64, 3)), (), r".*fixed square input.*"),
    "augmentation in model.export()": (_augmented_export, (), r".*random state of its augmentation.*net\.keras.*"),
    "damaged": (_damaged, (), r".*is not a Keras model file.*"),
    "int16x8 of what is not known": (
        _inside(lambda layers: layers.Conv2D(8, 3, groups=2)),
        ("--keep", "--int16x8"),
        r".*int16x8 needs a network of operators that batikkit knows.*leave this variant out",
    ),
    "the ladder without a rung": (
        _inside(lambda layers: layers.Conv2D(8, 3, groups=2)),
        ("--keep", "--int8", "--target-drop", "1"),
        r".*nothing to climb by.*leave --target-drop out",
    ),
}


@pytest.mark.parametrize("row", REFUSED)
def test_it_is_refused_in_one_line(
    row: str, stripes_for_training: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, options, message = REFUSED[row]
    model = make(tmp_path, stripes_for_training)
    wanted = options if any(name in options for name in ("--int8", "--int16x8")) else (*options, "--float32")
    code, said = _export(model, stripes_for_training, capfd, *wanted)
    assert code == 2, said
    reports = ("exporting ", "the model is right on", "calibration: 12 photographs", "parity pack:")
    errors = [line for line in said if not line.startswith(reports)]
    assert len(errors) == 1, said
    assert re.fullmatch(message, errors[0]), errors[0]
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "ran").exists(), "code of the file ran"


WRONG: dict[str, tuple[Callable[[Path], dict[str, Any]], tuple[str, ...], str]] = {
    "trained on -1..1": (
        lambda _: {"before": ()},
        LABELS,
        r".*fed -1\.\.1 it is right on 100%: .*--input-range -1,1.*",
    ),
    "trained on 0..1": (
        lambda _: {"before": (_keras().layers.Rescaling(2.0, offset=-1),)},
        LABELS,
        r".*fed 0\.\.1 it is right on 100%: .*--input-range 0,1.*",
    ),
    "labels in another order": (
        lambda _: {},
        ("upright", "across", "diagonal"),
        r".*labels in the order across, diagonal, upright it is right on 100%: correct the label file.*",
    ),
    "untaught": (lambda _: {"taught": None}, LABELS, r".*no more than chance among 3 motifs.*"),
}


@pytest.mark.parametrize("row", WRONG)
def test_wrong_use_is_diagnosed_and_nothing_is_written(
    row: str, stripes_for_training: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options, labels, message = WRONG[row]
    network = striped_network(_keras(), **{"taught": stripes_for_training, **options(stripes_for_training)})
    model = _saved(network, tmp_path / "net.keras")
    code, said = _export(model, stripes_for_training, capfd, "--float32", labels=labels)
    assert code == 1, said
    assert re.fullmatch(message, said[-1]), said[-1]
    assert len(said) == 2, said
    assert not (tmp_path / "out").exists()
    if "--input-range" in said[-1]:
        found = re.search(r"--input-range ([-\d.]+,[\d.]+)", said[-1])
        assert found is not None
        code, said = _export(model, stripes_for_training, capfd, "--float32", "--int8", "--input-range", found[1])
        assert code == 0, said
        pack = read_parity_pack(tmp_path / "out/parity.npz")
        answers = open_model(tmp_path / "out/int8.tflite").predict(np.stack(list(iter_images(pack))))
        assert np.mean(answers.argmax(axis=1) == pack.labels) > 0.8, "the scaling is part of the file"


def test_colours_the_other_way_round_are_told_from_scaling() -> None:
    """Stripes have no colour to tell them by; a network that looks at red alone has."""
    from batikkit_exporters.export.diagnosis import diagnose
    from batikkit_exporters.source.loaded import LoadedNet

    rng = np.random.default_rng(0)
    truth = np.arange(60) % 2
    images = rng.integers(0, 60, (60, 32, 32, 3)).astype(np.uint8)
    images[truth == 1, :, :, 0] += 150
    images[truth == 0, :, :, 2] += 150

    def answer(fed: np.ndarray) -> np.ndarray:
        blue_first = fed[..., 2].mean(axis=(1, 2)) > 0.3  # red is the last channel, of 0..1
        return np.stack([1.0 - blue_first, blue_first], axis=1).astype(np.float32)

    found = diagnose(LoadedNet(None, answer, 32, 2), images, truth, labels=("a", "b"))
    assert found.better.startswith("fed 0..1 in BGR it is right on 100%")
    right = diagnose(LoadedNet(None, lambda fed: answer(fed[..., ::-1] / 255), 32, 2), images, truth, labels=("a", "b"))
    assert (right.right, right.better, right.no_better_than_chance) == (60, "", False)
