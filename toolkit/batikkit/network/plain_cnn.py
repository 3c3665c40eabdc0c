"""The comparison's first system: a plain convolutional network that has seen nothing but the training photographs.

The paper names a network trained from scratch and gives none of its layers, so this one is a choice, made before any
result was seen and kept plain on purpose: five 3x3 convolutions that halve the picture (Springenberg et al. 2015), 16
to 256 channels, each with batch normalization and ReLU; then the same pooling, dropout and softmax head as the other
systems. With 10 motifs it has 396,666 parameters, of which 992 are statistics that are not trained.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from batikkit.errors import InputError
from batikkit.network.keras_backend import keras
from batikkit.settings import TrainConfig

WIDTHS = (16, 32, 64, 128, 256)

LEARNING_RATE = 1e-3
"""Adam's customary rate. The rates of the other systems suit weights that are already good."""


EPOCHS = 30
"""What the paper planned for each of its systems."""


def plain_cnn_features(image: Any, config: TrainConfig, weights: str | Path) -> Any:
    """The last feature map [N, S/32, S/32, 256] for pixels [N, S, S, 3] in -1..1.

    Raises:
        InputError: weights are given, or something should be frozen.
    """
    if str(weights) != "none":
        raise InputError(f"network plain-cnn is trained from scratch, got weights {weights}: use --weights none")
    if config.phase1_epochs or config.frozen_layers >= 0:
        raise InputError("network plain-cnn has nothing to freeze: set phase1_epochs=0 and frozen_layers=-1")
    seed = config.seed
    features = image
    for number, width in enumerate(WIDTHS, 1):
        features = keras.layers.Conv2D(
            width, 3, strides=2, padding="same", use_bias=False, name=f"conv{number}",
            kernel_initializer=keras.initializers.HeNormal(seed=seed + number),
        )(features)  # fmt: skip
        # Keras' own momentum of 0.99 suits thousands of steps; small sets give hundreds.
        features = keras.layers.BatchNormalization(momentum=0.9, name=f"conv{number}_BN")(features)
        features = keras.layers.ReLU(name=f"conv{number}_relu")(features)
    return features


def scratch_config(config: TrainConfig) -> TrainConfig:
    """The settings of the plain network's run: the same views and schedule, in one phase from scratch.

    It gets as many epochs as the other systems together; where those solve the head, at least `EPOCHS`.
    """
    stepped = config.phase1_epochs + config.phase2_epochs
    solved = max(config.phase2_epochs, EPOCHS)
    return dataclasses.replace(
        config,
        network="plain-cnn",
        taps=(),
        phase1_epochs=0,
        phase2_epochs=solved if config.head == "solved" else stepped,
        phase2_learning_rate=LEARNING_RATE,
        frozen_layers=-1,
        batch_norm_frozen=False,
    )
