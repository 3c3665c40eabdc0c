"""The stem, first blocks and last convolution of MobileNetV2, for tests that build and train it dozens of times.

What they ask of a training is the same for 3 blocks as for 17, while building, tracing and converting take a time that
grows with the layers. Everything else, the numbering of layers and the places where it can be cut, is as in the whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from batikkit.settings import TrainConfig

FROZEN_LAYERS = 20
"""The end of block 1, where the network can be cut, lies below: fine-tuning trains a block and the last convolution."""

TAUGHT = (
    "image_size=64", "frozen_layers=-1", "batch_norm_frozen=false", "phase1_epochs=0", "phase2_epochs=40",
    "phase2_learning_rate=3e-3", "early_stopping_patience=0", "monitor=last",
)  # fmt: skip
"""Settings with which it learns stripes from a few photographs, in seconds."""


def shorten() -> Any:
    """From now on `mobilenet-v2` is the short one in this process, which takes no weights; returns the whole one."""
    from batikkit.network.backbones import BACKBONES

    whole = BACKBONES["mobilenet-v2"]
    BACKBONES["mobilenet-v2"] = dataclasses.replace(whole, features=_features)
    return whole


@contextmanager
def shortened() -> Iterator[None]:
    """The same within the block."""
    from batikkit.network.backbones import BACKBONES

    whole = shorten()
    try:
        yield
    finally:
        BACKBONES["mobilenet-v2"] = whole


def _features(scaled: Any, config: TrainConfig, weights: object) -> Any:
    from batikkit.network.initial import initialise
    from batikkit.network.keras_backend import keras

    assert str(weights) == "none"
    layers = keras.layers
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="Conv1")(scaled)
    x = layers.ReLU(6.0, name="Conv1_relu")(layers.BatchNormalization(name="bn_Conv1")(x))
    x = _block(x, "expanded_conv", filters=8, expanded=0, stride=1)
    x = _block(x, "block_1", filters=8, expanded=48, stride=2)
    x = _block(x, "block_2", filters=8, expanded=48, stride=1)
    x = layers.Conv2D(1280, 1, use_bias=False, name="Conv_1")(x)
    x = layers.ReLU(6.0, name="out_relu")(layers.BatchNormalization(name="Conv_1_bn")(x))
    initialise(keras.Model(scaled, x).layers, config.seed)
    return x


def _block(source: Any, name: str, *, filters: int, expanded: int, stride: int) -> Any:
    from batikkit.network.keras_backend import keras

    layers, x = keras.layers, source
    if expanded:
        x = layers.Conv2D(expanded, 1, use_bias=False, name=f"{name}_expand")(x)
        x = layers.ReLU(6.0, name=f"{name}_expand_relu")(layers.BatchNormalization(name=f"{name}_expand_BN")(x))
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(layers.BatchNormalization(name=f"{name}_depthwise_BN")(x))
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(x)
    x = layers.BatchNormalization(name=f"{name}_project_BN")(x)
    if stride == 1 and source.shape[-1] == filters:
        x = layers.Add(name=f"{name}_add")([source, x])
    return x
