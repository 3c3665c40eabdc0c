"""What there is to know of one kind of operator: how it computes, how it is quantized, and which runtimes have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from batikkit_exporters.network.network import Network, Node

Tensor = Any
Compute = Callable[[Node, list[Tensor]], Tensor]
OWN, COPIED, JOINED, UNIT = "own", "copied", "joined", "unit"
"""Rules for an output's grid: laid over its own range; the input's, since elements are copied; its own, on which all
inputs must be too; what the kernel sets."""


@dataclass(frozen=True)
class Weights:
    """How an operator's weights are laid out; their last axis is always that of the inputs' channels.

    Attributes:
        output_axis: Axis of the output's channels.
        scale_axis: Axis that has a scale for each slice; None: one scale for all.
        sliding: A window slides over an image [N, H, W, C], else the whole input is seen at once.
        depthwise: A filter sees one channel of its own, else all of them.
    """

    output_axis: int
    scale_axis: int | None
    sliding: bool = True
    depthwise: bool = False


@dataclass(frozen=True)
class Operator:
    """One kind of operator.

    Attributes:
        kind: Its name in the file format.
        releases: Of TensorFlow Lite, the first to run its versions 1, 2, ... (`runtime_version.cc`).
        versions: Version that its kernel asks for by activation type, `int8` or `int16` (`op_version.cc`).
        compute: In float, without the fused activation; None where no float network has it.
        weights: Their layout, where it has any.
        grid: Rule of its output's grid.
        homogeneous: Scaling a channel of its inputs scales that channel of its output.
        refusal: Why such a node cannot be rehearsed or quantized here; None: it can.
    """

    kind: str
    releases: tuple[str, ...]
    versions: Mapping[str, int] = field(default_factory=dict)
    compute: Compute | None = None
    weights: Weights | None = None
    grid: str = OWN
    homogeneous: bool = False
    refusal: Callable[[Network, Node], str | None] = lambda _network, _node: None


def padding(node: Node) -> str:
    """`SAME` or `VALID`."""
    return ("SAME", "VALID")[node.option("padding")]


def strides(node: Node) -> list[int]:
    """Down and across."""
    return [node.option("stride_h"), node.option("stride_w")]


def dilations(node: Node) -> list[int]:
    """Down and across."""
    return [node.option("dilation_h_factor", 1), node.option("dilation_w_factor", 1)]


def with_bias(result: Tensor, inputs: list[Tensor]) -> Tensor:
    """A layer's output with its bias, the third of its inputs, where it has one."""
    return result if len(inputs) < 3 or inputs[2] is None else result + inputs[2]


def constant_weights(network: Network, node: Node) -> str | None:
    """Refuses weights that are computed rather than stored."""
    return None if network.constant(node.inputs[1]) is not None else "its weights are computed"
