"""MobileNetV2 as Keras has it (Sandler et al. 2018), and its weight files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from batikkit.errors import InputError, first_line
from batikkit.network.initial import initialise
from batikkit.network.keras_backend import keras
from batikkit.network.weight_file import backbone_width, is_hdf5
from batikkit.settings import TrainConfig


def mobilenet_features(scaled: Any, config: TrainConfig, weights: str | Path) -> Any:
    """The last feature map [N, S/32, S/32, C] of pixels in -1..1, with weights `imagenet`, `none` or of a file.

    Raises:
        InputError: the weights cannot be fetched, or are of another network.
    """
    side = config.image_size
    backbone = keras.applications.MobileNetV2(
        input_tensor=scaled, alpha=config.alpha, include_top=False, weights=None, input_shape=(side, side, 3)
    )
    if str(weights) == "none":
        initialise(backbone.layers, config.seed)
    else:
        path = _download(config.alpha) if str(weights) == "imagenet" else Path(weights)
        load_backbone_weights(backbone, path, config.alpha)
    return backbone.output


def load_backbone_weights(backbone: Any, path: Path, alpha: float) -> None:
    """Fills a MobileNetV2 without top from a file in Keras' `.h5` layout.

    Raises:
        InputError: there is no such file, or it is of another network.
    """
    if not path.is_file():
        raise InputError(f"no weight file {path}: name a MobileNetV2 no-top .h5 file with --weights PATH")
    if not is_hdf5(path):
        raise InputError(f"weights {path} are no HDF5 file: name a MobileNetV2 no-top .h5 file with --weights PATH")
    width = backbone_width(path)
    if width and width != alpha:
        raise InputError(
            f"weights {path} are of MobileNetV2 alpha {width:g}, not {alpha:g}: give --backbone-alpha {width:g}, or "
            "another file with --weights PATH"
        )
    try:
        backbone.load_weights(path)
    except (ValueError, OSError, KeyError, TypeError, ImportError) as error:
        reason = first_line(error)[:160]
        raise InputError(f"weights {path} do not fit MobileNetV2 alpha {alpha:g} without top: {reason}") from error


def _download(alpha: float) -> Path:
    """Keras' own ImageNet file, from its cache or the network."""
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha:.2g}_224_no_top.h5"
    if alpha == 1.0:
        name = name.replace("kernels_1_", "kernels_1.0_")
    base = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
    try:
        return Path(keras.utils.get_file(name, base + name, cache_subdir="models"))
    except Exception as error:  # urllib, socket, ssl and Keras each raise their own kind
        reason = first_line(error)[-100:]
        raise InputError(
            f"cannot download ImageNet weights for alpha {alpha:g} ({reason}): give a local file with --weights PATH"
        ) from error
