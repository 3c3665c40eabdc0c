"""Initial weights for training a backbone from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from batikkit.network.keras_backend import keras


def initialise(all_layers: Sequence[Any], seed: int) -> None:
    """Weights for training from scratch within hundreds of steps, which Keras' own make too slow.

    Kernels after He et al. (2015), but for the depthwise ones, which keep Keras' own; residual branches start small
    (Goyal et al. 2017); and batch normalization forgets its initial statistics in tens of steps instead of thousands.
    """
    rng = np.random.default_rng(seed)
    layers = {layer.name: layer for layer in all_layers}
    for name, layer in layers.items():
        if isinstance(layer, keras.layers.Conv2D):  # DepthwiseConv2D is none
            shape = layer.get_weights()[0].shape
            layer.set_weights([rng.normal(0, np.sqrt(2 / np.prod(shape[:3])), shape).astype(np.float32)])
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9
            if name.replace("_project_BN", "_add") in layers and name.endswith("_project_BN"):
                gamma, *rest = layer.get_weights()
                layer.set_weights([gamma * 0.2, *rest])
