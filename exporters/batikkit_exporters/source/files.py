"""Opens model files of strangers: either Keras' files and SavedModel folders, never their code."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from batikkit.errors import InputError, first_line

KINDS = "a .keras or .h5 file, or a SavedModel folder"
_MESSAGE_LENGTH = 200


def open_model_file(path: Path) -> Any:
    """The `keras.Model` of either generation, or what `tf.saved_model.load` gives of a folder.

    Raises:
        InputError: no such file, not a whole model, damaged, or one whose loading would run code that it brings along.
    """
    from batikkit.network.keras_backend import keras, tf

    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise InputError(f"{path} is not a SavedModel (no saved_model.pb): give {KINDS}")
        return _loaded(path, lambda: tf.saved_model.load(str(path)))
    if not path.is_file():
        raise InputError(f"no model at {path}: give {KINDS}")
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        raise InputError(f"{path} is neither .keras nor .h5 nor a SavedModel folder: save the model as one of these")
    config, version = _described(path)
    if any(_is_code(entry) for entry in _entries(config)):
        raise InputError(
            f"{path} has a Lambda layer, which is code that would run here: replace it by a layer of Keras, or give "
            "the model as a SavedModel folder"
        )
    if version.startswith(("0", "1", "2")):
        return _loaded(path, lambda: keras.models.load_model(path, compile=False))
    from batikkit.network.keras_backend import keras3

    return _loaded(path, lambda: keras3.saving.load_model(path, compile=False))


def _loaded(path: Path, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # zip, h5 and both Keras raise their own kinds for damaged or custom files
        raise InputError(
            f"cannot load model {path}: {short(error)}; own layers must be saved as a SavedModel"
        ) from error


def _described(path: Path) -> tuple[Any, str]:
    """What the file says of the model's layers, and which Keras wrote it; both generations use the same suffixes."""
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                version = json.loads(archive.read("metadata.json"))["keras_version"]
                return json.loads(archive.read("config.json")), str(version)
        import h5py

        with h5py.File(path) as file:
            config, version = file.attrs.get("model_config"), file.attrs.get("keras_version", "2")
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a Keras model file: {short(error)}") from error
    if config is None:
        raise InputError(f"{path} holds weights without their network: save the whole model, model.save('net.keras')")
    return json.loads(config), version.decode() if isinstance(version, bytes) else str(version)


def _entries(config: Any) -> Iterator[dict[str, Any]]:
    """All objects of a configuration, however deep."""
    waiting = [config]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, dict):
            yield entry
            waiting.extend(entry.values())
        elif isinstance(entry, list):
            waiting.extend(entry)


def _is_code(entry: dict[str, Any]) -> bool:
    """Lambda layers hold marshalled code; so may any function of a model, under one of these class names."""
    return entry.get("class_name") in ("Lambda", "__lambda__") or entry.get("function_type") == "lambda"


def short(error: BaseException) -> str:
    """A stranger's error in one line that is not too long."""
    return first_line(error)[:_MESSAGE_LENGTH]
