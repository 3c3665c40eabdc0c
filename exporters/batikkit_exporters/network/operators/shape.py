"""PAD, RESHAPE and CONCATENATION, which move elements and change none."""

from __future__ import annotations

from batikkit.network.keras_backend import tf
from batikkit_exporters.network.network import Network, Node
from batikkit_exporters.network.operators.operator import COPIED, JOINED, Operator, Tensor


def _reshape(_node: Node, inputs: list[Tensor]) -> Tensor:
    return tf.reshape(inputs[0], tf.concat([[-1], inputs[1][1:]], axis=0))


def _fixed_shape(network: Network, node: Node) -> str | None:
    known = len(node.inputs) > 1 and network.constant(node.inputs[1]) is not None
    return None if known else "its shape is computed"


def _all_computed(network: Network, node: Node) -> str | None:
    known = [index for index in node.inputs if network.constant(index) is not None]
    return "a constant is among its inputs" if known else None


PAD = Operator(
    "PAD",
    releases=("1.5.0", "1.14.0", "2.4.0"),
    versions={"int8": 2, "int16": 3},
    compute=lambda _node, inputs: tf.pad(inputs[0], inputs[1]),
    grid=COPIED,
    homogeneous=True,
)
RESHAPE = Operator(
    "RESHAPE",
    releases=("1.5.0",),
    versions={"int8": 1, "int16": 1},
    compute=_reshape,
    grid=COPIED,
    refusal=_fixed_shape,
)
CONCATENATION = Operator(
    "CONCATENATION",
    releases=("1.5.0", "1.14.0", "2.3.0"),
    versions={"int8": 2, "int16": 3},
    compute=lambda node, inputs: tf.concat(inputs, axis=node.option("axis")),
    grid=JOINED,
    refusal=_all_computed,
)
