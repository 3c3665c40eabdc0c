"""MediaPipe's ImageClassifier as the tests ask it: in an interpreter of its own, which no requirement of ours fits."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PYTHON = Path(
    os.environ.get("BATIKKIT_MEDIAPIPE_PYTHON", Path(__file__).resolve().parents[1] / ".venv-mediapipe/bin/python")
)
SCRIPT = Path(__file__).with_name("mediapipe_classify.py")


def classify(model: Path, images: Sequence[Path], *arguments: str) -> dict[str, Any]:
    """What `mediapipe_classify.py` prints of a model and images."""
    if not PYTHON.exists():
        pytest.skip(f"no {PYTHON}: make it with python3 -m venv .venv-mediapipe and pip install mediapipe pillow")
    command = [str(PYTHON), str(SCRIPT), str(model), *map(str, images), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def score_table(found: dict[str, Any]) -> np.ndarray:
    """float64 [N, C] of what `classify` found."""
    return np.array([[category["score"] for category in image] for image in found["scores"]])


def saved(folder: Path, pixels: Sequence[np.ndarray]) -> list[Path]:
    """PNG files of pictures uint8 [H, W, 3]."""
    paths = [folder / f"{index}.png" for index in range(len(pixels))]
    for path, picture in zip(paths, pixels, strict=True):
        Image.fromarray(picture).save(path)
    return paths
