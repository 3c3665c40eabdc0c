"""CONV_2D: weights [filters, height, width, channels]."""

from __future__ import annotations

from batikkit.network.keras_backend import tf
from batikkit_exporters.network.network import Network, Node
from batikkit_exporters.network.operators.operator import (
    Operator,
    Tensor,
    Weights,
    constant_weights,
    dilations,
    padding,
    strides,
    with_bias,
)


def _compute(node: Node, inputs: list[Tensor]) -> Tensor:
    filters = tf.transpose(inputs[1], (1, 2, 3, 0))
    result = tf.nn.conv2d(inputs[0], filters, strides(node), padding(node), dilations=dilations(node))
    return with_bias(result, inputs)


def _refusal(network: Network, node: Node) -> str | None:
    image, kernel = network.values[node.inputs[0]], network.values[node.inputs[1]]
    if image.shape[3] != kernel.shape[3]:
        return f"its filters see {kernel.shape[3]} of {image.shape[3]} channels (groups)"
    return constant_weights(network, node)


CONV = Operator(
    "CONV_2D",
    releases=("1.5.0", "1.14.0", "1.14.0", "2.3.0"),
    versions={"int8": 3, "int16": 4},
    compute=_compute,
    weights=Weights(output_axis=0, scale_axis=0),
    refusal=_refusal,
)
