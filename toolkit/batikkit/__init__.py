"""Batik motif classification, from a folder of photographs to a proven `.tflite` file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batikkit.assets.classifier import Answer, Classifier

__version__ = "0.1.0"
__all__ = ["Answer", "Classifier", "__version__"]


def __getattr__(name: str) -> object:
    """What programs use, loaded when asked for: `import batikkit` alone costs nothing."""
    if name not in ("Answer", "Classifier"):
        raise AttributeError(f"module 'batikkit' has no attribute {name!r}")
    from batikkit.assets import classifier

    return getattr(classifier, name)
