"""Rounds each weight by what that does to the layer's output, and corrects the bias for what remains.

Rounding every weight to its nearest grid point ignores that errors add up over a filter: behind a ReLU all inputs are
positive, so that a filter's rounding errors shift its output as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batikkit_exporters.network.network import Network, Node
from batikkit_exporters.network.operators import weights_of
from batikkit_exporters.quantization.grid import Grid, weight_scale
from batikkit_exporters.quantization.layerwise import compensate, settle_weights, to_rows

Floats = NDArray[np.float64]
ROUNDING_IMAGES = 48
"""So many calibration photographs are enough to round by."""


@dataclass(frozen=True, eq=False)
class Rounded:
    """A network whose weights lie on their grids.

    Attributes:
        network: With rounded weights and corrected biases, in float.
        scales: Scale of each weight tensor by position, broadcastable to it.
    """

    network: Network
    scales: dict[int, NDArray[np.float32]]


def round_weights(
    network: Network, grids: Mapping[int, Grid], images: NDArray[np.uint8], *, second_order: bool = True
) -> Rounded:
    """Rounds all weights whose operator computes in integers and corrects their biases.

    Args:
        network: A float network.
        grids: The grid of each quantized tensor.
        images: Calibration photographs, uint8 [N, S, S, 3]; some fifty suffice.
        second_order: False rounds to nearest and corrects the biases only.
    """
    scales: dict[int, NDArray[np.float32]] = {}
    for node in network.nodes:
        layout = weights_of(node)
        if layout is not None and node.outputs[0] in grids:
            weights = np.asarray(network.constant(node.inputs[1]), np.float64)
            scales[node.inputs[1]] = weight_scale(weights, axis=layout.scale_axis).astype(np.float32)

    def settle(node: Node, rows: Floats, covariance: Floats | None) -> Floats:
        kernel = node.inputs[1]
        shape = np.asarray(network.constant(kernel)).shape
        steps = to_rows(node, np.broadcast_to(scales[kernel].astype(np.float64), shape))
        if covariance is None:
            return _nearest(rows, steps)
        return compensate(rows, covariance, lambda weights: _nearest(weights, steps[:, :, 0]))  # one step per filter

    settled = settle_weights(network, images, settle, kernels=scales, grids=grids, covariance=second_order)
    return Rounded(settled, scales)


def _nearest(weights: Floats, step: Floats) -> Floats:
    return np.asarray(np.clip(np.rint(weights / step), -127, 127) * step)
