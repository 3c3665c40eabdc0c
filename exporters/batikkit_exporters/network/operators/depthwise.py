"""DEPTHWISE_CONV_2D: weights [1, height, width, channels]."""

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
    filters = tf.reshape(inputs[1], (*inputs[1].shape[1:], 1))
    steps = [1, *strides(node), 1]
    result = tf.nn.depthwise_conv2d(inputs[0], filters, steps, padding(node), dilations=dilations(node))
    return with_bias(result, inputs)


def _refusal(network: Network, node: Node) -> str | None:
    image, kernel = network.values[node.inputs[0]], network.values[node.inputs[1]]
    if image.shape[3] != kernel.shape[3]:
        return f"it makes {kernel.shape[3]} channels of {image.shape[3]} (depth multiplier)"
    return constant_weights(network, node)


DEPTHWISE = Operator(
    "DEPTHWISE_CONV_2D",
    releases=("1.5.0", "1.12.0", "1.14.0", "2.2.0", "2.3.0"),
    versions={"int8": 3, "int16": 5},
    compute=_compute,
    weights=Weights(output_axis=3, scale_axis=3, depthwise=True),
    refusal=_refusal,
)
