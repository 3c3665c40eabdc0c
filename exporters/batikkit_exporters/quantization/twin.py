"""A network's operators in TensorFlow: whole batches at once, every tensor visible, and differentiable.

A quantized network can be rehearsed here before it exists: tensors that have a grid are rounded to it, weights to
theirs, with the straight-through gradient (Bengio et al. 2013) that lets such a network be trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.network.keras_backend import tf
from batikkit_exporters.network import Network, Node, UnsupportedOperatorError
from batikkit_exporters.quantization.grid import Grid, weight_scale

Tensor = Any
Observe = Callable[[int, Tensor], Tensor]
PADDINGS = ("SAME", "VALID")
WEIGHT_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": None}


def run(
    network: Network,
    images: Tensor,
    *,
    grids: Mapping[int, Grid] | None = None,
    constants: Mapping[int, Tensor] | None = None,
    observe: Observe | None = None,
    weights_quantized: bool = True,
) -> Tensor:
    """Runs the network on float32 [N, S, S, 3] 0..255 and returns its output float32 [N, C].

    Args:
        network: A float network.
        images: The pixels.
        grids: Tensors to round, by position; None runs in float.
        constants: Replacements for constants, such as variables that train.
        observe: Called with each computed tensor's position and value; what it returns is passed on.
        weights_quantized: With grids, round weights too.

    Raises:
        UnsupportedOperatorError: an operator that is not known here.
    """
    live: dict[int, Tensor] = {}

    def settle(index: int, value: Tensor) -> None:
        if grids is not None and index in grids:
            value = on_grid(value, grids[index])
        live[index] = value if observe is None else observe(index, value)

    def read(index: int) -> Tensor:
        if index in live:
            return live[index]
        if constants is not None and index in constants:
            return constants[index]
        return tf.constant(network.values[index].data)

    settle(network.inputs[0], images)
    last_use = {index: number for number, node in enumerate(network.nodes) for index in node.inputs}
    for number, node in enumerate(network.nodes):
        inputs = [None if index < 0 else read(index) for index in node.inputs]
        # Weights are rounded where their operator computes in integers, which its output's grid tells.
        integer = grids is not None and weights_quantized and node.outputs[0] in grids
        if integer and node.kind in WEIGHT_AXIS:
            inputs[1] = _rounded_weights(inputs[1], WEIGHT_AXIS[node.kind])
        settle(node.outputs[0], compute(node, inputs))
        for index in node.inputs:
            if last_use[index] == number and index not in network.outputs:
                live.pop(index, None)
    return live[network.outputs[0]]


def compiled(network: Network, **options: Any) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """`run` as a function of one batch, traced once."""
    function = tf.function(lambda images: run(network, images, **options), reduce_retracing=True)
    return lambda images: np.asarray(function(tf.constant(images)))


def on_grid(value: Tensor, grid: Grid) -> Tensor:
    """Rounds to the grid and clips to its ends, in one pass; the gradient passes wherever nothing was clipped."""
    low, high = grid.limits()
    bits = 8 * np.dtype(grid.dtype).itemsize
    return tf.quantization.fake_quant_with_min_max_args(value, min=low, max=high, num_bits=bits)


def _rounded_weights(weights: Tensor, axis: int | None) -> Tensor:
    scale = tf.stop_gradient(weight_scale(weights, axis=axis, xp=tf))
    return weights + tf.stop_gradient(tf.round(weights / scale) * scale - weights)


def compute(node: Node, inputs: list[Tensor]) -> Tensor:
    """One operator in float, its fused activation included; `inputs` in the order of the node's, None: left out."""
    try:
        result = _OPERATORS[node.kind](node, inputs)
    except KeyError:
        raise UnsupportedOperatorError(f"operator {node.kind} is not one the ladder can quantize by itself") from None
    return _activation(node, result)


def _activation(node: Node, value: Tensor) -> Tensor:
    options = node.options
    code = 0
    if options is not None and "fused_activation_function" in options.values:
        code = options.integer("fused_activation_function")
    if code == 0:
        return value
    if code == 1:
        return tf.nn.relu(value)
    if code == 3:
        return tf.nn.relu6(value)
    raise UnsupportedOperatorError(f"{node.kind} with fused activation {code} is not one the ladder can quantize")


def _conv(node: Node, inputs: list[Tensor]) -> Tensor:
    image, kernel, bias = inputs
    strides = [node.option("stride_h"), node.option("stride_w")]
    dilations = [node.option("dilation_h_factor", 1), node.option("dilation_w_factor", 1)]
    padding = PADDINGS[node.option("padding")]
    result = tf.nn.conv2d(image, tf.transpose(kernel, (1, 2, 3, 0)), strides, padding, dilations=dilations)
    return result + bias


def _depthwise(node: Node, inputs: list[Tensor]) -> Tensor:
    image, kernel, bias = inputs
    strides = [1, node.option("stride_h"), node.option("stride_w"), 1]
    dilations = [node.option("dilation_h_factor", 1), node.option("dilation_w_factor", 1)]
    padding = PADDINGS[node.option("padding")]
    channels = image.shape[-1]
    filters = tf.reshape(kernel, (*kernel.shape[1:3], channels, kernel.shape[3] // channels))
    return tf.nn.depthwise_conv2d(image, filters, strides, padding, dilations=dilations) + bias


def _dense(_node: Node, inputs: list[Tensor]) -> Tensor:
    source, weights, bias = inputs
    result = tf.matmul(tf.reshape(source, (-1, weights.shape[1])), weights, transpose_b=True)
    return result if bias is None else result + bias


def _mean(node: Node, inputs: list[Tensor]) -> Tensor:
    return tf.reduce_mean(inputs[0], axis=inputs[1], keepdims=bool(node.option("keep_dims")))


def _pool(reduce: Callable[..., Tensor]) -> Callable[[Node, list[Tensor]], Tensor]:
    def pooled(node: Node, inputs: list[Tensor]) -> Tensor:
        window = [node.option("filter_height"), node.option("filter_width")]
        strides = [node.option("stride_h"), node.option("stride_w")]
        return reduce(inputs[0], window, strides, PADDINGS[node.option("padding")])

    return pooled


def _reshape(_node: Node, inputs: list[Tensor]) -> Tensor:
    shape = inputs[1]
    return tf.reshape(inputs[0], tf.concat([[-1], shape[1:]], axis=0))


_OPERATORS: dict[str, Callable[[Node, list[Tensor]], Tensor]] = {
    "ADD": lambda _node, inputs: inputs[0] + inputs[1],
    "SUB": lambda _node, inputs: inputs[0] - inputs[1],
    "MUL": lambda _node, inputs: inputs[0] * inputs[1],
    "PAD": lambda _node, inputs: tf.pad(inputs[0], inputs[1]),
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "MEAN": _mean,
    "AVERAGE_POOL_2D": _pool(tf.nn.avg_pool2d),
    "MAX_POOL_2D": _pool(tf.nn.max_pool2d),
    "RESHAPE": _reshape,
    "RELU": lambda _node, inputs: tf.nn.relu(inputs[0]),
    "RELU6": lambda _node, inputs: tf.nn.relu6(inputs[0]),
    "SOFTMAX": lambda _node, inputs: tf.nn.softmax(inputs[0]),
}
