"""Event files for TensorBoard, under the names that Keras' own callback uses.

`tf.summary.scalar` imports the `tensorboard` package; the writer itself does not, so that the package is needed only
where the curves are looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from batikkit.network.keras_backend import tf
from batikkit.runs.history import Epoch

_TAGS = {
    "train": {"epoch_loss": "loss", "epoch_accuracy": "accuracy", "epoch_learning_rate": "learning_rate"},
    "validation": {"epoch_loss": "val_loss", "epoch_accuracy": "val_accuracy"},
}
"""Sub-folder -> tag -> column of the history. Equal tags in two folders are drawn into one chart."""


class TensorBoard:
    """Writes one point per curve and epoch into `folder`/train and `folder`/validation."""

    def __init__(self, folder: Path) -> None:
        self._writers = {name: tf.summary.create_file_writer(str(folder / name)) for name in _TAGS}

    def write(self, epoch: Epoch) -> None:
        """Adds one line of the history and flushes it to disk."""
        for name, writer in self._writers.items():
            with writer.as_default():
                for tag, column in _TAGS[name].items():
                    tf.summary.write(
                        tag, tf.constant(getattr(epoch, column), tf.float32), epoch.epoch, metadata=_scalars()
                    )
            writer.flush()


def _scalars() -> Any:
    """Tells TensorBoard to draw the value as a curve."""
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"
    # DATA_CLASS_SCALAR, whose enumeration has no public name.
    metadata.data_class = 1
    return metadata
