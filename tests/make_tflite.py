"""Makes small but real `.tflite` files: run as `python make_tflite.py FOLDER`, needs TensorFlow.

FOLDER gets one classifier (MobileNetV2, alpha 0.35, 96 px, 5 classes, seeded random weights) as float32, float16,
dynamic and int8 (uint8 in, float32 out), and FOLDER/others files with as many other operators as is
cheap, for the claim that every valid file is accepted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

SIZE = 96
CLASSES = 5


def images(count: int, *, seed: int) -> np.ndarray:
    """float32 [count, SIZE, SIZE, 3], 0..255: coloured waves."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    made = []
    for _ in range(count):
        a, b = rng.uniform(-0.7, 0.7, 2)
        wave = np.sin(a * x + b * y)[..., None] * rng.uniform(20, 120, 3) + rng.uniform(60, 190, 3)
        made.append(np.clip(wave + rng.normal(0, 8, wave.shape), 0, 255))
    return np.array(made, np.float32)


def classifier() -> keras.Model:
    keras.utils.set_random_seed(7)
    source = keras.Input(batch_shape=(1, SIZE, SIZE, 3))
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(source)
    backbone = keras.applications.MobileNetV2(
        input_tensor=scaled, alpha=0.35, weights=None, include_top=False, pooling="avg"
    )
    settle(backbone)
    features = backbone.predict(images(24, seed=1), batch_size=1, verbose=0)
    kernel = np.random.default_rng(6).normal(size=(features.shape[1], CLASSES))
    # Logits of mean 0 and deviation 2, so that the pictures get different scores.
    kernel *= 2 / (features @ kernel).std(axis=0)
    head = keras.layers.Dense(CLASSES, activation="softmax")
    model = keras.Model(source, head(backbone.output))
    head.set_weights([kernel, -features.mean(axis=0) @ kernel])
    return model


def settle(backbone: keras.Model) -> None:
    """Batch statistics of real inputs, as training leaves them: without, every picture gets the same scores."""
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.8
    for picture in images(24, seed=1):
        backbone(picture[None], training=True)


def frozen(function: Callable[..., Any], *shapes: tuple[int | None, ...]) -> Any:
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return convert_variables_to_constants_v2(tf.function(function).get_concrete_function(*specs))


def convert(graph: Any, kind: str, shape: tuple[int, ...]) -> bytes:
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind in ("int8", "int8-io", "int16x8"):
        sets = tf.lite.OpsSet
        converter.representative_dataset = lambda: calibration(shape)
        converter.target_spec.supported_ops = [
            sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            if kind == "int16x8"
            else sets.TFLITE_BUILTINS_INT8
        ]
    if kind == "int8":
        converter.inference_input_type = tf.uint8
    if kind == "int8-io":
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def calibration(shape: tuple[int, ...]) -> Iterator[list[np.ndarray]]:
    yield [np.zeros(shape, np.float32)]
    yield [np.full(shape, 255, np.float32)]
    if shape == (1, SIZE, SIZE, 3):
        yield from ([picture[None]] for picture in images(8, seed=2))


def other_graphs() -> dict[str, tuple[Callable[..., Any], tuple[int | None, ...]]]:
    """Functions and input shapes that between them use many operators, dynamic shapes and several graphs."""
    kernel = tf.constant(np.random.default_rng(3).normal(0, 0.2, (3, 3, 4, 8)).astype(np.float32))
    deep = tf.constant(np.random.default_rng(4).normal(0, 0.2, (3, 3, 4, 2)).astype(np.float32))
    up = tf.constant(np.random.default_rng(5).normal(0, 0.2, (3, 3, 6, 4)).astype(np.float32))

    def convolutions(x: Any) -> Any:
        a = tf.nn.conv2d(x, kernel, 2, "VALID")
        b = tf.nn.depthwise_conv2d(x, deep, (1, 2, 2, 1), "VALID")
        joined = tf.concat([tf.nn.relu6(a), tf.nn.leaky_relu(b), tf.nn.sigmoid(a)], axis=-1)
        return tf.nn.avg_pool2d(joined, 3, 1, "SAME") + tf.nn.max_pool2d(joined, 2, 1, "SAME")

    def shapes(x: Any) -> Any:
        left, right = tf.split(tf.transpose(x, (0, 2, 1, 3)), 2, axis=3)
        wide = tf.nn.depth_to_space(tf.concat([left, right], 3), 2)
        padded = tf.pad(wide, [[0, 0], [1, 1], [2, 0], [0, 0]])
        resized = tf.image.resize(padded, (7, 9))
        sliced = resized[:, 1:6:2, ::-1, 0]
        return tf.reduce_max(tf.stack([sliced, tf.square(sliced)], 1), axis=[1]), tf.argmax(sliced, -1), tf.shape(x)

    def deconvolution(x: Any) -> Any:
        return tf.nn.conv2d_transpose(x, up, (1, 16, 16, 6), 2, "SAME")

    def loop(x: Any) -> Any:
        return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.tanh(y) * 2.0), (tf.constant(0), x))[1]

    def branch(x: Any) -> Any:
        return tf.cond(tf.reduce_sum(x) > 0.0, lambda: tf.exp(x), lambda: -x)

    def dynamic(x: Any) -> Any:
        flat = tf.reshape(x, (tf.shape(x)[0], -1))
        return tf.nn.softmax(tf.matmul(flat, tf.ones((4 * 4 * 4, 3))))

    def gathered(x: Any) -> Any:
        return tf.gather(tf.nn.top_k(tf.reshape(x, (16, 4)), 2).values, [1, 0], axis=1), tf.cast(x > 0.0, tf.int32)

    rnn = keras.layers.LSTM(5)
    grid = (1, 8, 8, 4)
    return {
        "convolutions": (convolutions, grid),
        "shapes": (shapes, grid),
        "deconvolution": (deconvolution, grid),
        "loop": (loop, (1, 4)),
        "branch": (branch, (1, 4)),
        "dynamic": (dynamic, (None, 4, 4, 4)),
        "gathered": (gathered, (1, 4, 4, 4)),
        "recurrent": (rnn, (1, 6, 3)),
    }


class Counter(tf.Module):
    """State, which the format keeps in resources filled by a graph of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.total = tf.Variable(tf.zeros((1, 4)))

    @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32)])
    def add(self, x: Any) -> Any:
        return self.total.assign_add(x) * 1.0


def convert_stateful() -> bytes:
    counter = Counter()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([counter.add.get_concrete_function()], counter)
    converter.experimental_enable_resource_variables = True
    return converter.convert()


def main(folder: Path) -> None:
    others = folder / "others"
    others.mkdir(parents=True)
    shape = (1, SIZE, SIZE, 3)
    graph = frozen(classifier(), shape)
    for kind in ("float32", "float16", "dynamic", "int8"):
        (folder / f"{kind}.tflite").write_bytes(convert(graph, kind, shape))
    for kind in ("int8-io", "int16x8"):
        (others / f"classifier-{kind}.tflite").write_bytes(convert(graph, kind, shape))
    for name, (function, shape) in other_graphs().items():
        (others / f"{name}.tflite").write_bytes(convert(frozen(function, shape), "float32", shape))
    (others / "stateful.tflite").write_bytes(convert_stateful())
    for name in ("convolutions", "deconvolution"):
        function, shape = other_graphs()[name]
        (others / f"{name}-int8.tflite").write_bytes(convert(frozen(function, shape), "int8", shape))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
