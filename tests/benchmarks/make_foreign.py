"""Builds the files that other people make of the small model: run as `python make_foreign.py FOLDER`, needs TensorFlow.

The same network as `make_export.py`'s, so that its parity pack tells whether a file was fed what it wants, but without
manifests: pixels from -1 to 1, int8 input of that range, uint8 input that low contrast has calibrated, no softmax, NaN.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import make_export
import numpy as np
import tensorflow as tf
import tf_keras as keras

from batikkit.labels import write_labels
from batikkit.network import frozen_graph
from batikkit.parity_pack import write_parity_pack
from batikkit.tflite.metadata import METADATA_SCHEMA
from batikkit_exporters import metadata
from batikkit_exporters.flatbuffer_pack import make_table

SHAPE = (1, make_export.SIZE, make_export.SIZE, 3)


def signed(model: keras.Model) -> keras.Model:
    """The network behind its scaling layer: takes pixels from -1 to 1."""
    source = keras.Input(batch_shape=SHAPE)
    (scaling,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling))
    return keras.Model(source, keras.Model(scaling.output, model.output)(source))


def raw(model: keras.Model) -> keras.Model:
    source = keras.Input(batch_shape=SHAPE)
    return keras.Model(source, model(source))


def without_softmax(model: keras.Model, *, bias: float | None = None) -> keras.Model:
    source = keras.Input(batch_shape=SHAPE)
    head = keras.layers.Dense(len(make_export.LABELS))
    answer = head(keras.Model(model.input, model.layers[-2].output)(source))
    kernel, own = model.layers[-1].get_weights()
    head.set_weights([kernel, own if bias is None else np.full_like(own, bias)])
    return keras.Model(source, answer)


def convert(model: keras.Model, samples: list[np.ndarray] | None = None, dtype: Any = None) -> bytes:
    converter = frozen_graph.converter(frozen_graph.freeze(model))
    if samples is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample[None].astype(np.float32)] for sample in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = dtype
    return bytes(converter.convert())


def told(content: bytes, mean: float, std: float) -> bytes:
    """With NormalizationOptions, as TensorFlow's metadata writers leave them."""
    real: Callable[[tuple[int, ...]], Any] = metadata._image_input

    def image_input(shape: tuple[int, ...]) -> Any:
        table = real(shape)
        options = make_table(
            METADATA_SCHEMA,
            "NormalizationOptions",
            mean=np.array([mean], np.float32),
            std=np.array([std], np.float32),
        )
        unit = make_table(METADATA_SCHEMA, "ProcessUnit", options_type=1, options=options)
        table.values["process_units"] = [unit]
        return table

    metadata._image_input = image_input
    info = metadata.ModelInfo("foreign", "1", "", "", "", make_export.LABELS)
    try:
        return metadata.attach_metadata(content, info=info)
    finally:
        metadata._image_input = real


def main(folder: Path) -> None:
    images, labels = make_export.stripes(150, seed=1)
    model = make_export.build_model(images, labels)
    test, truth = make_export.stripes(90, seed=2)
    probabilities = model.predict(test.astype(np.float32), verbose=0)
    folder.mkdir(parents=True)
    small = [*(images[:12] / 127.5 - 1), np.full(SHAPE[1:], -1.0), np.full(SHAPE[1:], 1.0)]
    pale = [*(60 + images[:12] * 0.5)]
    plain = convert(signed(model))
    files = {
        "signed-float": plain,
        "signed-float-told": told(plain, 127.5, 127.5),
        "signed-int8": convert(signed(model), small, tf.int8),
        "pale-uint8": convert(raw(model), pale, tf.uint8),
        "logits": convert(without_softmax(model)),
        "nan": convert(without_softmax(model, bias=float("nan"))),
    }
    for name, content in files.items():
        (folder / f"{name}.tflite").write_bytes(content)
    write_labels(folder / "labels.txt", make_export.LABELS)
    names = [f"{make_export.LABELS[label]}/{index:03d}.png" for index, label in enumerate(truth)]
    write_parity_pack(
        folder / "parity.npz",
        test,
        labels=truth,
        probabilities=probabilities,
        names=names,
        groups=names,
        image_size=make_export.SIZE,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
