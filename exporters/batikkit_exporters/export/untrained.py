"""Untrained networks as the files that training and exporting them would give: as long, as fast, and no more.

Their weights are a short pattern over and over, so that an archive of them is small. Nothing but the pattern is made
up: the graph, the converter, the quantizer's writing, the metadata and the labels are those of an export.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from batikkit.fit.candidates import IMAGE_SIZES, VARIANTS, Candidate
from batikkit.fit.pack import Pack
from batikkit.network.frozen_graph import freeze
from batikkit.network.keras_backend import keras
from batikkit.network.model import build_model
from batikkit_exporters.convert import convert
from batikkit_exporters.export.plan import LICENSE
from batikkit_exporters.export.trial import describing
from batikkit_exporters.metadata import attach_metadata
from batikkit_exporters.network.read import read_network
from batikkit_exporters.quantization.quantize import quantize
from batikkit_exporters.quantization.ranges import lay_grids_over
from batikkit_exporters.quantization.unjoin import unjoin
from batikkit_exporters.source.loaded import LoadedNet, Source
from batikkit_exporters.variants import find_variant

_PATTERN = 1021
"""A prime, so that neighbouring filters differ."""
_WEIGHT = 0.25


def untrained_pack(
    backbones: Iterable[tuple[str, float]], labels: tuple[str, ...], *, say: Callable[[str], None] = lambda _line: None
) -> Pack:
    """Makes the files of some backbones and widths.

    Args:
        backbones: As in `candidates.WIDTHS`.
        labels: The motifs that they answer with.
        say: Told what begins.
    """
    files = {}
    for network, alpha in backbones:
        say(f"pack: {network} {alpha:g}")
        found = untrained_files(Candidate(network, alpha, IMAGE_SIZES[0]), labels)
        files.update({(network, alpha, variant): content for variant, content in found.items()})
    return Pack(labels, files)


def untrained_files(candidate: Candidate, labels: tuple[str, ...]) -> dict[str, bytes]:
    """Variant -> the `.tflite` file with its metadata."""
    net = build_model(candidate.config(), classes=len(labels), weights="none")
    _fill(net)
    frozen = freeze(net)
    network = unjoin(read_network(convert(frozen), name=candidate.name))
    ranges = {index: (-1.0 - index / 1000, 6.0 + index / 1000) for index in range(len(network.values))}
    made = {
        "float16": convert(frozen, "float16"),
        # No two ranges are alike, as those of a trained network: equal grids would save operators between them.
        "int8": quantize(network, lay_grids_over(network, ranges)),
    }
    source = _nobodys(candidate, labels)
    return {
        name: attach_metadata(made[name], info=describing(source, find_variant(name), LICENSE)) for name in VARIANTS
    }


def _fill(net: Any) -> None:
    """Weights of one size and patterned sign. No two layers are alike: the converter keeps equal constants once."""
    chance = np.random.default_rng(0)
    pattern = np.where(chance.random(_PATTERN) < 0.5, -_WEIGHT, _WEIGHT)
    for number, layer in enumerate(net.layers):
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.get_weights()[0].shape[0]
            # A mean of 0 would make the bias a constant that is there already, under another name.
            values = [np.ones(count), *chance.uniform(-0.5, 0.5, (2, count)), np.ones(count)]
        else:
            values = [
                np.resize(np.roll(pattern, number), weight.shape)
                if weight.ndim > 1
                else chance.uniform(-0.5, 0.5, weight.shape)
                for weight in layer.get_weights()
            ]
        layer.set_weights([value.astype(np.float32) for value in values])


def _nobodys(candidate: Candidate, labels: tuple[str, ...]) -> Source:
    """A source whose description is as long as a run's."""

    def load() -> LoadedNet:
        raise AssertionError("an untrained network is never exported")

    return Source(
        run_id=f"00000000T000000Z-{candidate.preset}", model=Path(), labels=labels, rows=(), root=Path(),
        folder=Path(), turns=False, mirrors=False, trained_here=False, load=load,
    )  # fmt: skip
