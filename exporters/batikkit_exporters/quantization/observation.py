"""What every tensor of a network does on the calibration photographs: its ends, its channels, a sample of values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.network.keras_backend import tf
from batikkit_exporters.network.network import Network
from batikkit_exporters.quantization.twin import run

SAMPLE_PER_IMAGE = 2048
BATCH = 8


@dataclass(frozen=True, eq=False)
class Observed:
    """One tensor over all photographs.

    Attributes:
        low: Smallest value; `high` the largest.
        channel_low: float32 [C], smallest value of each channel; `channel_high` likewise.
        sample: float32 [K], values drawn evenly from all photographs, to weigh ranges against each other.
        halves: Width of the range seen on every other batch, and on the batches between.
    """

    low: float
    high: float
    channel_low: NDArray[np.float32]
    channel_high: NDArray[np.float32]
    sample: NDArray[np.float32]
    halves: tuple[float, float]


def observe(network: Network, images: NDArray[np.uint8], *, seed: int = 0) -> dict[int, Observed]:
    """Runs the float network on uint8 [N, S, S, 3] and reports every computed tensor, by position.

    No anchors needed: the input's grid is fixed, and behind it nothing but photographs should count.
    """
    parts: dict[int, list[tuple[NDArray[np.float32], ...]]] = {}
    order = list(dict.fromkeys((network.inputs[0], *(node.outputs[0] for node in network.nodes))))

    def summarise(batch: Any) -> list[object]:
        seen: dict[int, object] = {}

        def keep(index: int, value: Any) -> Any:
            channels = tf.shape(value)[-1]
            flat = tf.reshape(value, (-1, channels))
            size = tf.size(value)
            count = SAMPLE_PER_IMAGE * batch.shape[0]
            picks = tf.random.stateless_uniform((count,), (seed, index), maxval=size, dtype=tf.int32)
            sample = tf.gather(tf.reshape(value, (-1,)), picks)
            seen[index] = (tf.reduce_min(flat, axis=0), tf.reduce_max(flat, axis=0), sample)
            return value

        run(network, batch, observe=keep)
        return [seen[index] for index in order]

    function = tf.function(summarise, autograph=False)  # which would rewrite every operator's Python, for nothing
    # At least two batches, since stability compares every other one with the rest.
    for batch in batches(images, min(BATCH, -(-len(images) // 2))):
        for index, summary in zip(order, function(tf.constant(batch)), strict=True):
            parts.setdefault(index, []).append(tuple(part.numpy() for part in summary))
    return {index: _joined(rows) for index, rows in parts.items()}


def batches(images: NDArray[np.uint8], size: int = BATCH) -> Iterable[NDArray[np.float32]]:
    """Float32 [<=size, S, S, 3] 0..255, in order."""
    return (images[start : start + size].astype(np.float32) for start in range(0, len(images), size))


def _joined(rows: list[tuple[NDArray[np.float32], ...]]) -> Observed:
    lows, highs = np.min([row[0] for row in rows], axis=0), np.max([row[1] for row in rows], axis=0)
    sample = np.concatenate([row[2] for row in rows])
    return Observed(float(lows.min()), float(highs.max()), lows, highs, sample, (_width(rows[::2]), _width(rows[1::2])))


def _width(rows: list[tuple[NDArray[np.float32], ...]]) -> float:
    """Of the range over some batches, 0 included as in every grid."""
    highest = max([0.0, *(float(row[1].max()) for row in rows)])
    return highest - min([0.0, *(float(row[0].min()) for row in rows)])


@dataclass(frozen=True)
class Stability:
    """How much the ranges depend on which photographs were drawn.

    Attributes:
        largest: Largest relative difference of a tensor's range between two disjoint halves (0..1).
        tensor: The tensor it was seen at.
    """

    largest: float
    tensor: str


def find_stability(network: Network, observed: dict[int, Observed]) -> Stability:
    """Compares the ranges that two disjoint halves of the photographs give, tensor by tensor."""
    differences = {
        network.values[index].name: abs(seen.halves[0] - seen.halves[1]) / max(*seen.halves, 1e-9)
        for index, seen in observed.items()
        if index not in network.inputs
    }
    tensor = max(differences, key=lambda name: differences[name])
    return Stability(float(differences[tensor]), tensor)
