"""Equal scores: the first label is named first, by `predict`, the demo, golden vectors, `argmax` and the apps alike."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit.evaluation.predict import Classifier
from batikkit.metrics import best_first
from batikkit.tflite.interpreters import probe_model

ROOT = Path(__file__).resolve().parents[2]
LABELS = ("kawung", "parang", "truntum")


@pytest.mark.parametrize(
    ("colour", "expected"), [((9, 9, 9), (0, 1, 2)), ((0, 9, 9), (1, 2, 0)), ((9, 0, 9), (0, 2, 1))]
)
def test_predict_names_the_first_of_equals_first(
    tmp_path: Path, colour: tuple[int, int, int], expected: tuple[int, ...]
) -> None:
    """The built-in model answers a picture of one pixel with the softmax of its three channels."""
    (tmp_path / "model.tflite").write_bytes(probe_model())
    (tmp_path / "labels.txt").write_text("\n".join(LABELS) + "\n")
    Image.new("RGB", (1, 1), colour).save(tmp_path / "pixel.png")
    (prediction,) = Classifier(tmp_path / "model.tflite").predict([tmp_path / "pixel.png"])
    assert [guess.label for guess in prediction.guesses] == [LABELS[i] for i in expected]


def test_the_first_of_the_ranking_is_the_one_that_argmax_takes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        scores = rng.integers(0, 4, 6).astype(np.float32) / 4
        ranking = best_first(scores)
        assert ranking[0] == scores.argmax()
        assert ranking.tolist() == sorted(range(6), key=lambda index: (-scores[index], index))


def test_nothing_ranks_scores_another_way() -> None:
    for source in ("toolkit/batikkit", "exporters/batikkit_exporters", "benchmarks/batikkit_benchmarks"):
        for file in (ROOT / source).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"argsort\([^)]*\)\s*\[\s*::\s*-1|np\.flip\(.*argsort|argpartition", text), file
