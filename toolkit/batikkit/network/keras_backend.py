"""The one import of TensorFlow and Keras: `from batikkit.network.keras_backend import keras, tf`.

`tf_keras` (the Keras 2 API) is used throughout, because quantization-aware training accepts nothing else and several
workers fail on Keras 3. Importing this module takes seconds; only heavy modules do.
"""

from __future__ import annotations

import os
import warnings

from batikkit.errors import MissingExtraError
from batikkit.tflite.interpreters import quiet_native

# Both are read once, when TensorFlow loads: native start-up messages, and the notice that oneDNN is on.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

try:
    with warnings.catch_warnings(), quiet_native():  # it logs its build options before it reads any setting
        warnings.simplefilter("ignore")  # deprecation notices of TensorFlow's own dependencies
        import tensorflow as tf
        import tf_keras as keras
except ImportError as error:
    raise MissingExtraError((error.name or "tensorflow").split(".")[0], "train") from error

tf.get_logger().setLevel("ERROR")

__all__ = ["keras", "tf"]
