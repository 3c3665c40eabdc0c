"""RELU, RELU6 and SOFTMAX, and the activations that are fused into other operators."""

from __future__ import annotations

from collections.abc import Callable

from batikkit.network.keras_backend import tf
from batikkit_exporters.network.network import Node
from batikkit_exporters.network.operators.operator import UNIT, Operator, Tensor

NONE, RELU_CODE, RELU6_CODE = 0, 1, 3
FUSED: dict[int, Callable[[Tensor], Tensor]] = {
    NONE: lambda value: value,
    RELU_CODE: tf.nn.relu,
    RELU6_CODE: tf.nn.relu6,
}
"""Fused activations by their code in the file format."""

RELU = Operator(
    "RELU",
    releases=("1.5.0", "2.1.0"),
    versions={"int8": 2},
    compute=lambda _node, inputs: tf.nn.relu(inputs[0]),
    homogeneous=True,
)
RELU6 = Operator(
    "RELU6",
    releases=("1.5.0", "1.14.0"),
    versions={"int8": 2},
    compute=lambda _node, inputs: tf.nn.relu6(inputs[0]),
    homogeneous=True,
)
SOFTMAX = Operator(
    "SOFTMAX",
    releases=("1.5.0", "1.14.0", "2.3.0"),
    versions={"int8": 2, "int16": 3},
    compute=lambda _node, inputs: tf.nn.softmax(inputs[0]),
    grid=UNIT,
)


def fused_activation(node: Node) -> int:
    """Code of the activation that is part of a node, `NONE` where it has none."""
    has_one = node.options is not None and "fused_activation_function" in node.options.values
    return node.option("fused_activation_function") if has_one else NONE
