"""Builds, freezes, saves and reads small networks; prints as JSON what came of it.

    python keras_facts.py FOLDER

Run by a test under one environment after another: nothing of the answer may depend on it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np

from batikkit.config import load_config
from batikkit.network import model
from batikkit.network.frozen_graph import freeze
from batikkit.network.keras_backend import keras, keras3, tf
from batikkit_exporters.source.foreign import load_foreign

SIDE = 32
SMALL = load_config(
    "smoke", overrides=["network=plain-cnn", "phase1_epochs=0", "frozen_layers=-1", f"image_size={SIDE}", "seed=5"]
)


def digest(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(str(a.dtype).encode() + a.tobytes() for a in arrays)).hexdigest()


def foreign(framework: object, path: Path) -> str:
    """What a reader of files from elsewhere makes of a small network that `framework` saves."""
    framework.utils.set_random_seed(3)
    layers = framework.layers
    net = framework.Sequential(
        [
            framework.Input((SIDE, SIDE, 3)),
            layers.Conv2D(4, 3, strides=2),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.save(path)
    loaded = load_foreign(path, classes=3)
    return digest(loaded.answers(np.full((2, SIDE, SIDE, 3), 7, np.uint8)))


def facts(folder: Path) -> dict[str, object]:
    config = load_config("smoke", alpha=0.35, image_size=SIDE, seed=5)
    net = model.build_model(config, classes=3)
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    small = model.build_model(SMALL, classes=3)  # the same kinds of layers, fewer of them
    frozen = freeze(small)
    small.save(folder / "own.keras")
    return {
        "settings": [[k.backend.image_data_format(), k.backend.floatx(), k.backend.epsilon()] for k in (keras, keras3)],
        "backend of Keras 3": keras3.backend.backend(),
        "weights": digest(*net.get_weights()),
        "answer": digest(model.predict_keras(net, pixels)),
        "read again": digest(model.predict_keras(model.load_model(folder / "own.keras"), pixels)),
        "frozen": digest(frozen(tf.constant(pixels[:1].astype(np.float32)))[0].numpy()),
        "foreign": [foreign(keras, folder / "two.keras"), foreign(keras3, folder / "three.keras")],
    }


if __name__ == "__main__":
    before = dict(os.environ)
    print(json.dumps(facts(Path(sys.argv[1]))))
    kept = {name: value for name, value in os.environ.items() if name.startswith("KERAS_")}
    assert kept == {name: value for name, value in before.items() if name.startswith("KERAS_")}
