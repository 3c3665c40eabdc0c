"""What a finished network takes for "other": learned from its own photographs, and from strangers if any are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.console import warn
from batikkit.errors import InputError
from batikkit.images import load_pixels
from batikkit.network import model
from batikkit.network.other import SHARPNESS, Floats, Other
from batikkit.picture_files import find_pictures
from batikkit.settings import TrainConfig
from batikkit.training import convex
from batikkit.training.features import FrozenFeatures
from batikkit.training.inputs import Split
from batikkit.training.views import draw_views

LEAST_VALIDATION = 10
"""Fewest validation photographs from which a limit is taken."""
LEAST_OTHERS = 10
MOST_COMPONENTS = 256
SHRINKAGE = 0.05
FLOOR = 1e-3
WITHIN = 0.95
"""Share of the validation photographs that lie within the limit: some of those beyond are sure enough all the same."""
STEEPNESS = 2.5
"""Nats of "other" per standard deviation of the validation photographs' squared distances."""
REACH = 7.0
"""How far below the motifs' usual score that of "other" can fall [nats]; it rises `6 * SHARPNESS - REACH` above it.

Not further: in steps of 1/256 an int8 file would say nothing of the motif any more."""
PENALTY = 1.0
_BATCH = 32


def learn_other(net: Any, config: TrainConfig, train: Split, validation: Split, strangers: Sequence[Path]) -> Other:
    """Learns "other" for a trained network; all its photographs may be this worker's share alone.

    Args:
        net: The network with its final weights.
        config: Its settings; a second look at the training photographs is drawn by them.
        train: Photographs to take the shape of the motifs from.
        validation: Photographs to take the limit from.
        strangers: Pictures of what is no motif of these, for what the distance does not tell; may be empty.

    Raises:
        InputError: too few strangers can be read.
    """
    layer = model.pooled_layer(net)
    extract = FrozenFeatures.of(net, (layer,))

    def features(pixels: NDArray[np.uint8], *, view: int | None = None) -> Floats:
        parts = []
        for start in range(0, len(pixels), _BATCH):
            index = np.arange(start, min(start + _BATCH, len(pixels)))
            plain = view is None
            shown = pixels[index].astype(np.float32) if plain else _view(pixels, config, view, index)
            parts.append(extract(shown)[layer])
        return np.concatenate(parts).astype(np.float64)

    seen = np.concatenate([features(train.pixels), features(train.pixels, view=0)])
    checked = features(validation.pixels)
    other = fit_other(seen, checked, *_head(net))
    if not strangers:
        return other
    shown = features(_readable(strangers, config.image_size))
    return with_direction(other, np.concatenate([seen, checked]), shown, *_head(net))


def _readable(paths: Sequence[Path], size: int) -> NDArray[np.uint8]:
    pixels = []
    for path in paths:
        try:
            pixels.append(load_pixels(path, size))
        except InputError as error:
            warn(f"left out of the pictures that show no motif: {error}")
    if len(pixels) < LEAST_OTHERS:
        raise InputError(f"{len(pixels)} picture(s) of --others can be read: give at least {LEAST_OTHERS}")
    return np.stack(pixels)


def _view(pixels: NDArray[np.uint8], config: TrainConfig, view: int | None, index: NDArray[np.intp]) -> Any:
    return draw_views(pixels[index], config=config, view=view or 0, indices=index)


def _head(net: Any) -> tuple[Floats, Floats]:
    kernel, bias = net.get_layer(model.HEAD).get_weights()
    return np.asarray(kernel, np.float64), np.asarray(bias, np.float64)


def fit_other(seen: Floats, checked: Floats, kernel: Floats, bias: Floats) -> Other:
    """The distance alone.

    Args:
        seen: [N, D] features of training photographs.
        checked: [M, D] of validation photographs.
        kernel: [D, C] of the head; `bias`: [C].
    """
    middle, scale = seen.mean(axis=0), seen.std(axis=0)
    # Features that motifs hardly use tell most, so the floor only keeps out those of rounding.
    scale = scale + FLOOR * scale.mean()
    standard = (seen - middle) / scale
    _, values, axes = np.linalg.svd(standard, full_matrices=False)
    kept = max(1, min(MOST_COMPONENTS, len(values) - 1))
    variance = np.square(values[:kept]) / len(seen)
    # The smallest variances are estimated too small, and nothing should hang on one of them.
    variance = (1 - SHRINKAGE) * variance + SHRINKAGE * variance.mean()
    projection = axes[:kept].T / np.sqrt(variance) / scale[:, None]
    offset = -middle @ projection
    distances = np.square(checked @ projection + offset).sum(axis=1)
    limit, spread = float(np.quantile(distances, WITHIN)), float(distances.std()) or 1.0
    usual = float(np.median(_log_sum(checked @ kernel + bias)))
    slope = STEEPNESS / spread
    return Other(
        projection=projection,
        offset=offset,
        slope=slope / SHARPNESS,
        start=(REACH - slope * limit) / SHARPNESS,
        direction=np.zeros(len(projection)),
        level=usual - REACH,
    )


def with_direction(other: Other, seen: Floats, strangers: Floats, kernel: Floats, bias: Floats) -> Other:
    """Adds what tells given strangers from the motifs' photographs: logistic regression on top of the distance.

    Args:
        other: The distance.
        seen: [N, D] features of the motifs' photographs.
        strangers: [M, D] of the strangers.
        kernel: [D, C] of the head; `bias`: [C].
    """
    both = np.concatenate([seen, strangers])
    middle, scale = both.mean(axis=0), both.std(axis=0) + 1e-6
    standard = ((both - middle) / scale).astype(np.float32)
    foreign = np.arange(len(both)) >= len(seen)
    weights = np.where(foreign, 0.5 / len(strangers), 0.5 / len(seen))
    known = other.score(both) - _log_sum(both @ kernel + bias)

    def loss(flat: Floats) -> tuple[float, Floats]:
        # No constant is learned: it would undo the limit, which other strangers need.
        odds = np.clip(standard @ flat.astype(np.float32) + known, -60, 60)
        value = float(np.sum(weights * (np.logaddexp(0, odds) - foreign * odds)))
        slope = standard.T @ (weights * (1 / (1 + np.exp(-odds)) - foreign)).astype(np.float32)
        return value + PENALTY / 2 * float(flat @ flat), np.asarray(slope + PENALTY * flat, np.float64)

    solved = convex.minimize(loss, np.zeros(standard.shape[1]))
    direction = solved / scale
    return Other(
        other.projection, other.offset, other.slope, other.start, direction, other.level - float(middle @ direction)
    )


def _log_sum(scores: Floats) -> Floats:
    top = scores.max(axis=1)
    return np.asarray(top + np.log(np.exp(scores - top[:, None]).sum(axis=1)), np.float64)


def find_others(folder: Path) -> tuple[Path, ...]:
    """The pictures in a folder of what is no motif, in order.

    Raises:
        InputError: no such folder, or too few pictures.
    """
    if not folder.is_dir():
        raise InputError(f"--others {folder}: no such folder; give one with pictures of what is none of the motifs")
    found = tuple(find_pictures(folder))
    if len(found) < LEAST_OTHERS:
        raise InputError(
            f"--others {folder} has {len(found)} picture(s): give at least {LEAST_OTHERS}, or leave it out"
        )
    return found
