"""MEAN, AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

from collections.abc import Callable

from batikkit.network.keras_backend import tf
from batikkit_exporters.network.network import Node
from batikkit_exporters.network.operators.operator import COPIED, Compute, Operator, Tensor, padding, strides


def _window(reduce: Callable[..., Tensor]) -> Compute:
    def compute(node: Node, inputs: list[Tensor]) -> Tensor:
        window = [node.option("filter_height"), node.option("filter_width")]
        return reduce(inputs[0], window, strides(node), padding(node))

    return compute


def _mean(node: Node, inputs: list[Tensor]) -> Tensor:
    return tf.reduce_mean(inputs[0], axis=inputs[1], keepdims=bool(node.option("keep_dims")))


MEAN = Operator(
    "MEAN",
    releases=("1.6.0", "1.14.0", "2.4.0"),
    versions={"int8": 2, "int16": 3},
    compute=_mean,
    homogeneous=True,
)
AVERAGE_POOL = Operator(
    "AVERAGE_POOL_2D",
    releases=("1.5.0", "1.14.0", "2.3.0"),
    versions={"int8": 2, "int16": 3},
    compute=_window(tf.nn.avg_pool2d),
    grid=COPIED,
    homogeneous=True,
)
MAX_POOL = Operator(
    "MAX_POOL_2D",
    releases=("1.5.0", "1.14.0", "2.3.0"),
    versions={"int8": 2, "int16": 3},
    compute=_window(tf.nn.max_pool2d),
    grid=COPIED,
    homogeneous=True,
)
