"""What is exported: a trained run, or a model that was trained elsewhere; both in the same terms."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit import runs
from batikkit.config import read_config
from batikkit.data.prepared import load_dataset
from batikkit.data.split import SPLIT_FILE, SplitRow, encode_split, read_split
from batikkit.errors import InputError
from batikkit.labels import LABELS_FILE, read_labels

ANSWER_BATCH = 4
FOREIGN_RATIOS = (0.6, 0.2, 0.2)
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LoadedNet:
    """A model in memory.

    Attributes:
        frozen: `tf.ConcreteFunction` without variables, float32 [1, S, S, 3] 0..255 -> float32 [1, C].
        answer: The framework's own answer to float32 [N, S, S, 3], N at most `ANSWER_BATCH`.
        image_size: S.
        classes: C.
        keras: The `tf_keras.Model`, for what trains it further; None for a model that was made elsewhere.
    """

    frozen: Any
    answer: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    image_size: int
    classes: int
    keras: Any = None

    def answers(self, images: Pixels) -> NDArray[np.float32]:
        """Probabilities float32 [N, C] of uint8 [N, S, S, 3]."""
        starts = range(0, len(images), ANSWER_BATCH)
        return np.concatenate([self.answer(images[s : s + ANSWER_BATCH].astype(np.float32)) for s in starts])


@dataclass(frozen=True, eq=False)
class Source:
    """A model file with what is needed to prove its exports.

    Attributes:
        run_id: Names it in manifests and metadata.
        model: The model file or folder.
        labels: In output order.
        rows: Which photographs belong to which split.
        root: The photographs' folder.
        folder: Where exports go.
        turns: The network was trained to take quarter turns for the same motif; `mirrors`: mirror images.
        trained_here: False for a foreign model, of which nobody can say what it was trained on.
        load: Loads the model; imports TensorFlow.
    """

    run_id: str
    model: Path
    labels: tuple[str, ...]
    rows: tuple[SplitRow, ...]
    root: Path
    folder: Path
    turns: bool
    mirrors: bool
    trained_here: bool
    load: Callable[[], LoadedNet]

    def split_sha256(self) -> str:
        """Ties an export to the photographs behind it, hex."""
        return hashlib.sha256(encode_split(self.rows)).hexdigest()


def source_of_run(run: Path, *, data: Path | None = None) -> Source:
    """A trained run.

    Args:
        run: Its folder.
        data: The photographs' folder, if it moved since.

    Raises:
        InputError: no model, or no photographs.
    """
    model = runs.model_file(run)
    config = read_config(run / runs.CONFIG_FILE)
    root = data or Path(runs.read_run(run)["data"]["root"])
    if not root.is_dir():
        raise InputError(f"the photographs of {run} are not at {root}: name their folder with --data DIR")
    return Source(
        run_id=run.name,
        model=model,
        labels=read_labels(run / LABELS_FILE),
        rows=read_split(run / SPLIT_FILE),
        root=root,
        folder=run / runs.EXPORT_FOLDER,
        turns=config.quarter_turns,
        mirrors=config.flips != "none",
        trained_here=True,
        load=lambda: _load_run(model, config.image_size),
    )


def _load_run(model: Path, image_size: int) -> LoadedNet:
    from batikkit.network.frozen_graph import freeze
    from batikkit.network.model import load_model

    net = load_model(model)
    return LoadedNet(
        frozen=freeze(net),
        answer=lambda images: np.asarray(net(images, training=False).numpy(), np.float32),
        image_size=image_size,
        classes=int(net.output.shape[-1]),
        keras=net,
    )


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
    rows = load_dataset(data, split_file=split, ratios=FOREIGN_RATIOS, seed=seed).rows
    strange = sorted({row.sample.label for row in rows} - set(names))
    if strange:
        raise InputError(f"{data} has photographs of {strange[0]!r}, no label of {labels}: name folders like labels")

    def load() -> LoadedNet:
        from batikkit_exporters.foreign import load_foreign

        return load_foreign(model, classes=len(names))

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
        load=load,
    )


def model_sha256(path: Path) -> str:
    """Hash of a model file, or of all files of a SavedModel folder, hex."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(path).as_posix().encode() + b"\0" if path.is_dir() else b"")
        digest.update(file.read_bytes())
    return digest.hexdigest()
