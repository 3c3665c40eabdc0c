"""FULLY_CONNECTED: weights [outputs, inputs]."""

from __future__ import annotations

from batikkit.network.keras_backend import tf
from batikkit_exporters.network.network import Network, Node
from batikkit_exporters.network.operators.operator import Operator, Tensor, Weights, constant_weights, with_bias


def _compute(_node: Node, inputs: list[Tensor]) -> Tensor:
    source, weights = inputs[:2]
    return with_bias(tf.matmul(tf.reshape(source, (-1, weights.shape[1])), weights, transpose_b=True), inputs)


def _refusal(network: Network, node: Node) -> str | None:
    rank = len(network.values[node.outputs[0]].shape)
    return f"it works on a map of {rank} axes" if rank != 2 else constant_weights(network, node)


DENSE = Operator(
    "FULLY_CONNECTED",
    releases=("1.5.0", "1.10.0", "1.14.0", "1.14.0", "2.0.0", "2.1.0", "2.3.0"),
    versions={"int8": 4, "int16": 7},
    compute=_compute,
    # A scale per channel would ask for version 12, hence a 2.17 runtime.
    weights=Weights(output_axis=0, scale_axis=None, sliding=False),
    refusal=_refusal,
)
