"""A pretrained MobileNetV2's features of whole photographs, for judging labels: what shows motifs, not cloths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.data.features import FEATURE_SIDE, Describer
from batikkit.digest import file_sha256
from batikkit.network.texture import best_weights
from batikkit.network.weight_file import backbone_width

LAYERS = ("block_13_expand_relu", "out_relu")
"""The last features and those before them: together they tell motifs better than either."""

_SIDE = 288
_BATCH = 32


def best_describer(weights: str | Path = "imagenet") -> Describer | None:
    """The network at hand, as `texture.best_texture` finds it; None without one. Downloads nothing."""
    file = best_weights(weights)
    return None if file is None else FrozenNetwork(file)


class FrozenNetwork:
    """Means and deviations of the channels of `LAYERS`, of the whole photograph and, averaged, of four parts of it.

    Loads TensorFlow when the first photographs are described, which cached sets never need.
    """

    def __init__(self, weights: Path) -> None:
        self.weights = weights
        self.name = f"MobileNetV2 at {_SIDE} px, whole and in parts, weights {file_sha256(weights)[:12]}"
        self._network: Any = None

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `features.Describer`."""
        if self._network is None:
            self._network = _pooled(self.weights)
        whole = np.asarray([_shrunk(picture) for picture in pictures])
        far = FEATURE_SIDE - _SIDE
        corners = [pictures[:, y : y + _SIDE, x : x + _SIDE] for y in (0, far) for x in (0, far)]
        # Mirrored where that costs nothing: cloth has no left and right.
        views = [whole, whole[:, :, ::-1], corners[0], corners[1][:, :, ::-1], corners[2][:, :, ::-1], corners[3]]
        rows = [self._described(view) for view in views]
        return np.concatenate([_unit(np.sum(rows[:2], axis=0)), _unit(np.sum(rows[2:], axis=0))], axis=1)

    def _described(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        starts = range(0, len(pictures), _BATCH)
        parts = [self._network(np.ascontiguousarray(pictures[s : s + _BATCH])).numpy() for s in starts]
        return np.asarray(np.concatenate(parts), np.float32)


def _shrunk(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6), np.float32)


def _pooled(weights: Path) -> Any:
    """uint8 [N, S, S, 3] -> float32 [N, D]: for each layer, roots of means and deviations, each of unit length.

    Raises:
        InputError: the file holds other weights.
    """
    from batikkit.network.keras_backend import keras, tf
    from batikkit.network.mobilenet_v2 import load_backbone_weights

    alpha = backbone_width(weights) or 1.0
    whole = keras.applications.MobileNetV2(alpha=alpha, include_top=False, weights=None, input_shape=(None, None, 3))
    load_backbone_weights(whole, weights, alpha)
    network = keras.Model(whole.input, [whole.get_layer(layer).output for layer in LAYERS])

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def describe(pictures: Any) -> Any:
        found = []
        for planes in network(tf.cast(pictures, tf.float32) / 127.5 - 1.0, training=False):
            mean, variance = tf.nn.moments(planes, axes=[1, 2])
            # Roots, so that no channel outshouts the others; ReLU leaves no mean below zero.
            found += [tf.sqrt(tf.nn.relu(mean)), tf.sqrt(variance)]
        return tf.concat([tf.math.l2_normalize(rows, axis=1) for rows in found], axis=1)

    return describe
