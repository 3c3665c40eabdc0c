"""One converted file stands for all image sizes: its bytes with other shapes are those of another conversion."""

from __future__ import annotations

import numpy as np
import pytest

from batikkit.errors import InputError
from batikkit.fit.candidates import IMAGE_SIZES, Candidate
from batikkit.tflite.file import verify_tflite
from batikkit.tflite.resized import resized

pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def files(untrained: dict[str, bytes]) -> dict[int, dict[str, bytes]]:
    from batikkit_exporters.export.untrained import untrained_files

    larger = untrained_files(Candidate("mobilenet-v2", 0.35, 160), ("across", "diagonal", "upright"))
    return {96: untrained, 160: larger}


def _facts(content: bytes) -> list[object]:
    _, (graph, *_) = verify_tflite(content, name="x")
    tensors = [(t.name, t.shape, t.dtype, None if t.data is None else t.data.tobytes()) for t in graph.tensors]
    operators = [
        (o.name, o.version, [t and t.index for t in o.inputs], [t and t.index for t in o.outputs])
        for o in graph.operators
    ]
    return [tensors, operators]


@pytest.mark.parametrize("variant", ["float16", "int8"])
def test_a_resized_file_is_the_one_converted_at_that_size(files: dict[int, dict[str, bytes]], variant: str) -> None:
    small, large = files[96][variant], files[160][variant]
    assert len(small) == len(large)
    assert _facts(resized(small, 160)) == _facts(large)
    assert resized(resized(small, 160), 96) == small
    assert _facts(small) != _facts(large)


@pytest.mark.parametrize("variant", ["float16", "int8"])
def test_it_runs_at_every_size(files: dict[int, dict[str, bytes]], variant: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    for side in IMAGE_SIZES:
        interpreter = Interpreter(model_content=resized(files[96][variant], side))
        interpreter.allocate_tensors()
        source, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        assert source["shape"].tolist() == [1, side, side, 3]
        interpreter.set_tensor(source["index"], np.full((1, side, side, 3), 100, source["dtype"]))
        interpreter.invoke()
        assert interpreter.get_tensor(answer["index"]).sum() == pytest.approx(1, abs=0.05)


def test_what_does_not_follow_is_refused(files: dict[int, dict[str, bytes]]) -> None:
    content = files[96]["int8"]
    for side in (100, 0, -32):
        with pytest.raises(InputError, match="give a multiple of 32"):
            resized(content, side)
    with pytest.raises(InputError, match="odd: truncated or damaged"):
        resized(content[: len(content) // 2], 128, name="odd")
    odd = bytearray(content)
    shape = np.array([1, 96, 96, 3], "<i4").tobytes()
    place = bytes(odd).index(shape)
    odd[place + 4 : place + 12] = np.array([128, 128], "<i4").tobytes()  # an input that the layers do not follow
    with pytest.raises(InputError):
        resized(bytes(odd), 160)
