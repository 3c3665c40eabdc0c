"""Models that were trained elsewhere: tf_keras or Keras 3 files, and SavedModel folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.data.prepared import load_dataset
from batikkit.errors import InputError
from batikkit.labels import read_labels
from batikkit.tflite.interpreters import quiet_native
from batikkit_exporters.source.files import KINDS, open_model_file, short
from batikkit_exporters.source.loaded import LoadedNet, Source

RATIOS = (0.6, 0.2, 0.2)
PIXEL_RANGE = (0.0, 255.0)
SMALLEST_SIDE, LARGEST_SIDE = 32, 1024


def source_of_model(
    model: Path,
    *,
    labels: Path,
    data: Path,
    split: Path | None,
    out: Path,
    seed: int,
    input_range: tuple[float, float] = PIXEL_RANGE,
) -> Source:
    """A model that was trained elsewhere.

    Args:
        model: A `.keras` or `.h5` file, or a SavedModel folder.
        labels: Its labels, in output order.
        data: Photographs, one subfolder per motif, to calibrate and to prove on.
        split: Which of them are for what; None deals them anew, copies kept together.
        out: Where exports go.
        seed: Deals them.
        input_range: What the model takes black and white for; the export puts the scaling in front of it.

    Raises:
        InputError: no such file, or photographs of a motif that is no label.
    """
    names = without_numbers(read_labels(labels))
    if not model.exists():
        raise InputError(f"no model at {model}: give {KINDS}")
    rows = load_dataset(data, split_file=split, ratios=RATIOS, seed=seed).rows
    strange = sorted({row.sample.label for row in rows} - set(names))
    if strange:
        raise InputError(f"{data} has photographs of {strange[0]!r}, no label of {labels}: name folders like labels")
    return Source(
        run_id=model.stem,
        model=model,
        labels=names,
        rows=rows,
        root=data,
        folder=out,
        turns=False,
        mirrors=False,
        trained_here=False,
        load=lambda: load_foreign(model, classes=len(names), input_range=input_range),
        scaled_from=input_range,
    )


def without_numbers(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels without the numbers that Teachable Machine writes before them: `0 kawung`, `1 parang`."""
    numbered = [label.split(" ", 1) for label in labels]
    if all(len(parts) == 2 and parts[0] == str(number) for number, parts in enumerate(numbered)):
        return tuple(parts[1] for parts in numbered)
    return labels


def parse_range(text: str) -> tuple[float, float]:
    """`-1,1` as the two numbers.

    Raises:
        InputError: not two numbers, the smaller one first.
    """
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low, high = 0.0, 0.0
    if not low < high:
        raise InputError(f"--input-range {text!r}: give what the model takes black and white for, such as -1,1 or 0,1")
    return low, high


def load_foreign(path: Path, *, classes: int, input_range: tuple[float, float] = PIXEL_RANGE) -> LoadedNet:
    """Loads a model and makes sure that it is an image classifier that ends in softmax.

    Args:
        path: A `.keras` or `.h5` file, or a SavedModel folder.
        classes: Number of labels given with it.
        input_range: What it takes black and white for.

    Raises:
        InputError: cannot be loaded, or is not such a classifier; the message says what it is instead.
    """
    with quiet_native():
        return _load(path, classes, input_range)


def _load(path: Path, classes: int, input_range: tuple[float, float]) -> LoadedNet:
    from batikkit.network.frozen_graph import freeze_function
    from batikkit.network.keras_backend import tf

    model = open_model_file(path)
    shape, call = (_signature(model, path)) if path.is_dir() else (_keras_shape(model, path), _caller(model))
    side = _check_input(shape, path)
    scaled = call if input_range == PIXEL_RANGE else _scaled(call, input_range)
    try:
        probe = np.asarray(scaled(tf.zeros((1, side, side, 3))), np.float32)
        frozen = freeze_function(scaled, (1, side, side, 3))
    except Exception as error:  # TensorFlow raises many kinds
        if "AssignVariableOp" in str(error):
            raise InputError(
                f"{path} keeps the random state of its augmentation, which a file without variables cannot: save the "
                "model with model.save('net.keras') and give that file"
            ) from error
        raise InputError(f"{path} does not run on pixels [1, {side}, {side}, 3]: {short(error)}") from error
    _check_output(probe, scaled, side, path, classes)

    def answer(images: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [images] if shape[0] is None else [image[None] for image in images]
        return np.concatenate([np.asarray(scaled(tf.constant(part)), np.float32) for part in parts])

    return LoadedNet(frozen, answer, side, classes)


def _scaled(call: Any, input_range: tuple[float, float]) -> Any:
    low, high = input_range
    return lambda images: call(images * ((high - low) / 255.0) + low)


def _caller(model: Any) -> Any:
    return lambda images: model(images, training=False)


def _keras_shape(model: Any, path: Path) -> tuple[int | None, ...]:
    inputs, outputs = model.inputs or [], model.outputs or []
    _check_one(len(inputs), len(outputs), path)
    return tuple(inputs[0].shape)


def _check_one(inputs: int, outputs: int, path: Path) -> None:
    if (inputs, outputs) != (1, 1):
        raise InputError(f"{path} has {inputs} inputs and {outputs} outputs: a classifier has one of each")


def _signature(model: Any, path: Path) -> tuple[tuple[int | None, ...], Any]:
    from batikkit.network.keras_backend import tf

    signature = model.signatures.get("serving_default")
    if signature is None:
        raise InputError(f"{path} has no serving_default signature: export it with model.export() or tf.saved_model")
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    _check_one(len(inputs), len(outputs), path)
    (name, spec), result = next(iter(inputs.items())), next(iter(outputs))
    if spec.dtype not in (tf.float32, tf.uint8):
        raise InputError(f"{path} takes {spec.dtype.name} input: give one that takes float32 or uint8 pixels")
    return tuple(spec.shape), lambda images: signature(**{name: tf.cast(images, spec.dtype)})[result]


def _check_input(shape: tuple[int | None, ...], path: Path) -> int:
    text = "x".join("?" if side is None else str(side) for side in shape)
    if len(shape) != 4 or shape[3] != 3:
        raise InputError(f"{path} takes {text}: only RGB images [N, S, S, 3] can be exported")
    if shape[1] is None or shape[1] != shape[2]:
        raise InputError(f"{path} takes {text}: give the model a fixed square input before saving it")
    if path.is_dir() and shape[0] not in (None, 1):  # Keras' own files take any number, whatever they say
        raise InputError(f"{path} takes {text}, {shape[0]} images at a time: save it for any number of images")
    if not SMALLEST_SIDE <= shape[1] <= LARGEST_SIDE:
        raise InputError(f"{path} takes {text}: sides from {SMALLEST_SIDE} to {LARGEST_SIDE} pixels can be exported")
    return shape[1]


def _check_output(probe: Any, call: Any, side: int, path: Path, classes: int) -> None:
    from batikkit.network.keras_backend import tf

    if probe.ndim != 2 or probe.shape[1] != classes:
        cure = "give the label file made for it"
        if probe.ndim == 2 and probe.shape[1] == 1:
            cure = "end it in Dense(2, activation='softmax') and train it again"
        raise InputError(f"{path} answers {list(probe.shape)} for {classes} labels: {cure}")
    noise = np.random.default_rng(0).uniform(0, 255, (3, side, side, 3)).astype(np.float32)
    answers = [np.asarray(call(tf.constant(image[None])), np.float32) for image in noise]
    scores = np.concatenate([probe, *answers])
    sums = scores.sum(axis=1)
    if scores.min() >= 0 and np.allclose(sums, 1, atol=1e-3):
        return
    found = f"{path} does not end in softmax (scores from {scores.min():.3g} to {scores.max():.3g}, sum {sums[0]:.3g})"
    if scores.min() >= 0 and scores.max() <= 1:
        raise InputError(f"{found} but in sigmoids or the like, one for each motif: train it with softmax instead")
    raise InputError(f"{found}: add keras.layers.Softmax() and save it again")
