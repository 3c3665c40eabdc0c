"""Rescales channels so that all of a tensor's channels fill its grid, without changing what the network computes.

A per-tensor grid is as coarse as its widest channel needs, and narrow channels lose their detail. Where everything
between two layers is homogeneous (linear, ReLU, padding, pooling, residual addition), channel c may be multiplied by
s[c] in the producing layer and divided by s[c] in the consuming one (after Nagel et al. 2019, "Data-Free Quantization
through Weight Equalization and Bias Correction"). Two points go beyond pairs of layers:

* A residual stream (all tensors joined by ADD) is one group with one factor per channel, shared by every layer that
  writes to it or reads from it. In MobileNetV2 these narrow linear tensors lose the most.
* ReLU6 is homogeneous only below 6, so its channels are only ever widened, and never past 6 on the photographs seen.
  Here alone the network changes: an unseen photograph that goes beyond them by more than `RELU6_MARGIN` is clipped
  early. The ladder, which judges on photographs that no range was taken from, is what catches that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batikkit_exporters.network.network import Network, Node
from batikkit_exporters.network.operators import OPERATORS, weights_of
from batikkit_exporters.network.operators.activation import NONE, RELU6_CODE, RELU_CODE, fused_activation
from batikkit_exporters.network.operators.operator import JOINED
from batikkit_exporters.quantization.observation import Observed

LARGEST_FACTOR = 32.0
# What unseen photographs may exceed the seen ones by before ReLU6 clips them early.
RELU6_MARGIN = 1.05


@dataclass
class Group:
    """Tensors that share one factor per channel.

    Attributes:
        producers: Weighted operators that write into the group.
        consumers: Weighted operators that read from it, each with the first of its input channels that is the group's.
        clipped: ReLU6 ends it at 6.
        fixed: Something in it does not scale (the network's edge, softmax, added constants).
    """

    tensors: set[int] = field(default_factory=set)
    producers: list[Node] = field(default_factory=list)
    consumers: list[tuple[Node, int]] = field(default_factory=list)
    clipped: bool = False
    fixed: bool = False


def equalize(network: Network, observed: Mapping[int, Observed], *, strength: float = 1.0) -> tuple[Network, int]:
    """The same network with channels equalised.

    Args:
        network: A float network.
        observed: What its tensors do on the calibration photographs.
        strength: 1 equalises fully, 0 not at all; between, narrow channels are widened by that power.

    Returns:
        The network, and how many groups of tensors were rescaled.
    """
    constants: dict[int, NDArray[np.float32]] = {}
    done = 0
    for group in find_groups(network):
        if group.fixed or not group.producers or not group.consumers:
            continue
        factors = find_factors(group, observed, strength=strength)
        for node in group.producers:
            _scale_output(network, node, factors, constants)
        for node, first in group.consumers:
            _scale_input(network, node, 1 / factors, constants, first=first)
        done += 1
    return network.with_constants(constants), done


def find_factors(group: Group, observed: Mapping[int, Observed], *, strength: float) -> NDArray[np.float64]:
    """Float64 [C]: by how much each channel of a group grows."""
    # Each tensor of a group has a grid of its own, so a channel's share of its tensor's range is what counts.
    shares = []
    for index in group.tensors:
        seen = observed[index]
        reach = np.maximum(seen.channel_high, -seen.channel_low).astype(np.float64)
        if group.clipped:
            shares.append(reach * RELU6_MARGIN / 6.0)
        elif reach.max() > 0:
            shares.append(reach / reach.max())
    share = np.max(shares, axis=0)
    factors = np.where(share > 0, np.maximum(share, 1e-12) ** -strength, 1.0)
    return np.asarray(np.clip(factors, 1.0, LARGEST_FACTOR))


def find_groups(network: Network) -> list[Group]:
    """The groups of a network, in the order of their first tensor."""
    group_of: dict[int, Group] = {}

    def join(*tensors: int) -> Group:
        found = list({id(group_of[t]): group_of[t] for t in tensors if t in group_of}.values())
        target = found[0] if found else Group()
        for other in found[1:]:
            target.tensors |= other.tensors
            target.producers += other.producers
            target.consumers += other.consumers
            target.clipped |= other.clipped
            target.fixed |= other.fixed
        for tensor in (*target.tensors, *tensors):
            target.tensors.add(tensor)
            group_of[tensor] = target
        return target

    join(network.inputs[0]).fixed = True
    for node in network.nodes:
        _visit(network, node, join)
    join(network.outputs[0]).fixed = True
    return list({id(group): group for group in group_of.values()}.values())


def _visit(network: Network, node: Node, join: object) -> None:
    assert callable(join)
    output = node.outputs[0]
    computed = [index for index in node.inputs if index >= 0 and network.values[index].data is None]
    added = [index for index in node.inputs if index not in computed and network.values[index].dtype == "float32"]
    if weights_of(node) is not None:
        join(*computed).consumers.append((node, 0))
        join(output).producers.append(node)
    elif reader := _reader_of_channels(network, node):
        first = 0
        for index in node.inputs:
            join(index).consumers.append((reader, first))
            first += network.values[index].shape[-1]
    elif OPERATORS[node.kind].homogeneous and not added:
        join(*computed, output)
        if node.kind == "MEAN" and len(network.values[output].shape) and not _keeps_channels(network, node):
            join(output).fixed = True
    else:
        join(*computed).fixed = True
        join(output).fixed = True
    activation = fused_activation(node)
    if activation == RELU6_CODE or node.kind == "RELU6":
        join(output).clipped = True
    elif activation not in (NONE, RELU_CODE):
        join(output).fixed = True


def _reader_of_channels(network: Network, node: Node) -> Node | None:
    """The one weighted operator that reads what a node joins along the channels; None where it is not so simple."""
    output = node.outputs[0]
    rank, readers = len(network.values[output].shape), network.consumers(output)
    if OPERATORS[node.kind].grid != JOINED or node.option("axis") % rank != rank - 1 or len(readers) != 1:
        return None
    reader = network.nodes[readers[0]]
    plain = weights_of(reader) is not None and output not in network.outputs
    return reader if plain and fused_activation(node) == NONE else None


def _keeps_channels(network: Network, node: Node) -> bool:
    rank = len(network.values[node.inputs[0]].shape)
    axes = network.constant(node.inputs[1])
    return axes is not None and all(int(axis) % rank != rank - 1 for axis in np.ravel(axes))


def _edited(network: Network, index: int, constants: dict[int, NDArray[np.float32]]) -> NDArray[np.float64]:
    data = constants.get(index, network.constant(index))
    assert data is not None
    return np.array(data, np.float64)


def _scale_output(
    network: Network, node: Node, factors: NDArray[np.float64], constants: dict[int, NDArray[np.float32]]
) -> None:
    weights = _edited(network, node.inputs[1], constants)
    layout = weights_of(node)
    assert layout is not None
    shape = [-1 if axis == layout.output_axis else 1 for axis in range(weights.ndim)]
    constants[node.inputs[1]] = (weights * factors.reshape(shape)).astype(np.float32)
    if len(node.inputs) > 2 and node.inputs[2] >= 0:
        constants[node.inputs[2]] = (_edited(network, node.inputs[2], constants) * factors).astype(np.float32)


def _scale_input(
    network: Network,
    node: Node,
    factors: NDArray[np.float64],
    constants: dict[int, NDArray[np.float32]],
    *,
    first: int,
) -> None:
    weights = _edited(network, node.inputs[1], constants)
    weights[..., first : first + len(factors)] *= factors  # channels are the last axis of all three
    constants[node.inputs[1]] = weights.astype(np.float32)
