"""One output more, "other", for what is none of the motifs: by its distance from all that training has seen.

The distance is that of Mahalanobis, in the principal components of what the head reads (Lee et al. 2018, here to the
middle of all motifs rather than to each). Things that are no batik lie far out in directions in which batik hardly
differs, however sure the head is of a motif. In the network it is two dense layers around a square, which phones run in
integers, so that the score of "other" competes with the motifs' in one softmax.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError
from batikkit.network import model
from batikkit.network.keras_backend import keras, tf

SHARPNESS = 2.0
"""Nats of "other" for one unit of the clipped distance, which runs from 0 to 6."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Other:
    """What the output is computed from, for D features of which K components are looked at.

    Attributes:
        projection: [D, K], from features to components of unit variance; `offset`: [K].
        slope: What a unit of the squared distance adds to the clipped distance; `start`: its value at 0.
        direction: [D], what the features add to the score of "other"; zeros unless strangers were shown in training.
        level: Score of "other" at clipped distance 0.
    """

    projection: Floats
    offset: Floats
    slope: float
    start: float
    direction: Floats
    level: float

    def squared_distance(self, features: NDArray[np.floating]) -> Floats:
        """[N] of features [N, D]; about K for what training has seen."""
        return np.asarray(np.square(features @ self.projection + self.offset).sum(axis=1), np.float64)

    def score(self, features: NDArray[np.floating]) -> Floats:
        """The logit of "other", [N] of features [N, D]."""
        clipped = np.clip(self.squared_distance(features) * self.slope + self.start, 0, 6)
        return np.asarray(SHARPNESS * clipped + features @ self.direction + self.level, np.float64)


def with_other(net: Any, other: Other) -> Any:
    """The network with one output more, the last: float32 [N, S, S, 3] -> [N, C + 1]; its layers are those of `net`.

    Raises:
        InputError: the network is another one.
    """
    features, head = net.get_layer(model.pooled_layer(net)).output, net.get_layer(model.HEAD)
    kernel, bias = (np.asarray(values, np.float64) for values in head.get_weights())
    if kernel.shape[0] != len(other.projection):
        raise InputError(f"what other is was learned for a network with {len(other.projection)} features: train again")
    count, components = kernel.shape[1] + 1, other.projection.shape[1]
    layers = keras.layers
    scores = layers.Dense(count, name="scores")
    whitened = layers.Dense(components, name="components")
    distance = layers.Dense(1, activation=tf.nn.relu6, name="distance")
    spread = layers.Dense(count, use_bias=False, name="distance_scores")
    components_of = whitened(features)
    squares = layers.Multiply(name="squares")([components_of, components_of])
    total = layers.Add(name="all_scores")([scores(features), spread(distance(squares))])
    grown = keras.Model(net.input, layers.Softmax(name=model.HEAD)(total), name=net.name)
    scores.set_weights([np.column_stack([kernel, other.direction]), np.append(bias, other.level)])
    whitened.set_weights([other.projection, other.offset])
    distance.set_weights([np.full((components, 1), other.slope), np.array([other.start])])
    spread.set_weights([np.append(np.zeros(count - 1), SHARPNESS)[None]])
    return grown


def write_other(path: Path, other: Other) -> None:
    """Writes the file, float32."""
    arrays: dict[str, Any] = {f.name: np.asarray(getattr(other, f.name), np.float32) for f in fields(Other)}
    with path.open("wb") as stream:
        np.savez(stream, **arrays)


def read_other(path: Path) -> Other:
    """Reads the file.

    Raises:
        InputError: missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            values = {f.name: arrays[f.name].astype(np.float64) for f in fields(Other)}
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise InputError(f"{path} is damaged ({error}): train again") from error
    plain: dict[str, Any] = {name: float(value) if value.ndim == 0 else value for name, value in values.items()}
    return Other(**plain)
