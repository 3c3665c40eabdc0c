"""`layers.csv`: the layer table, one line per layer."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from batikkit.network.model import LayerRow


def encode_layers(rows: Sequence[LayerRow]) -> str:
    """The CSV text of a model's layer table as phase 1 trains it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("layer", "kind", "output_shape", "parameters", "trained_in_phase_1"))
    for row in rows:
        shape = "x".join(str(n) for n in row.output_shape)
        writer.writerow((row.name, row.kind, shape, row.parameters, "yes" if row.trainable else "no"))
    return text.getvalue()
