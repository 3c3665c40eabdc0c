"""A pretrained MobileNetV2's first layers as a description of texture, for telling cloths apart."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.data.cloth_look import LOOK_SIDE, SCALES, Odds, PlainTexture, Texture, at_scales
from batikkit.digest import file_sha256
from batikkit.network.weight_file import backbone_width, downloaded

LAYER = "block_7_expand_relu"
"""Deep enough for strokes and fillings, not so deep that only the motif is left: of blocks 2 to 7 this one separates
windows of one photograph from those of others best."""

_SIDES = (224, 160, 112, 80)
_WIDE = Odds(texture=-2.96, colour=-1.58, constant=-14.74)
_NARROW = Odds(texture=-2.48, colour=-1.82, constant=-14.14)
"""By `benchmarks/peers/cloth_odds.py` with networks of width 1 and 0.35."""

_BATCH = 32


def best_texture(weights: str | Path = "imagenet") -> Texture:
    """The best description at hand; downloads nothing.

    Args:
        weights: A MobileNetV2 no-top file in Keras' `.h5` layout; `imagenet` for one that Keras has downloaded before;
            `none` for no network. A file that is not there is no network either.
    """
    file = best_weights(weights)
    return PlainTexture() if file is None else NetworkTexture(file)


def best_weights(weights: str | Path) -> Path | None:
    """The weight file that is meant, where it and Keras are at hand."""
    if str(weights) == "none" or not _installed("tf_keras"):
        return None
    if str(weights) == "imagenet" or Path(weights).suffix == ".pth":
        # Another backbone's file tells no cloths apart; MobileNetV2's may be at hand all the same.
        return downloaded()
    return Path(weights) if Path(weights).is_file() else None


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # it is blocked
        return False


class NetworkTexture:
    """Channel means of `LAYER` at four scales, as square roots (Hellinger), so that no channel outshouts the others.

    Loads TensorFlow when the first photographs are described, which cached sets never need.
    """

    def __init__(self, weights: Path) -> None:
        self.weights = weights
        self.odds = _NARROW if (backbone_width(weights) or 1.0) <= 0.5 else _WIDE
        self.name = f"MobileNetV2 up to {LAYER} with weights {file_sha256(weights)[:12]}"
        self._network: Any = None

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `cloth_look.Texture`."""
        if self._network is None:
            self._network = _first_layers(self.weights)
        views = [at_scales(picture, _SIDES) for picture in pixels]
        rows = np.stack([self._means(np.stack(scale)) for scale in zip(*views, strict=True)], axis=1)
        assert rows.shape[:2] == (len(pixels), SCALES)
        assert pixels.shape[1] == LOOK_SIDE
        rows = np.sqrt(rows)
        return np.asarray(rows / (np.linalg.norm(rows, axis=2, keepdims=True) + 1e-6), np.float32)

    def _means(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        starts = range(0, len(pictures), _BATCH)
        return np.concatenate([self._network(pictures[s : s + _BATCH]).numpy() for s in starts])


def _first_layers(weights: Path) -> Any:
    """uint8 [N, S, S, 3] -> float32 [N, C], for any S.

    Raises:
        InputError: the file holds other weights.
    """
    from batikkit.network.keras_backend import keras, tf
    from batikkit.network.mobilenet_v2 import load_backbone_weights

    alpha = backbone_width(weights) or 1.0
    whole = keras.applications.MobileNetV2(alpha=alpha, include_top=False, weights=None, input_shape=(None, None, 3))
    load_backbone_weights(whole, weights, alpha)
    pooled = keras.layers.GlobalAveragePooling2D()(whole.get_layer(LAYER).output)
    network = keras.Model(whole.input, pooled)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def describe(pictures: Any) -> Any:
        return network(tf.cast(pictures, tf.float32) / 127.5 - 1.0, training=False)

    return describe
