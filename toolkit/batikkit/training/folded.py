"""A part of a network with its frozen batch normalization folded into the convolutions before it.

While normalization is frozen, convolving and normalizing is one convolution with scaled kernels and a bias:
gamma (k * x - mean) / deviation + beta = (k gamma / deviation) * x + beta - mean gamma / deviation. The gradient with
respect to k is the same, and a pass over the activations is saved forward and another backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batikkit.network.keras_backend import keras, tf


def folded(net: Any, *, start: str, end: str) -> Callable[[Any], Any]:
    """A function from the output of layer `start` to that of layer `end` at inference, differentiable in the kernels.

    Args:
        net: A functional Keras model, each of whose layers is called once.
        start: Name of a layer through whose output everything passes on the way to `end`.
        end: Name of a later layer.
    """
    names = [layer.name for layer in net.layers]
    first, *layers = net.layers[names.index(start) : names.index(end) + 1]
    normalized = {id(layer.input): layer for layer in layers if _normalizes(layer)}

    def call(inputs: Any) -> Any:
        values = {id(first.output): inputs}
        for layer in layers:
            if id(layer.output) in values:  # normalization that its convolution has done
                continue
            arguments = layer.input
            given = [values[id(a)] for a in arguments] if isinstance(arguments, list) else values[id(arguments)]
            after = normalized.get(id(layer.output))
            if after is not None and _convolves(layer):
                values[id(after.output)] = _convolve(layer, after, given)
            else:
                values[id(layer.output)] = layer(given, training=False) if _normalizes(layer) else layer(given)
        return values[id(layers[-1].output)]

    return call


def _normalizes(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _convolves(layer: Any) -> bool:
    return type(layer) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def _convolve(layer: Any, normalization: Any, inputs: Any) -> Any:
    scale = normalization.gamma * tf.math.rsqrt(normalization.moving_variance + normalization.epsilon)
    bias = normalization.beta - normalization.moving_mean * scale
    if layer.use_bias:
        bias += layer.bias * scale
    padding = layer.padding.upper()
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        kernel = layer.depthwise_kernel * tf.reshape(scale, layer.depthwise_kernel.shape[2:])
        outputs = tf.nn.depthwise_conv2d(inputs, kernel, (1, *layer.strides, 1), padding)
    else:
        outputs = tf.nn.conv2d(inputs, layer.kernel * scale, layer.strides, padding)
    return tf.nn.bias_add(outputs, bias)
