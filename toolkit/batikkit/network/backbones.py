"""The feature extractors to choose from: one entry each, from which settings, help, titles and scaling follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batikkit.network.efficientnet_lite import lite0_features
from batikkit.network.mobilenet_v2 import mobilenet_features
from batikkit.network.plain_cnn import plain_cnn_features
from batikkit.settings import TrainConfig


@dataclass(frozen=True)
class Backbone:
    """One feature extractor.

    Attributes:
        title: For people.
        scale: What pixels 0..255 are multiplied by inside the network; `offset` is added then.
        features: features(scaled pixels [N, S, S, 3], settings, weights) -> the last feature map.
    """

    title: str
    scale: float
    offset: float
    features: Callable[[Any, TrainConfig, str | Path], Any]


BACKBONES = {
    "mobilenet-v2": Backbone("MobileNetV2", 1 / 127.5, -1.0, mobilenet_features),
    "efficientnet-lite0": Backbone("EfficientNet-Lite0", 1 / 128, -127 / 128, lite0_features),
    "plain-cnn": Backbone("CNN", 1 / 127.5, -1.0, plain_cnn_features),
}
