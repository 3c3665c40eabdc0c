"""The networks: the paper's flat MobileNetV2, and the plain one it is compared with.

Both are functional models with pixel scaling inside and a softmax head named `prediction`.

Flat, because quantization-aware training refuses a model inside a model; scaling inside, because then every consumer
feeds raw RGB 0..255 and nobody guesses the preprocessing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError, first_line
from batikkit.network.keras_backend import keras
from batikkit.network.plain_cnn import plain_features
from batikkit.network.weight_file import backbone_width, is_hdf5
from batikkit.settings import TrainConfig

HEAD = "prediction"
POOL = "global_average_pooling"
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

    The backbone is frozen (phase 1). Layers below the head carry Keras' MobileNetV2 names.

    Args:
        config: Gives network, image_size, alpha and dropout; its seed initialises what `weights` does not.
        classes: Number of motifs.
        weights: `none`, `imagenet` (downloaded by Keras) or the path of a no-top weight file in Keras' `.h5` layout.

    Raises:
        InputError: the weights cannot be fetched, or are of another network.
    """
    keras.utils.set_random_seed(config.seed)
    image = keras.Input((config.image_size, config.image_size, 3), name="image")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name=RESCALING)(image)
    features = (
        _mobilenet_features(scaled, config, weights)
        if config.network == "mobilenet-v2"
        else (_plain_features(scaled, config, weights))
    )
    pooled = keras.layers.GlobalAveragePooling2D(name=POOL)(features)
    dropped = keras.layers.Dropout(config.dropout, name="dropout")(pooled)
    head = keras.layers.Dense(classes, activation="softmax", name=HEAD)(dropped)
    return keras.Model(image, head, name="batik_" + config.network.replace("-", "_"))


def _mobilenet_features(scaled: Any, config: TrainConfig, weights: str | Path) -> Any:
    side = config.image_size
    backbone = keras.applications.MobileNetV2(
        input_tensor=scaled, alpha=config.alpha, include_top=False, weights=None, input_shape=(side, side, 3)
    )
    _load_backbone(backbone, weights, config.alpha, config.seed)
    backbone.trainable = False
    return backbone.output


def _plain_features(scaled: Any, config: TrainConfig, weights: str | Path) -> Any:
    if str(weights) != "none":
        raise InputError(f"network plain-cnn is trained from scratch, got weights {weights}: use --weights none")
    if config.phase1_epochs or config.frozen_layers >= 0:
        raise InputError("network plain-cnn has nothing to freeze: set phase1_epochs=0 and frozen_layers=-1")
    return plain_features(scaled, seed=config.seed)


def _load_backbone(backbone: Any, weights: str | Path, alpha: float, seed: int) -> None:
    if str(weights) == "none":
        _initialise(backbone, seed)
        return
    load_backbone_weights(backbone, _download(alpha) if str(weights) == "imagenet" else Path(weights), alpha)


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


def _initialise(backbone: Any, seed: int) -> None:
    """Initial weights for training from scratch within hundreds of steps, which Keras' own make too slow.

    Kernels after He et al. (2015), whose fan-in Keras misjudges for depthwise kernels; residual branches start small
    (Goyal et al. 2017); and batch normalization forgets its initial statistics in tens of steps instead of thousands.
    """
    rng = np.random.default_rng(seed)
    layers = {layer.name: layer for layer in backbone.layers}
    for name, layer in layers.items():
        if isinstance(layer, keras.layers.Conv2D):  # DepthwiseConv2D among them
            shape = layer.get_weights()[0].shape
            fan_in = np.prod(shape[:2]) if isinstance(layer, keras.layers.DepthwiseConv2D) else np.prod(shape[:3])
            layer.set_weights([rng.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)])
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9
            if name.replace("_project_BN", "_add") in layers and name.endswith("_project_BN"):
                gamma, *rest = layer.get_weights()
                layer.set_weights([gamma * 0.2, *rest])


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


def backbone_layers(model: Any) -> list[Any]:
    """The backbone's layers in Keras' MobileNetV2 numbering (0 = the input, 153 = `out_relu`)."""
    names = [layer.name for layer in model.layers]
    return [layer for layer in model.layers[: names.index(POOL)] if layer.name != RESCALING]


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
    frozen = [layer.name for layer in layers[: frozen_layers + 1]]
    adds = {layer.name for layer in layers if layer.name.endswith("_add")}
    cuts = [
        name
        for name in frozen
        if name in adds or (name.endswith("_project_BN") and name.replace("_project_BN", "_add") not in adds)
    ]
    if frozen and frozen[-1] == "out_relu":
        cuts.append("out_relu")
    return cuts[-1] if cuts else None


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
