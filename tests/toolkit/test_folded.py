"""Frozen batch normalization folded into convolutions: the same values and the same gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from batikkit.config import load_config
from batikkit.network import model
from batikkit.network.keras_backend import keras, tf
from batikkit.training.folded import folded

CONFIG = load_config("smoke")


@pytest.mark.parametrize("start", ["image", "block_10_project_BN"])
def test_values_and_gradients_are_those_of_keras(weights_035: Path, start: str) -> None:
    net = model.build_model(CONFIG, classes=3, weights=weights_035)
    body = keras.Model(net.get_layer(start).output, net.get_layer(model.POOL).output)
    kernels = [layer.weights[0] for layer in body.layers if "Conv2D" in type(layer).__name__]
    assert len(kernels) > 15
    rng = np.random.default_rng(4)
    shape = (2, *body.input.shape[1:])
    inputs = tf.constant(rng.uniform(0, 255, shape) if start == "image" else rng.normal(size=shape), tf.float32)
    weighted = tf.constant(rng.normal(size=1280), tf.float32)

    found = []
    for call in (lambda x: body(x, training=False), folded(net, start=start, end=model.POOL)):
        with tf.GradientTape() as tape:
            tape.watch(kernels)
            pooled = call(inputs)
            loss = tf.reduce_sum(pooled * weighted)
        found.append([pooled.numpy(), *(gradient.numpy() for gradient in tape.gradient(loss, kernels))])
    for keras_says, ours in zip(*found, strict=True):
        assert np.abs(keras_says).max() > 0
        np.testing.assert_allclose(ours, keras_says, atol=1e-3 * np.abs(keras_says).max())


def test_biases_and_normalization_without_a_convolution() -> None:
    keras.utils.set_random_seed(2)
    image = keras.Input((6, 6, 3))
    x = keras.layers.BatchNormalization()(image)
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", bias_initializer="random_normal")(x)
    x = keras.layers.BatchNormalization(gamma_initializer="random_normal", beta_initializer="random_normal")(x)
    x = keras.layers.ReLU(6.0)(x)
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, bias_initializer="random_normal")(x)
    x = keras.layers.BatchNormalization(gamma_initializer="random_normal", moving_mean_initializer="random_normal")(x)
    body = keras.Model(image, keras.layers.Conv2D(2, 1)(x))
    ours = folded(body, start=body.layers[0].name, end=body.layers[-1].name)
    inputs = np.random.default_rng(1).normal(size=(3, 6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(ours(inputs), body(inputs, training=False), rtol=1e-5, atol=1e-6)
