"""The same steps on one processor and mirrored over two; writes losses and logits of both to `answers.npz`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.config import load_config
from batikkit.network import model
from batikkit.network.keras_backend import tf
from batikkit.training.distributed import Workers
from batikkit.training.engine import Engine

SETTINGS = ["network=plain-cnn", "phase1_epochs=0", "frozen_layers=-1", "dropout=0", "weight_average=0.5"]
CONFIG = load_config("smoke", overrides=SETTINGS)


def steps(strategy: Any, *, batch_norm_frozen: bool = True) -> tuple[NDArray[Any], NDArray[Any]]:
    """(loss, right answers) of three steps of five images and one of a single image; then the averages' logits."""
    workers, config = Workers(strategy), dataclasses.replace(CONFIG, batch_norm_frozen=batch_norm_frozen)
    net = workers.replicate(model.build_model(config, classes=3), config)
    model.unfreeze_above(net, frozen_layers=-1, batch_norm_frozen=batch_norm_frozen)
    images = np.random.default_rng(0).uniform(0, 255, (5, 96, 96, 3)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]
    with workers.scope():
        engine = Engine(net, start="image", config=config)
    told = []
    for step, count in enumerate((5, 5, 5, 1)):
        weights = np.full(count, 1 / count, np.float32)
        told.append(engine.train(images[:count], targets[:count], weights=weights, learning_rate=1e-4, key=(0, step)))
    with engine.averaged():
        return np.array(told), engine.logits(images)


if __name__ == "__main__":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    _, with_statistics = steps(mirrored, batch_norm_frozen=False)
    np.savez("answers.npz", *steps(None), *steps(mirrored), with_statistics)
