"""Builds a small but real export folder: run as `python make_export.py FOLDER`, needs TensorFlow.

MobileNetV2 (alpha 0.35, 96 px) with seeded random backbone weights and a head fitted in closed form to striped
pictures: no training, so it is quick; yet it classifies, and its int8 version differs from the float one as usual.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf
import tf_keras as keras

from batikkit.labels import labels_sha256, write_labels
from batikkit.manifest import InputSpec, Manifest, OpUse, OutputSpec, write_manifest
from batikkit.network import frozen_graph
from batikkit.parity_pack import write_parity_pack

SIZE = 96
LABELS = ("across", "diagonal", "upright")


def stripes(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [count, SIZE, SIZE, 3] noisy stripes and int64 [count] directions."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    phases = (y, x + y, x)
    labels = np.arange(count) % len(LABELS)
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for index, label in enumerate(labels):
        wave = 127 + rng.uniform(40, 90) * np.sin(phases[label] / rng.uniform(2, 4) + rng.uniform(0, 6))
        tint = rng.uniform(0.55, 0.95, 3)
        tint[label] = 1.0  # direction alone is beyond a random backbone; its dye gives the motif away
        pixels = wave[..., None] * tint + rng.normal(0, 30, (SIZE, SIZE, 3))
        images[index] = np.clip(pixels, 0, 255)
    return images, labels.astype(np.int64)


def build_model(images: np.ndarray, labels: np.ndarray) -> keras.Model:
    keras.utils.set_random_seed(7)
    source = keras.Input((SIZE, SIZE, 3), batch_size=None, name="image")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(source)
    backbone = keras.applications.MobileNetV2(input_tensor=scaled, alpha=0.35, include_top=False, weights=None)
    # Random features of the deepest blocks are chaotic; those of the first six still tell dyes apart.
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.get_layer("block_5_add").output)
    backbone = keras.Model(source, pooled)
    # Batch statistics of real inputs, as training would leave them: without them random weights saturate.
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
    for _ in range(12):
        backbone(images[:96].astype(np.float32), training=True)
    features = backbone.predict(images.astype(np.float32), verbose=0)
    centred = np.hstack([features, np.ones((len(features), 1))])
    target = 8.0 * np.eye(len(LABELS))[labels] - 4.0
    weights = np.linalg.solve(centred.T @ centred + 0.01 * np.eye(centred.shape[1]), centred.T @ target)
    head = keras.layers.Dense(len(LABELS), activation="softmax", name="prediction")
    model = keras.Model(source, head(backbone.output))
    head.set_weights([weights[:-1].astype(np.float32), weights[-1].astype(np.float32)])
    return model


def convert(model: keras.Model, variant: str, images: np.ndarray) -> bytes:
    converter = frozen_graph.converter(frozen_graph.freeze(model))  # Keras' own way takes several times as long
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == "int8":
        anchors = [np.full((SIZE, SIZE, 3), value, np.uint8) for value in (0, 255)]
        samples = [*images[:60], *anchors]
        converter.representative_dataset = lambda: ([s[None].astype(np.float32)] for s in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
    return bytes(converter.convert())


def manifest(variant: str, content: bytes) -> Manifest:
    import hashlib

    quantized = variant == "int8"
    return Manifest(
        run_id="stripes",
        variant=variant,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        input=InputSpec(
            "image", (1, SIZE, SIZE, 3), "uint8" if quantized else "float32", 1.0 if quantized else None, 0
        ),
        output=OutputSpec("prediction", (1, len(LABELS)), "float32", None, None),
        labels_sha256=labels_sha256(LABELS),
        ops={"CONV_2D": OpUse(3, 35)},
        min_runtime="1.14.0",
        integer_only=quantized,
        tools={"tensorflow": tf.__version__},
    )


def main(folder: Path) -> None:
    images, labels = stripes(360, seed=1)
    model = build_model(images, labels)
    test, truth = stripes(90, seed=2)
    probabilities = model.predict(test.astype(np.float32), verbose=0)
    folder.mkdir(parents=True, exist_ok=True)
    for variant in ("float32", "float16", "int8"):
        content = convert(model, variant, images)
        (folder / f"{variant}.tflite").write_bytes(content)
        write_manifest(folder / f"{variant}.json", manifest(variant, content))
    write_labels(folder / "labels.txt", LABELS)
    names = [f"{LABELS[label]}/{index:03d}.png" for index, label in enumerate(truth)]
    write_parity_pack(
        folder / "parity.npz",
        test,
        labels=truth,
        probabilities=probabilities,
        names=names,
        groups=names,
        image_size=SIZE,
    )
    print("top-1", float(np.mean(probabilities.argmax(1) == truth)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
