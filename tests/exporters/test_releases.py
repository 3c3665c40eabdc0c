"""The oldest runtime of a file, against what TensorFlow's own converter says of files with the same operators."""

from __future__ import annotations

from pathlib import Path

import pytest

from batikkit.tflite.file import read_tflite
from batikkit_exporters.network.operators import oldest_runtime


@pytest.mark.parametrize("variant", ["float32", "float16", "int8"])
def test_it_is_what_the_converter_records(tflite_models: Path, variant: str) -> None:
    model = read_tflite(tflite_models / f"{variant}.tflite")
    assert oldest_runtime((name, op.version) for name, op in model.ops.items()) == model.min_runtime


def test_the_newest_operator_decides() -> None:
    assert oldest_runtime([("CONV_2D", 3), ("SOFTMAX", 2)]) == "1.14.0"
    assert oldest_runtime([("CONV_2D", 3), ("QUANTIZE", 2)]) == "1.15.0"
    assert oldest_runtime([("QUANTIZE", 2), ("RELU", 2)]) == "2.1.0"  # not the text's order, in which 1.15 is last


def test_an_operator_that_is_not_known_is_no_guess() -> None:
    with pytest.raises(KeyError):
        oldest_runtime([("GELU", 1)])
    with pytest.raises(IndexError):
        oldest_runtime([("RESHAPE", 9)])
