"""The one import of TensorFlow and Keras: `from batikkit.network.keras_backend import keras, tf`.

`tf_keras` (the Keras 2 API) is used throughout, because quantization-aware training accepts nothing else and several
workers fail on Keras 3, which is here as `keras3` to read foreign files. Importing this module takes seconds; only
heavy modules do.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterator

from batikkit.errors import MissingExtraError
from batikkit.processors import allowed_cpus, machine_count, worker_count
from batikkit.tflite.interpreters import quiet_native

# Both are read once, when TensorFlow loads: native start-up messages, and the notice that oneDNN is on.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextlib.contextmanager
def _default_settings() -> Iterator[None]:
    """Hides a user's settings of Keras from the three that load within: they are meant for other programs.

    `keras.json` and `KERAS_*` choose another framework, layout, precision or epsilon than a network for TFLite has, or
    end the import where they are damaged. Each Keras reads them once, when it is imported.
    """
    own = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("KERAS_")}
    try:
        with tempfile.TemporaryDirectory(prefix="batikkit-", ignore_cleanup_errors=True) as empty:
            os.environ.update(KERAS_HOME=empty, KERAS_BACKEND="tensorflow")
            yield
    finally:
        for name in ("KERAS_HOME", "KERAS_BACKEND"):
            os.environ.pop(name, None)
        os.environ.update(own)


try:
    # TensorFlow logs its build options before it reads any setting, and its dependencies warn of deprecations.
    with _default_settings(), warnings.catch_warnings(), quiet_native():
        warnings.simplefilter("ignore")
        import keras as keras3
        import tensorflow as tf
        import tf_keras as keras
except ImportError as error:
    raise MissingExtraError((error.name or "tensorflow").split(".")[0], "train") from error

tf.get_logger().setLevel("ERROR")
if worker_count() < (len(allowed_cpus()) or machine_count()):  # TensorFlow knows no limit but the affinity
    tf.config.threading.set_intra_op_parallelism_threads(worker_count())

__all__ = ["keras", "keras3", "tf"]
