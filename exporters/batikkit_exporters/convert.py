"""A frozen graph and a recipe in, the bytes of a `.tflite` file out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError
from batikkit.network import frozen_graph
from batikkit.network.keras_backend import tf
from batikkit_exporters.recipes import Recipe

Images = Callable[[], Iterator[NDArray[np.float32]]]
IO_DTYPES = ("uint8", "int8")


def convert(
    frozen: Any, recipe: Recipe, *, images: Images | None = None, io: str = "uint8", compat: str | None = None
) -> bytes:
    """Converts one variant.

    Args:
        frozen: `frozen_graph.freeze` of a model, float32 [1, S, S, 3] 0..255 in, float32 [1, C] out.
        recipe: The variant.
        images: Yields float32 [1, S, S, 3] representative images; needed when the recipe is calibrated.
        io: Input dtype of integer variants: `uint8` for phones and boards, `int8` for microcontrollers.
        compat: Oldest runtime that has to load the file, such as `2.14`.

    Raises:
        InputError: an unknown `io`.
    """
    if io not in IO_DTYPES:
        raise InputError(f"--io {io!r}: choose {' or '.join(IO_DTYPES)}")
    converter = frozen_graph.converter(frozen)
    if recipe.weights != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe.weights == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if compat is not None:
        # The dense layer's scale per channel is what asks for FULLY_CONNECTED version 12, hence a 2.17 runtime.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if recipe.calibrated:
        if images is None:
            raise ValueError(f"{recipe.name} needs representative images")
        converter.representative_dataset = lambda: ([image] for image in images())
        converter.target_spec.supported_ops = [_integer_kernels(recipe)]
    if recipe.activations == "int8":  # the converter's own 16-bit files take float32 only
        converter.inference_input_type = getattr(tf, io)
        converter.inference_output_type = tf.float32 if io == "uint8" else tf.int8
    return frozen_graph.convert(converter)


def _integer_kernels(recipe: Recipe) -> Any:
    if recipe.activations == "int16":
        return tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    return tf.lite.OpsSet.TFLITE_BUILTINS_INT8
