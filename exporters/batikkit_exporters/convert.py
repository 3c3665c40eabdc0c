"""A frozen graph in, the bytes of a `.tflite` file out, as TensorFlow's converter makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.network import frozen_graph
from batikkit.network.keras_backend import tf

Images = Callable[[], Iterator[NDArray[np.float32]]]


def convert(
    frozen: Any,
    weights: str = "float32",
    activations: str = "float32",
    *,
    images: Images | None = None,
    io: str = "uint8",
    compat: str | None = None,
) -> bytes:
    """Converts a network.

    Args:
        frozen: `frozen_graph.freeze` of a model, float32 [1, S, S, 3] 0..255 in, float32 [1, C] out.
        weights: What weights are stored as: `float32`, `float16` or `int8`.
        activations: What is computed in: `float32`, `int8` or `int16`.
        images: Yields float32 [1, S, S, 3] representative images; needed by integer activations.
        io: Input dtype of int8 activations: `uint8` for phones and boards, `int8` for microcontrollers.
        compat: Oldest runtime that has to load the file, such as `2.14`.
    """
    converter = frozen_graph.converter(frozen)
    if weights != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if weights == "float16":
        converter.target_spec.supported_types = [tf.float16]
        # Written into the file: without it XNNPACK computes in float32 on processors that could do better.
        converter.target_spec._experimental_supported_accumulation_type = tf.float16
    if compat is not None:
        # The dense layer's scale per channel is what asks for FULLY_CONNECTED version 12, hence a 2.17 runtime.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if activations != "float32":
        if images is None:
            raise ValueError(f"{activations} activations need representative images")
        converter.representative_dataset = lambda: ([image] for image in images())
        converter.target_spec.supported_ops = [_integer_kernels(activations)]
    if activations == "int8":  # the converter's own 16-bit files take float32 only
        converter.inference_input_type = getattr(tf, io)
        converter.inference_output_type = tf.float32 if io == "uint8" else tf.int8
    return frozen_graph.convert(converter)


def _integer_kernels(activations: str) -> Any:
    if activations == "int16":
        return tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    return tf.lite.OpsSet.TFLITE_BUILTINS_INT8
