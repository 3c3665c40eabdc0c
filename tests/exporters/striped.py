"""A small network that was really taught to tell stripes apart, in either Keras, for tests of what is exported."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 48
LABELS = ("across", "diagonal", "upright")


def striped_network(
    keras: Any,
    *,
    hidden: str = "relu",
    activation: str | None = "softmax",
    shape: tuple[int, ...] = (SIDE, SIDE, 3),
    before: tuple[Any, ...] | None = None,
    source: Any = None,
    inside: tuple[Any, ...] = (),
    taught: Path | None = None,
) -> Any:
    """A classifier of 3 classes over raw pixels.

    Args:
        keras: Either generation.
        hidden: Activation of its first layer.
        activation: Of its last.
        shape: Of its input.
        before: Layers in the place of its scaling to -1..1.
        source: An input layer of one's own.
        inside: Layers behind the first ones, which change no shape.
        taught: Photographs that it has learned from; None leaves it untaught.
    """
    keras.utils.set_random_seed(3)
    layers = keras.layers
    scaling = before if before is not None else (layers.Rescaling(1 / 127.5, offset=-1),)
    model = keras.Sequential(
        [
            keras.Input(shape) if source is None else source,
            *scaling,
            layers.Conv2D(8, 5, strides=2, activation=hidden, name="edges"),
            layers.DepthwiseConv2D(3, padding="same", activation="relu", name="each"),
            *inside,
            layers.Conv2D(24, 3, strides=2, activation="relu", name="mixed"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation=activation, name="scores"),
        ]
    )
    if taught is not None:
        weights = _taught(taught, hidden)
        for name in ("edges", "each", "mixed", "scores"):
            model.get_layer(name).set_weights(weights[name])
    return model


@functools.cache
def _taught(folder: Path, hidden: str) -> dict[str, list[np.ndarray]]:
    """Weights by layer, after some seconds of training on all the photographs."""
    from batikkit.network.keras_backend import keras

    images, labels = photographs(folder)
    model = striped_network(keras, hidden=hidden)
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in range(6):
        model.fit(images.astype(np.float32), labels, batch_size=12, epochs=20, verbose=0)
        if model.evaluate(images.astype(np.float32), labels, verbose=0)[1] == 1.0:
            break
    assert model.evaluate(images.astype(np.float32), labels, verbose=0)[1] >= 0.97
    return {layer.name: layer.get_weights() for layer in model.layers}


def photographs(folder: Path, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """All of them, uint8 [N, S, S, 3], and their labels int64 [N]."""
    from batikkit.images import load_pixels

    files = sorted(folder.glob("*/*.png"))
    labels = np.array([LABELS.index(file.parent.name) for file in files], np.int64)
    return np.stack([load_pixels(file, side) for file in files]), labels
