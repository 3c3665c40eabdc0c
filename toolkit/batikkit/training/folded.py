"""A part of a network as plain operations: with its frozen batch normalization folded into the convolutions before it,
in bfloat16, or both.

While normalization is frozen, convolving and normalizing is one convolution with scaled kernels and a bias:
gamma (k * x - mean) / deviation + beta = (k gamma / deviation) * x + beta - mean gamma / deviation. The gradient with
respect to k is the same, and a pass over the activations is saved forward and another backward.

In bfloat16 convolutions take rounded activations and kernels, and what only passes them on (ReLU, padding, sums of
branches) keeps them so. Batch normalization that trains and means over a map are float32, and so is every gradient that
reaches the kernels' variables, after one rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batikkit.network.keras_backend import keras, tf


def folded(net: Any, *, start: str, end: str, precision: str = "float32") -> Callable[[Any], Any]:
    """A function from the output of layer `start` to that of layer `end` at inference, differentiable in the kernels.

    Args:
        net: A functional Keras model, each of whose layers is called once.
        start: Name of a layer through whose output everything passes on the way to `end`.
        end: Name of a later layer.
        precision: `bfloat16` or `float32`.
    """
    body = _operations(net, start, end, fold=True, precision=precision)
    return lambda inputs: body(inputs, False)


def in_bfloat16(net: Any, *, start: str, end: str) -> Callable[[Any, bool], Any]:
    """The same as a function of (inputs, training), in bfloat16 with normalization as Keras has it."""
    return _operations(net, start, end, fold=False, precision="bfloat16")


def _operations(net: Any, start: str, end: str, *, fold: bool, precision: str) -> Callable[[Any, bool], Any]:
    names = [layer.name for layer in net.layers]
    first, *layers = net.layers[names.index(start) : names.index(end) + 1]
    normalized = {id(layer.input): layer for layer in layers if fold and _normalizes(layer)}
    low = precision == "bfloat16"

    def call(inputs: Any, training: bool) -> Any:
        values = {id(first.output): inputs}
        for layer in layers:
            if id(layer.output) in values:  # normalization that its convolution has done
                continue
            arguments = layer.input
            given = [values[id(a)] for a in arguments] if isinstance(arguments, list) else values[id(arguments)]
            after = normalized.get(id(layer.output))
            if _convolves(layer) and (low or after is not None):
                target = layer if after is None else after
                values[id(target.output)] = _convolve(layer, after, given, precision)
            elif _normalizes(layer):
                values[id(layer.output)] = layer(given, training=training)
            elif low and not layer.weights and not _averages(layer):
                values[id(layer.output)] = layer.call(_alike(given))  # called as a whole it would take float32 again
            else:
                values[id(layer.output)] = layer(given)
        return tf.cast(values[id(layers[-1].output)], tf.float32)

    return call


def _alike(given: Any) -> Any:
    """Branches that meet, the first of which may still be what was fed: all in bfloat16 if one is."""
    if isinstance(given, list) and any(part.dtype == tf.bfloat16 for part in given):
        return [tf.cast(part, tf.bfloat16) for part in given]
    return given


def _normalizes(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _averages(layer: Any) -> bool:
    return isinstance(layer, keras.layers.GlobalAveragePooling2D)


def _convolves(layer: Any) -> bool:
    return type(layer) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def _convolve(layer: Any, normalization: Any, inputs: Any, precision: str) -> Any:
    """The layer's output in `precision`, and normalized where a normalization is given."""
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    kernel, bias = layer.depthwise_kernel if depthwise else layer.kernel, layer.bias if layer.use_bias else None
    if normalization is not None:
        scale = normalization.gamma * tf.math.rsqrt(normalization.moving_variance + normalization.epsilon)
        shift = normalization.beta - normalization.moving_mean * scale
        kernel = kernel * (tf.reshape(scale, kernel.shape[2:]) if depthwise else scale)
        bias = shift if bias is None else shift + bias * scale
    inputs, padding = tf.cast(inputs, precision), layer.padding.upper()
    if not depthwise:
        outputs = tf.nn.conv2d(inputs, tf.cast(kernel, precision), layer.strides, padding)
    elif precision == "bfloat16":
        outputs = _depthwise(inputs, kernel, (1, *layer.strides, 1), padding)
    else:
        outputs = tf.nn.depthwise_conv2d(inputs, kernel, (1, *layer.strides, 1), padding)
    return outputs if bias is None else tf.nn.bias_add(outputs, tf.cast(bias, precision))


def _depthwise(inputs: Any, kernel: Any, strides: tuple[int, ...], padding: str) -> Any:
    """A depthwise convolution in bfloat16 with gradients in float32: oneDNN takes four times as long in bfloat16."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def convolve(inputs: Any, kernel: Any) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
        def gradients(upstream: Any) -> tuple[Any, Any]:
            fed, upstream = tf.cast(inputs, tf.float32), tf.cast(upstream, tf.float32)
            of_inputs = tf.nn.depthwise_conv2d_backprop_input(tf.shape(fed), kernel, upstream, strides, padding)
            of_kernel = tf.nn.depthwise_conv2d_backprop_filter(fed, kernel.shape, upstream, strides, padding)
            return tf.cast(of_inputs, inputs.dtype), of_kernel

        return tf.nn.depthwise_conv2d(inputs, tf.cast(kernel, inputs.dtype), strides, padding), gradients

    return convolve(inputs, kernel)
