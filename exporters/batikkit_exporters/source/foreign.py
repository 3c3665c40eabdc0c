"""Models that were trained elsewhere: tf_keras or Keras 3 files, and SavedModel folders."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from batikkit.data.prepared import load_dataset
from batikkit.errors import InputError, first_line
from batikkit.labels import read_labels
from batikkit_exporters.source.loaded import LoadedNet, Source

RATIOS = (0.6, 0.2, 0.2)
SMALLEST_SIDE, LARGEST_SIDE = 32, 1024
_MESSAGE_LENGTH = 200


def source_of_model(model: Path, *, labels: Path, data: Path, split: Path | None, out: Path, seed: int) -> Source:
    """A model that was trained elsewhere.

    Args:
        model: A `.keras` or `.h5` file, or a SavedModel folder.
        labels: Its labels, in output order.
        data: Photographs, one subfolder per motif, to calibrate and to prove on.
        split: Which of them are for what; None deals them anew, copies kept together.
        out: Where exports go.
        seed: Deals them.

    Raises:
        InputError: no such file, or photographs of a motif that is no label.
    """
    names = read_labels(labels)
    if not model.exists():
        raise InputError(f"no model at {model}: give a .keras or .h5 file, or a SavedModel folder")
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
        load=lambda: load_foreign(model, classes=len(names)),
    )


def load_foreign(path: Path, *, classes: int) -> LoadedNet:
    """Loads a model and makes sure that it is an image classifier over raw pixels that ends in softmax.

    Args:
        path: A `.keras` or `.h5` file, or a SavedModel folder.
        classes: Number of labels given with it.

    Raises:
        InputError: cannot be loaded, or is not such a classifier; the message says what it is instead.
    """
    from batikkit.network.frozen_graph import freeze_function
    from batikkit.network.keras_backend import tf

    model = _load(path)
    shape, call = (_signature(model, path)) if path.is_dir() else (_keras_shape(model, path), _caller(model))
    side = _check_input(shape, path)
    try:
        frozen = freeze_function(call, (1, side, side, 3))
        probe = np.asarray(call(tf.zeros((1, side, side, 3))), np.float32)
    except Exception as error:  # TensorFlow raises many kinds
        raise InputError(f"{path} does not run on pixels [1, {side}, {side}, 3]: {_short(error)}") from error
    _check_output(probe, call, side, path, classes)
    return LoadedNet(frozen, lambda images: np.asarray(call(tf.constant(images)), np.float32), side, classes)


def _load(path: Path) -> Any:
    from batikkit.network.keras_backend import keras, tf

    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise InputError(f"{path} is not a SavedModel (no saved_model.pb): give a .keras, .h5 or SavedModel")
        return _loaded(path, lambda: tf.saved_model.load(str(path)))
    if not path.is_file():
        raise InputError(f"no model at {path}: give a .keras or .h5 file, or a SavedModel folder")
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        raise InputError(f"{path} is neither .keras nor .h5 nor a SavedModel folder: save the model as one of these")
    if _is_keras3(path):
        import keras as keras3

        return _loaded(path, lambda: keras3.saving.load_model(path, compile=False))
    return _loaded(path, lambda: keras.models.load_model(path, compile=False))


def _loaded(path: Path, load: Any) -> Any:
    try:
        return load()
    except Exception as error:  # zip, h5 and both Keras raise their own kinds for damaged or custom files
        raise InputError(
            f"cannot load model {path}: {_short(error)}; own layers must be saved as a SavedModel"
        ) from error


def _is_keras3(path: Path) -> bool:
    """Whether Keras 3 wrote the file; both generations use the same suffixes."""
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                version = json.loads(archive.read("metadata.json"))["keras_version"]
        else:
            import h5py

            with h5py.File(path) as file:
                version = file.attrs.get("keras_version", "2")
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a Keras model file: {_short(error)}") from error
    text = version.decode() if isinstance(version, bytes) else str(version)
    return int(text.split(".")[0]) >= 3


def _caller(model: Any) -> Any:
    return lambda images: model(images, training=False)


def _keras_shape(model: Any, path: Path) -> tuple[int | None, ...]:
    inputs, outputs = model.inputs or [], model.outputs or []
    if len(inputs) != 1 or len(outputs) != 1:
        raise InputError(f"{path} has {len(inputs)} inputs and {len(outputs)} outputs: a classifier has one of each")
    return tuple(inputs[0].shape)


def _signature(model: Any, path: Path) -> tuple[tuple[int | None, ...], Any]:
    signature = model.signatures.get("serving_default")
    if signature is None:
        raise InputError(f"{path} has no serving_default signature: export it with model.export() or tf.saved_model")
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise InputError(f"{path} has {len(inputs)} inputs and {len(outputs)} outputs: a classifier has one of each")
    from batikkit.network.keras_backend import tf

    (name, spec), result = next(iter(inputs.items())), next(iter(outputs))
    if spec.dtype != tf.float32:
        raise InputError(f"{path} takes {spec.dtype.name} input: its input must be float32 pixels 0..255")
    return tuple(spec.shape), lambda images: signature(**{name: images})[result]


def _check_input(shape: tuple[int | None, ...], path: Path) -> int:
    text = "x".join("?" if side is None else str(side) for side in shape)
    if len(shape) != 4 or shape[3] != 3:
        raise InputError(f"{path} takes {text}: only RGB images [N, S, S, 3] can be exported")
    if shape[1] is None or shape[1] != shape[2]:
        raise InputError(f"{path} takes {text}: give the model a fixed square input before saving it")
    if not SMALLEST_SIDE <= shape[1] <= LARGEST_SIDE:
        raise InputError(f"{path} takes {text}: sides from {SMALLEST_SIDE} to {LARGEST_SIDE} pixels can be exported")
    return shape[1]


def _check_output(probe: Any, call: Any, side: int, path: Path, classes: int) -> None:
    if probe.ndim != 2 or probe.shape[1] != classes:
        raise InputError(f"{path} answers {list(probe.shape)} for {classes} labels: give the label file made for it")
    from batikkit.network.keras_backend import tf

    noise = np.random.default_rng(0).uniform(0, 255, (4, side, side, 3)).astype(np.float32)
    scores = np.asarray(call(tf.constant(noise)), np.float32)
    if scores.min() < 0 or not np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        raise InputError(
            f"{path} does not end in softmax (scores from {scores.min():.3g} to {scores.max():.3g}, sum "
            f"{scores[0].sum():.3g}): add keras.layers.Softmax() and save it again"
        )


def _short(error: BaseException) -> str:
    return first_line(error)[:_MESSAGE_LENGTH]
