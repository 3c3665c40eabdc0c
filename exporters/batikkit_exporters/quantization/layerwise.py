"""Changes a network's weights layer by layer so that each layer's output on photographs stays what it was.

Layers are treated in order. What a layer puts out is compared with what the untouched network's puts out, while it sees
its input as the changed layers before it give it. The weights of a filter are settled one after the other, and the
error of each is made up for by those still to come, weighted by how the inputs vary together (Frantar and Alistarh
2022, "Optimal Brain Compression"; Frantar et al. 2022, "GPTQ"). The mean of what remains goes into the bias (Nagel et
al. 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.network.keras_backend import tf
from batikkit_exporters.network.network import Network, Node
from batikkit_exporters.network.operators import compute, weights_of
from batikkit_exporters.quantization.grid import Grid
from batikkit_exporters.quantization.layer_inputs import moments
from batikkit_exporters.quantization.twin import on_grid

DAMPING = 0.01
"""Added to the diagonal of the inputs' covariance, as a share of its mean: photographs are few."""
CHUNK = 8
"""Photographs in hand at a time: every layer's tensors exist twice, and a phone's network is wide at its start."""
Floats = NDArray[np.float64]
Images = Any
Live = dict[int, list[Images]]
Settle = Callable[[Node, Floats, Floats | None], Floats]
"""A layer, its filters float64 [G, F, K] and the damped covariance [G, K, K] of their inputs -> the filters to be.

Filters are in G groups that share inputs: one group, or one of a single filter per channel of a depthwise layer."""


def settle_weights(
    network: Network,
    images: NDArray[np.uint8],
    settle: Settle,
    *,
    kernels: Collection[int],
    grids: Mapping[int, Grid] | None = None,
    covariance: bool = True,
) -> Network:
    """Replaces weights and corrects the biases beside them.

    Args:
        network: A float network.
        images: Calibration photographs, uint8 [N, S, S, 3]; some fifty suffice.
        settle: What becomes of a layer's weights.
        kernels: Positions of the weight tensors to replace.
        grids: The grid of each quantized tensor.
        covariance: False passes None to `settle`.
    """
    grids = grids or {}
    constants: dict[int, NDArray[np.float32]] = {}
    pixels = [tf.constant(images[start : start + CHUNK].astype(np.float32)) for start in range(0, len(images), CHUNK)]
    source = network.inputs[0]
    exact: Live = {source: pixels}
    rough: Live = {source: [_on_grid(chunk, grids.get(source)) for chunk in pixels]}
    last_use = {index: number for number, node in enumerate(network.nodes) for index in node.inputs}
    for number, node in enumerate(network.nodes):
        if len(node.inputs) > 1 and node.inputs[1] in kernels:
            constants |= _settled(network, node, settle, exact[node.inputs[0]], rough[node.inputs[0]], covariance)
        spent = {index for index in node.inputs if last_use[index] == number}
        exact[node.outputs[0]] = _advance(network, node, exact, {}, None, spent)
        rough[node.outputs[0]] = _advance(network, node, rough, constants, grids.get(node.outputs[0]), spent)
    return network.with_constants(constants)


def _advance(
    network: Network,
    node: Node,
    live: Live,
    constants: Mapping[int, NDArray[np.float32]],
    grid: Grid | None,
    spent: Collection[int],
) -> list[Images]:
    """A node's output on all photographs; what nothing reads after it goes as soon as it is used."""
    held = {index: live.pop(index) if index in spent else list(live[index]) for index in node.inputs if index in live}
    fixed = {
        index: tf.constant(constants.get(index, network.values[index].data))
        for index in node.inputs
        if index >= 0 and index not in held
    }
    found = []
    for _ in range(max(map(len, held.values()))):
        chunk = {index: chunks.pop(0) for index, chunks in held.items()}
        found.append(_on_grid(compute(node, [(chunk | fixed).get(index) for index in node.inputs]), grid))
    return found


def _on_grid(value: Images, grid: Grid | None) -> Images:
    return value if grid is None else on_grid(value, grid)


def _settled(
    network: Network,
    node: Node,
    settle: Settle,
    exact: Sequence[Images],
    rough: Sequence[Images],
    covariance: bool,
) -> dict[int, NDArray[np.float32]]:
    """A layer's new weights and bias by position."""
    kernel, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else -1
    weights = np.asarray(network.constant(kernel), np.float64)
    mean_exact, _ = moments(node, exact, weights.shape, covariance=False)
    mean_rough, spread = moments(node, rough, weights.shape, covariance=covariance)
    rows = to_rows(node, weights)
    settled = settle(node, rows, None if spread is None else _damped(spread))
    found = {kernel: _from_rows(node, settled, weights.shape).astype(np.float32)}
    if bias >= 0:
        shift = (rows * mean_exact).sum(axis=-1) - (settled * mean_rough).sum(axis=-1)
        found[bias] = (np.asarray(network.constant(bias), np.float64) + shift.reshape(-1)).astype(np.float32)
    return found


def _damped(covariance: Floats) -> Floats:
    # Inputs that never move say nothing; weights on them are simply settled by themselves.
    damping = DAMPING * np.maximum(np.einsum("gkk->gk", covariance).mean(axis=1), 1e-12)
    return np.asarray(covariance + damping[:, None, None] * np.eye(covariance.shape[-1]))


def compensate(rows: Floats, covariance: Floats, choose: Callable[[Floats], Floats]) -> Floats:
    """Settles filters weight by weight, each weight making up for the errors of those before it.

    Args:
        rows: float64 [G, F, K]: F filters of K weights in each of G groups that share inputs.
        covariance: float64 [G, K, K] of the inputs, positive definite.
        choose: Weights [G, F], one of each filter, -> what they may be.

    Returns:
        Float64 [G, F, K].
    """
    diagonal = np.einsum("gkk->gk", covariance)
    order = np.argsort(-diagonal, axis=1, kind="stable")  # the most telling weights first, with most left to adjust
    ordered = np.take_along_axis(np.take_along_axis(covariance, order[:, :, None], 1), order[:, None, :], 2)
    work = np.take_along_axis(rows, order[:, None, :], 2)
    factor = np.linalg.cholesky(np.linalg.inv(ordered)).swapaxes(1, 2)  # upper triangular
    settled = np.empty_like(work)
    for column in range(work.shape[2]):
        settled[:, :, column] = choose(work[:, :, column])
        error = (work[:, :, column] - settled[:, :, column]) / factor[:, None, column, column]
        work[:, :, column + 1 :] -= error[:, :, None] * factor[:, None, column, column + 1 :]
    back = np.argsort(order, axis=1)
    return np.take_along_axis(settled, back[:, None, :], 2)


def to_rows(node: Node, weights: Floats) -> Floats:
    """[G, F, K]: one group of all filters, or for a depthwise layer one group of one filter per channel."""
    if _depthwise(node):
        return np.array(weights.reshape(-1, weights.shape[3]).T[:, None, :])
    return np.array(weights.reshape(1, weights.shape[0], -1))


def _from_rows(node: Node, rows: Floats, shape: tuple[int, ...]) -> Floats:
    back = rows[:, 0, :].T if _depthwise(node) else rows
    return np.asarray(back.reshape(shape))


def _depthwise(node: Node) -> bool:
    layout = weights_of(node)
    return layout is not None and layout.depthwise
