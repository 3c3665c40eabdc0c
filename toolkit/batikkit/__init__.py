"""Batik motif classification, from a folder of photographs to a proven `.tflite` file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batikkit.assets.classifier import Answer, Classifier
    from batikkit.steps.bench import BenchedFiles, bench
    from batikkit.steps.evaluate import EvaluatedModel, evaluate
    from batikkit.steps.export import ExportedFiles, export
    from batikkit.steps.train import TrainedRun, train

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "BenchedFiles",
    "Classifier",
    "EvaluatedModel",
    "ExportedFiles",
    "TrainedRun",
    "__version__",
    "bench",
    "evaluate",
    "export",
    "train",
]  # fmt: skip
_HOMES = {
    "Answer": "batikkit.assets.classifier", "Classifier": "batikkit.assets.classifier",
    "train": "batikkit.steps.train", "TrainedRun": "batikkit.steps.train",
    "evaluate": "batikkit.steps.evaluate", "EvaluatedModel": "batikkit.steps.evaluate",
    "export": "batikkit.steps.export", "ExportedFiles": "batikkit.steps.export",
    "bench": "batikkit.steps.bench", "BenchedFiles": "batikkit.steps.bench",
}  # fmt: skip


def __getattr__(name: str) -> object:
    """What programs use, loaded when asked for: `import batikkit` alone costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'batikkit' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """What completion offers."""
    return sorted(__all__)
