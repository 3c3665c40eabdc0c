"""What is exported, in the same terms wherever it was trained: a model with its labels, photographs and place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.data.split import SplitRow, encode_split
from batikkit.evaluation.predictions import Predictions
from batikkit.labels import labels_sha256

ANSWER_BATCH = 4
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
        other: What the output "other" is added from, beside the model; None where there is none.
        load: Loads the model; imports TensorFlow.
        recorded: What the model said of the test photographs when it was trained, where that is known.
        scaled_from: What a foreign model takes black and white for.
        caution: What whoever reads a figure of the test photographs must know; empty when there is nothing.
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
    other: Path | None = None
    recorded: Predictions | None = None
    scaled_from: tuple[float, float] | None = None
    caution: str = ""

    def sha256(self) -> str:
        """Hash over the model, its scaling, its labels and its split, hex."""
        parts = (
            model_sha256(self.model), labels_sha256(self.labels), self.split_sha256(), str(self.scaled_from or ""),
            *([model_sha256(self.other)] if self.other else []),
        )  # fmt: skip
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    def split_sha256(self) -> str:
        """Ties an export to the photographs behind it, hex."""
        return hashlib.sha256(encode_split(self.rows)).hexdigest()


def model_sha256(path: Path) -> str:
    """Hash of a model file, or of all files of a SavedModel folder, hex."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(path).as_posix().encode() + b"\0" if path.is_dir() else b"")
        digest.update(file.read_bytes())
    return digest.hexdigest()
