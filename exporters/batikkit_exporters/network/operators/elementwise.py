"""ADD, SUB and MUL, element by element."""

from __future__ import annotations

from batikkit_exporters.network.operators.operator import Operator

ADD = Operator(
    "ADD",
    releases=("1.5.0", "1.14.0", "2.4.0"),
    versions={"int8": 2, "int16": 3},
    compute=lambda _node, inputs: inputs[0] + inputs[1],
    homogeneous=True,
)
SUB = Operator(
    "SUB",
    releases=("1.6.0", "1.14.0"),
    versions={"int8": 2},
    compute=lambda _node, inputs: inputs[0] - inputs[1],
)
MUL = Operator(
    "MUL",
    releases=("1.5.0", "1.14.0", "1.15.0", "2.3.0"),
    versions={"int8": 2, "int16": 4},
    compute=lambda _node, inputs: inputs[0] * inputs[1],
)
