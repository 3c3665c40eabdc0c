"""A Keras model as one graph of constants: traced once, converted as often as wanted.

The converter's own Keras path writes a SavedModel with every layer as an object of its own, which for MobileNetV2 takes
most of a minute; a frozen graph holds nothing but constants and converts in seconds to the same operators.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from batikkit.errors import InputError, first_line
from batikkit.network.keras_backend import tf
from batikkit.tflite.interpreters import quiet_native


def freeze(model: Any, *, batch: int = 1) -> Any:
    """Traces `model` for inference on float32 [batch, ...] and folds its weights into constants.

    Returns:
        A `tf.ConcreteFunction` without variables.
    """
    return freeze_function(lambda image: model(image, training=False), (batch, *model.input.shape[1:]))


def freeze_function(call: Callable[[Any], Any], shape: Sequence[int]) -> Any:
    """Traces any function of one float32 tensor of this shape, as `freeze` does a model."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = tf.function(call).get_concrete_function(tf.TensorSpec(tuple(shape), tf.float32, name="image"))
    with quiet_native():  # it tells of its session
        return convert_variables_to_constants_v2(function)


def converter(frozen: Any) -> Any:
    """A `tf.lite.TFLiteConverter` for a frozen graph; its options are the caller's to set."""
    return tf.lite.TFLiteConverter.from_concrete_functions([frozen], trackable_obj=tf.Module())


def convert(configured: Any) -> bytes:
    """Runs a configured converter quietly.

    Raises:
        InputError: the graph has something that TensorFlow Lite has not.
    """
    import warnings

    with quiet_native(), warnings.catch_warnings():
        # True of every post-training quantization: the statistics come from the representative images instead.
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected")
        try:
            return bytes(configured.convert())
        except Exception as error:  # its own kind for an operator it does not know, and several of Python's
            unknown = re.search(r"(?:'tf\.|TF Select ops: |Custom ops: )([A-Za-z0-9_.]+)", str(error))
            what = f"TensorFlow Lite has no operator for {unknown[1]}" if unknown else first_line(error)[:200]
            raise InputError(f"the network cannot be converted: {what}; leave that out of the network") from error
