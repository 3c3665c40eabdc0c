"""Variants whose weights are fine-tuned for the way they are stored: int8-qat, pruned, clustered."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit_exporters import shared_files
from batikkit_exporters.network import Network, UnsupportedOperatorError, read_network, write_network
from batikkit_exporters.quantization.compression import (
    CLUSTERS,
    SPARSITY,
    ClusteredWeights,
    PrunedWeights,
    cluster,
    prune,
)
from batikkit_exporters.quantization.distill import Advance, Parameters, RoundedWeights, distill
from batikkit_exporters.quantization.quantize import quantize
from batikkit_exporters.quantization.ranges import lay_grids
from batikkit_exporters.quantization.rounding import ROUNDING_IMAGES, round_weights
from batikkit_exporters.recipes import Recipe

# Rounding moves weights little; pruning and clustering leave more to make good.
EPOCHS = {"int8-qat": 3, "pruned": 8, "clustered": 8}
RATES = {"int8-qat": 1e-5, "pruned": 1e-4, "clustered": 1e-4}


def train_variant(
    recipe: Recipe,
    shared: Path,
    images: NDArray[np.uint8],
    *,
    io: str,
    seed: int,
    advance: Advance = lambda _done, _total: None,
) -> tuple[bytes, str]:
    """Trains one variant on uint8 [N, S, S, 3] photographs of the train split; returns its bytes and its method.

    Raises:
        UnsupportedOperatorError: the network has an operator that cannot be rehearsed.
    """
    network = read_network((shared / shared_files.FLOAT).read_bytes(), name="the float32 file")
    epochs, rate = EPOCHS[recipe.name], RATES[recipe.name]
    observed = pickle.loads((shared / shared_files.OBSERVED).read_bytes())
    if observed is None:
        raise UnsupportedOperatorError(
            f"{recipe.name} needs a network of operators that batikkit can train through, and this one has others: "
            "leave this variant out"
        )
    photographs = np.asarray(np.load(shared / shared_files.CALIBRATION, mmap_mode="r")[:ROUNDING_IMAGES])
    parameters: Parameters
    grids, scales = None, {}
    if recipe.name == "int8-qat":
        grids = lay_grids(network, observed, method="mse")
        rounded = round_weights(network, grids, photographs)
        start, parameters, scales, what = rounded.network, RoundedWeights(rounded), rounded.scales, ""
    else:
        start, parameters, what = _compressed(recipe, network, photographs)
    trained = distill(
        start,
        parameters,
        teacher=network,
        images=images,
        grids=grids,
        epochs=epochs,
        learning_rate=rate,
        seed=seed,
        advance=advance,
    )
    content = write_network(trained) if grids is None else quantize(trained, grids, scales=scales, io=io)
    return content, f"{what}{epochs} epochs of distillation from {rate:g}"


def _compressed(recipe: Recipe, network: Network, photographs: NDArray[np.uint8]) -> tuple[Network, Parameters, str]:
    if recipe.name == "pruned":
        pruned = prune(network, photographs)
        return pruned, PrunedWeights(pruned), f"{SPARSITY:.0%} of larger layers' weights zero, the others refitted, "
    clustered = cluster(network, photographs)
    return (
        clustered,
        ClusteredWeights(clustered),
        f"{CLUSTERS} values per larger layer, second-order rounding to them, ",
    )
