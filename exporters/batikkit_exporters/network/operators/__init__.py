"""The operators that batikkit rehearses, quantizes and writes: one entry each, and what is asked of all of them."""

from __future__ import annotations

from collections.abc import Iterable

from batikkit_exporters.network.network import Network, Node, UnsupportedOperatorError
from batikkit_exporters.network.operators.activation import FUSED, RELU, RELU6, SOFTMAX, fused_activation
from batikkit_exporters.network.operators.conv import CONV
from batikkit_exporters.network.operators.conversion import DEQUANTIZE, QUANTIZE
from batikkit_exporters.network.operators.dense import DENSE
from batikkit_exporters.network.operators.depthwise import DEPTHWISE
from batikkit_exporters.network.operators.elementwise import ADD, MUL, SUB
from batikkit_exporters.network.operators.operator import Operator, Tensor, Weights
from batikkit_exporters.network.operators.pool import AVERAGE_POOL, MAX_POOL, MEAN
from batikkit_exporters.network.operators.shape import CONCATENATION, PAD, RESHAPE

OPERATORS = {
    operator.kind: operator
    for operator in (
        CONV, DEPTHWISE, DENSE, ADD, SUB, MUL, PAD, RESHAPE, CONCATENATION, MEAN, AVERAGE_POOL, MAX_POOL, RELU, RELU6,
        SOFTMAX, QUANTIZE, DEQUANTIZE,
    )
}  # fmt: skip


def find_operator(kind: str) -> Operator:
    """The operator of that name.

    Raises:
        UnsupportedOperatorError: none is known.
    """
    if kind not in OPERATORS:
        raise UnsupportedOperatorError(f"operator {kind} is not one that batikkit quantizes by itself")
    return OPERATORS[kind]


def weights_of(node: Node) -> Weights | None:
    """The layout of a node's weights; None where it has none."""
    return OPERATORS[node.kind].weights if node.kind in OPERATORS else None


def compute(node: Node, inputs: list[Tensor]) -> Tensor:
    """One operator in float, its fused activation included; `inputs` in the order of the node's, None: left out."""
    operator = find_operator(node.kind)
    assert operator.compute is not None
    return FUSED[fused_activation(node)](operator.compute(node, inputs))


def check_supported(network: Network) -> None:
    """Makes sure that a network can be rehearsed, trained through and quantized, before any of it is begun.

    Raises:
        UnsupportedOperatorError: it has an operator that is not known, or one used in a way that is not.
    """
    for node in network.nodes:
        operator = find_operator(node.kind)
        if operator.compute is None:
            raise UnsupportedOperatorError(f"operator {node.kind} stands in a network that should be float")
        if fused_activation(node) not in FUSED:
            raise UnsupportedOperatorError(f"{node.kind} with fused activation {fused_activation(node)} is not known")
        reason = operator.refusal(network, node)
        if reason is not None:
            raise UnsupportedOperatorError(f"{node.kind} at {network.values[node.outputs[0]].name!r}: {reason}")


def oldest_runtime(operators: Iterable[tuple[str, int]]) -> str:
    """The newest of the TensorFlow Lite releases that (operator, version) pairs ask for, such as `1.15.0`.

    Raises:
        KeyError, IndexError: a pair that batikkit does not write; its release has to be added to its operator.
    """
    needed = [OPERATORS[kind].releases[version - 1] for kind, version in operators]
    return max(needed, key=lambda release: tuple(map(int, release.split("."))))
