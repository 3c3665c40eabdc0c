"""What a run says of how it came to be: the versions that took part, and the layer table."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from batikkit import atomic
from batikkit.network.keras_backend import keras, tf
from batikkit.network.model import LayerRow

LAYERS_FILE = "layers.csv"


def tool_versions() -> dict[str, str]:
    """Versions of what took part in training or conversion."""
    return {
        "batikkit": metadata.version("batikkit"),
        "tensorflow": tf.__version__,
        "tf_keras": keras.__version__,
        "numpy": np.__version__,
        "python": sys.version.split()[0],
    }


def write_layers(path: Path, rows: Sequence[LayerRow]) -> None:
    """Writes the layer table, one line per layer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("layer", "kind", "output_shape", "parameters", "trained_in_phase_1"))
    for row in rows:
        shape = "x".join(str(n) for n in row.output_shape)
        writer.writerow((row.name, row.kind, shape, row.parameters, "yes" if row.trainable else "no"))
    atomic.write_text(path, text.getvalue())
