"""Gives each part of what a dense layer reads joined a dense layer of its own, and adds up what they say.

Joined tensors share one grid, and a dense layer's weights one scale. Means of different depths differ in size, and so
do the weights that read them: one network of `best` has a largest weight of 0.7 for the last map and of 4.6 for the
tap, whose scale leaves 38 of 255 steps to the first. Apart, each part has both for itself, and the sum is the same.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from batikkit.tflite.flatbuffer import Table
from batikkit.tflite.schema import SCHEMA
from batikkit_exporters.flatbuffer_pack import make_table
from batikkit_exporters.network.network import Network, Node, Value
from batikkit_exporters.network.operators.activation import NONE, fused_activation

_ADD_OPTIONS = SCHEMA.unions["BuiltinOptions"].index("AddOptions") + 1  # 0 is none


def unjoin(network: Network) -> Network:
    """The same network, new tensors last, where none but dense layers read what was joined before them."""
    values, nodes = list(network.values), list(network.nodes)
    joins: list[Node] = []
    for node in network.nodes:
        join = _joined_for(network, node)
        if join is not None:
            start = nodes.index(node)
            nodes[start : start + 1] = _apart(network, node, join, values)
            joins.append(join)
    kept = tuple(node for node in nodes if all(node is not join for join in joins))
    return replace(network, values=tuple(values), nodes=kept)


def _joined_for(network: Network, node: Node) -> Node | None:
    """What joins a dense layer's input along the channels, if it does so for dense layers alone."""
    if node.kind != "FULLY_CONNECTED":
        return None
    source = node.inputs[0]
    makers = [maker for maker in network.nodes if source in maker.outputs and maker.kind == "CONCATENATION"]
    readers = (network.nodes[position] for position in network.consumers(source))
    alone = all(reader.kind == "FULLY_CONNECTED" for reader in readers) and source not in network.outputs
    if not makers or not alone or fused_activation(makers[0]) != NONE:
        return None
    rank = len(network.values[source].shape)
    return makers[0] if rank == 2 and makers[0].option("axis") % rank == 1 else None


def _apart(network: Network, node: Node, join: Node, values: list[Value]) -> list[Node]:
    """A dense layer for each part and the sums of their outputs; the last one is the original's output."""

    def add(value: Value) -> int:
        values.append(value)
        return len(values) - 1

    kernel, out = network.values[node.inputs[1]], network.values[node.outputs[0]]
    weights = np.asarray(kernel.data)
    given = network.constant(node.inputs[2]) if len(node.inputs) > 2 else None
    bias = np.zeros(len(weights), np.float32) if given is None else np.asarray(given)
    activation = fused_activation(node)
    layers: list[Node] = []
    sums: list[Node] = []
    first, so_far = 0, -1
    for number, part in enumerate(join.inputs):
        last = first + network.values[part].shape[-1]
        name = f"{out.name}/part{number + 1}"
        own = weights[:, first:last]
        inputs = (
            part,
            add(replace(kernel, name=f"{name}/weights", shape=own.shape, data=own)),
            # Each has a bias, to be corrected for what rounding does to its mean.
            add(Value(f"{name}/bias", bias.shape, "float32", np.zeros_like(bias) if number else bias)),
        )
        said = add(replace(out, name=name))
        layers.append(replace(node, inputs=inputs, outputs=(said,), options=_without_activation(node)))
        if number:
            ends = last == weights.shape[1]
            total = node.outputs[0] if ends else add(replace(out, name=f"{name}/sum"))
            options = make_table(SCHEMA, "AddOptions", fused_activation_function=activation if ends else NONE)
            sums.append(Node("ADD", (so_far, said), (total,), options, _ADD_OPTIONS))
            said = total
        first, so_far = last, said
    return layers + sums


def _without_activation(node: Node) -> Table | None:
    options = node.options
    return options and replace(options, values={**options.values, "fused_activation_function": NONE})
