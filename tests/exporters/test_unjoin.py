"""A dense layer that reads means of several depths becomes one for each depth: the same answers, nearer in integers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from striped import SIDE, photographs

from batikkit.tflite.file import read_tflite
from batikkit.tflite.runtime import open_model
from batikkit_exporters.convert import convert
from batikkit_exporters.network.network import Network
from batikkit_exporters.network.read import read_network
from batikkit_exporters.network.write import write_network
from batikkit_exporters.quantization.observation import observe
from batikkit_exporters.quantization.quantize import quantize
from batikkit_exporters.quantization.ranges import lay_grids
from batikkit_exporters.quantization.rounding import round_weights
from batikkit_exporters.quantization.twin import compiled
from batikkit_exporters.quantization.unjoin import unjoin

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]


LARGE = 50.0
"""So many times as large as the others is what the first 12 weights of a classifier read."""


@pytest.fixture(scope="module")
def images(stripes_for_training: Path) -> np.ndarray:
    return photographs(stripes_for_training)[0]


def _network(head: Any, *, depths: int) -> Network:
    """A small backbone whose means of several depths `head(keras.layers, parts)` reads."""
    from batikkit.network.frozen_graph import freeze
    from batikkit.network.keras_backend import keras

    keras.utils.set_random_seed(9)
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3))
    seen, parts = layers.Rescaling(1 / 127.5, offset=-1)(image), []
    for channels in (8, 12, 16)[-depths:]:
        seen = layers.Conv2D(channels, 3, strides=2, activation="relu")(seen)
        parts.append(layers.GlobalAveragePooling2D()(seen))
    model = keras.Model(image, layers.Softmax()(head(layers, parts)))
    kernel = model.weights[-2]
    kernel.assign(kernel * np.where(np.arange(len(kernel.numpy())) < 12, 4.0 / LARGE, 4.0)[:, None])
    return read_network(convert(freeze(model)), name="joined")


def _joined(layers: Any, parts: list[Any]) -> Any:
    return layers.Concatenate()([layers.Rescaling(LARGE)(parts[0]), *parts[1:]])


def _kinds(network: Network) -> Counter[str]:
    return Counter(node.kind for node in network.nodes)


def _same(network: Network, other: Network, images: np.ndarray) -> bool:
    answers = [compiled(net)(images.astype(np.float32)) for net in (network, other)]
    return float(np.abs(answers[0] - answers[1]).max()) < 1e-5


def _error(network: Network, exact: np.ndarray, images: np.ndarray, path: Path) -> float:
    grids = lay_grids(network, observe(network, images), method="mse")
    rounded = round_weights(network, grids, images)
    path.write_bytes(quantize(rounded.network, grids, scales=rounded.scales))
    assert read_tflite(path).integer_only
    return float(np.abs(open_model(path).predict(images) - exact).mean())


def test_weights_of_unlike_size_no_longer_share_a_scale(images: np.ndarray, tmp_path: Path) -> None:
    joined = _network(lambda layers, parts: layers.Dense(3)(_joined(layers, parts)), depths=2)
    apart = unjoin(joined)
    assert _kinds(joined) - _kinds(apart) == Counter(CONCATENATION=1)
    assert _kinds(apart) - _kinds(joined) == Counter(FULLY_CONNECTED=1, ADD=1)
    assert _same(joined, apart, images)
    exact = compiled(joined)(images.astype(np.float32))
    before, after = (_error(net, exact, images, tmp_path / f"{i}.tflite") for i, net in enumerate((joined, apart)))
    assert after < before / 5


def test_three_parts_and_an_activation_add_up_to_the_same(images: np.ndarray, tmp_path: Path) -> None:
    joined = _network(lambda layers, parts: layers.Dense(5, activation="relu")(_joined(layers, parts)), depths=3)
    apart = unjoin(joined)
    assert _kinds(apart)["FULLY_CONNECTED"] == 3
    assert _kinds(apart)["ADD"] == 2
    assert _same(joined, apart, images)
    (tmp_path / "float.tflite").write_bytes(write_network(apart))
    written = open_model(tmp_path / "float.tflite").predict(images)
    assert np.abs(written - compiled(joined)(images.astype(np.float32))).max() < 1e-5
    wide = lay_grids(apart, observe(apart, images), wide=frozenset(node.outputs[0] for node in apart.nodes))
    (tmp_path / "int16x8.tflite").write_bytes(quantize(apart, wide))
    said = open_model(tmp_path / "int16x8.tflite").predict(images)
    assert np.abs(said - written).max() < 0.05, "16-bit sums are told that their scales are no powers of two"


def test_two_layers_that_read_the_same_are_both_taken_apart(images: np.ndarray) -> None:
    def two(layers: Any, parts: list[Any]) -> Any:
        means = _joined(layers, parts)
        return layers.Dense(3)(means) + layers.Dense(3, activation="relu")(means)

    joined = _network(two, depths=2)
    apart = unjoin(joined)
    assert _kinds(joined) - _kinds(apart) == Counter(CONCATENATION=1)
    assert _kinds(apart)["FULLY_CONNECTED"] == 4
    assert _same(joined, apart, images)


def test_what_is_not_joined_for_dense_layers_alone_stays(images: np.ndarray) -> None:
    def two_readers(layers: Any, parts: list[Any]) -> Any:
        means = _joined(layers, parts)
        return layers.Dense(3)(means) + layers.Dense(3, use_bias=True)(layers.ReLU()(means - 0.1))

    for head in (two_readers, lambda layers, parts: layers.Dense(3)(parts[0]) + layers.Dense(3)(parts[1])):
        network = _network(head, depths=2)
        assert unjoin(network).nodes == network.nodes
    assert _same(unjoin(network), network, images)
