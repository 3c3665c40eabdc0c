"""The networks: a flat backbone with its head, of the paper's MobileNetV2 or another one.

All are functional models with pixel scaling inside and a softmax head named `prediction`.

Flat, because quantization-aware training refuses a model inside a model; scaling inside, because then every consumer
feeds raw RGB 0..255 and nobody guesses the preprocessing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError, first_line
from batikkit.network.backbones import BACKBONES
from batikkit.network.keras_backend import keras
from batikkit.settings import TrainConfig

HEAD = "prediction"
POOL = "global_average_pooling"
JOINED = "joined_features"
RESCALING = "rescaling"
EVALUATION_BATCH = 32


@dataclass(frozen=True)
class LayerRow:
    """One line of the layer table: output shape without the batch axis, parameters, and whether phase 1 trains them."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    trainable: bool


def build_model(config: TrainConfig, *, classes: int, weights: str | Path = "none") -> Any:
    """A `tf_keras.Model`: float32 [N, S, S, 3] RGB 0..255 -> float32 [N, classes] probabilities.

    The backbone is frozen (phase 1). Layers below the head carry the names of Keras' MobileNetV2.

    Args:
        config: Gives network, image_size, alpha, taps and dropout; its seed initialises what `weights` does not.
        classes: Number of motifs.
        weights: `none`, `imagenet` (MobileNetV2's are downloaded by Keras, EfficientNet-Lite0's come with an extra) or
            the path of a weight file.

    Raises:
        InputError: the weights cannot be fetched, or are of another network.
    """
    keras.utils.set_random_seed(config.seed)
    backbone = BACKBONES[config.network]
    image = keras.Input((config.image_size, config.image_size, 3), name="image")
    scaled = keras.layers.Rescaling(backbone.scale, offset=backbone.offset, name=RESCALING)(image)
    features = backbone.features(scaled, config, weights)
    pooled = keras.layers.GlobalAveragePooling2D(name=POOL)(features)
    if config.taps:
        pooled = _joined(pooled, keras.Model(image, features), config.taps)
    dropped = keras.layers.Dropout(config.dropout, name="dropout")(pooled)
    head = keras.layers.Dense(classes, activation="softmax", name=HEAD)(dropped)
    net = keras.Model(image, head, name="batik_" + config.network.replace("-", "_"))
    if config.network != "plain-cnn":
        freeze_backbone(net)
    return net


def _joined(pooled: Any, backbone: Any, taps: Sequence[str]) -> Any:
    """What the head sees: the means of the last feature map and of those of layers `taps` (hypercolumns' idea)."""
    maps = {layer.name: layer.output for layer in backbone.layers if len(layer.output.shape) == 4}
    parts = [pooled]
    for tap in taps:
        if tap not in maps:
            near = difflib.get_close_matches(tap, maps, n=1)
            raise InputError(
                f"setting taps names {tap!r}, which is no layer of this network"
                + (f": did you mean {near[0]}?" if near else "; layers.csv of any run lists them")
            )
        parts.append(keras.layers.GlobalAveragePooling2D(name=f"{tap}_mean")(maps[tap]))
    return keras.layers.Concatenate(name=JOINED)(parts)


def pooled_layer(model: Any) -> str:
    """The layer whose output the head reads: the pooled feature map, or that joined with the taps' means."""
    return JOINED if any(layer.name == JOINED for layer in model.layers) else POOL


def backbone_layers(model: Any) -> list[Any]:
    """The backbone's layers in Keras' MobileNetV2 numbering (0 = the input, 153 = `out_relu`)."""
    names = [layer.name for layer in model.layers]
    pools = keras.layers.GlobalAveragePooling2D
    return [
        layer for layer in model.layers[: names.index(POOL)] if layer.name != RESCALING and not isinstance(layer, pools)
    ]


def freeze_backbone(model: Any) -> None:
    """Phase 1: only the head trains."""
    for layer in backbone_layers(model):
        layer.trainable = False


def unfreeze_above(model: Any, *, frozen_layers: int, batch_norm_frozen: bool) -> None:
    """Phase 2: backbone layers 0..frozen_layers stay frozen, the rest trains; batch normalization as told."""
    for index, layer in enumerate(backbone_layers(model)):
        is_batch_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = index > frozen_layers and not (is_batch_norm and batch_norm_frozen)


def learned(model: Any) -> dict[str, Any]:
    """Name -> variable of everything that training changes: weights of trainable layers, and their statistics."""
    return {weight.name: weight for layer in model.layers if layer.trainable for weight in layer.weights}


def read_weights(variables: Mapping[str, Any]) -> dict[str, NDArray[np.generic]]:
    """The variables' values, by name."""
    return dict(zip(variables, keras.backend.batch_get_value(list(variables.values())), strict=True))


def put_weights(model: Any, values: Mapping[str, NDArray[np.generic]]) -> None:
    """Gives the variables so named these values.

    Raises:
        KeyError, ValueError: the model has no such variable, or one of another shape.
    """
    variables = {weight.name: weight for weight in model.weights}
    keras.backend.batch_set_value([(variables[name], value) for name, value in values.items()])


def cut_layer(model: Any, *, frozen_layers: int) -> str | None:
    """The last layer whose output alone carries everything that the trainable part needs, or None if there is none.

    Blocks of MobileNetV2 end in a narrow tensor (`*_add`, or `*_project_BN` where there is no residual), the only
    places where the graph can be cut in two.
    """
    layers = backbone_layers(model)
    names = [layer.name for layer in layers]
    # What a tap reads must lie behind the cut.
    tapped = [names.index(name) for name in _taps(model)]
    frozen = names[: min([frozen_layers + 1, *tapped])]
    adds = {layer.name for layer in layers if layer.name.endswith("_add")}
    cuts = [
        name
        for name in frozen
        if name in adds or (name.endswith("_project_BN") and name.replace("_project_BN", "_add") not in adds)
    ]
    if frozen and frozen[-1] == "out_relu":
        cuts.append("out_relu")
    return cuts[-1] if cuts else None


def _taps(model: Any) -> list[str]:
    """The layers whose means the head reads, without the last."""
    return [layer.name.removesuffix("_mean") for layer in model.layers if layer.name.endswith("_mean")]


def layer_table(model: Any) -> tuple[LayerRow, ...]:
    """One row per layer, in order."""
    return tuple(
        LayerRow(
            name=layer.name,
            kind=type(layer).__name__,
            output_shape=tuple(int(n) for n in layer.output.shape[1:]),
            parameters=int(layer.count_params()),
            trainable=bool(layer.trainable_weights),
        )
        for layer in model.layers
    )


def trainable_parameters(model: Any) -> int:
    """How many scalars the optimizer may change."""
    return int(sum(keras.backend.count_params(weight) for weight in model.trainable_weights))


def load_model(path: Path) -> Any:
    """Loads a run's `model.keras`.

    Raises:
        InputError: missing or not a model of this Keras.
    """
    if not path.is_file():
        raise InputError(f"no model at {path}: train again")
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # zip, h5 and Keras each raise their own kind for a damaged file
        raise InputError(f"cannot load model {path}: {first_line(error)[:160]}") from error


def predict_keras(net: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The whole Keras model on uint8 [N, S, S, 3]: float32 [N, C] probabilities, without augmentation or dropout."""
    starts = range(0, len(pixels), EVALUATION_BATCH)
    answers = [net(pixels[s : s + EVALUATION_BATCH].astype(np.float32), training=False).numpy() for s in starts]
    return np.concatenate(answers).astype(np.float32)
