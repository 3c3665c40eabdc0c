"""What truly ran, and what a phone's delegates would leave, on a real file and on the edges of the rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from batikkit.tflite.file import verify_tflite
from batikkit.tflite.graph import Graph, Operator, Tensor
from batikkit.tflite.runtime import open_model
from batikkit_benchmarks.bench import run_bench
from batikkit_benchmarks.delegates import predict
from batikkit_benchmarks.delegation import Delegation, busy_threads, delegation
from batikkit_benchmarks.plan import Settings
from batikkit_benchmarks.targets import select
from batikkit_benchmarks.validity import what_ran


def node(name: str, inputs: list[int], outputs: list[int]) -> dict[str, object]:
    return {"op_name": name, "inputs": np.array(inputs), "outputs": np.array(outputs)}


CHAIN = [node("QUANTIZE", [0], [1]), node("CONV_2D", [1, 9, 8], [2]), node("MEAN", [2], [3]), node("SOFTMAX", [3], [4])]


def test_what_lies_between_a_delegates_edges_was_taken() -> None:
    assert delegation(CHAIN, operators=4) == Delegation(
        None, 4, 0, {"CONV_2D": 1, "MEAN": 1, "QUANTIZE": 1, "SOFTMAX": 1}
    )
    some = delegation([*CHAIN, node("DELEGATE", [1, 9, 8], [3])], operators=4)
    assert (some.taken, some.left) == (2, {"QUANTIZE": 1, "SOFTMAX": 1})
    assert some.text == "XNNPACK 2 of 4 operators; left: 1 QUANTIZE, 1 SOFTMAX"
    parts = [*CHAIN, node("DELEGATE", [0], [1]), node("DELEGATE", [2], [4])]
    assert delegation(parts, operators=4).left == {"CONV_2D": 1}
    assert delegation([*CHAIN, node("DELEGATE", [0, 9, 8], [4])], operators=4).left == {}
    assert delegation(None, operators=4).text == "the runtime does not tell"


def test_a_branch_that_leaves_the_delegate_is_not_counted_twice() -> None:
    nodes = [node("CONV_2D", [0], [1]), node("RELU", [1], [2]), node("TANH", [1], [3]), node("ADD", [2, 3], [4])]
    assert delegation([*nodes, node("DELEGATE", [0], [4])], operators=4).taken == 4


def test_every_record_says_what_ran(shared_export: Path) -> None:
    *_, report = run_bench(select([shared_export], runs_dir=Path("runs")), Settings(min_runs=200, min_seconds=0.3))
    found = {result.variant: result for result in report.results}
    for variant in ("float32", "float16"):
        ran = found[variant].delegation
        assert ran is not None
        assert ran.taken == ran.total == found[variant].predictions["GPU"].total
        assert not any("fast path" in note for note in found[variant].notes)
    int8 = found["int8"].delegation
    assert int8 is not None
    assert int8.taken is not None
    assert int8.taken + sum(int8.left.values()) == int8.total
    assert any(note.startswith("not all on the fast path") for note in found["int8"].notes) == bool(int8.left)
    if int8.threads_busy is not None:
        assert int8.threads_busy == 1


def test_the_runtime_lists_what_the_file_holds(shared_export: Path) -> None:
    """Without its delegates' nodes, the list is the file's own: so the shares count the right thing."""
    path = shared_export / "int8.tflite"
    nodes = open_model(path).nodes()
    assert nodes is not None
    names = sorted(str(entry["op_name"]) for entry in nodes if entry["op_name"] != "DELEGATE")
    _, graphs = verify_tflite(path.read_bytes(), name="int8")
    assert names == sorted(operator.name for operator in graphs[0].operators)


def test_threads_that_did_not_join_in_are_told() -> None:
    assert busy_threads({"1": 0}, {"1": 900, "2": 300, "3": 1}, 1000) == 2
    assert busy_threads({}, {}, 1000) is None
    assert what_ran(Delegation("XNNPACK", 3, 3, {}, 1), 4) == ("4 threads asked for, 1 computed",)
    assert what_ran(Delegation("XNNPACK", 3, 3, {}, 4), 4) == ()


def tensor(
    dtype: str = "float32", *, scale: float = 0.0, data: bool = False, shape: tuple[int, ...] = (1, 4, 4, 8)
) -> Tensor:
    scales = np.array([scale] if scale else [], np.float32)
    content = np.zeros(8, np.uint8) if data else None
    return Tensor(0, "t", shape, dtype, scales, np.zeros(len(scales), np.int64), 0, content, False, True)


def left(name: str, inputs: list[Tensor], output: Tensor, *, version: int = 1) -> tuple[list[str], list[str]]:
    """What GPU and NNAPI would leave of one operator."""
    operator = Operator(0, name, version, tuple(inputs), (output,), None, 0)
    found = predict(Graph((), (), (), (operator,)))
    return list(found["GPU"].left), list(found["NNAPI"].left)


def test_the_tables_hold_at_their_edges() -> None:
    axes = tensor("int32", data=True, shape=(2,))
    assert left("MEAN", [tensor(), axes], tensor()) == ([], [])
    assert left("MEAN", [tensor(), tensor("int32")], tensor())[0] == ["MEAN: axes are no constant"]
    unlike = left("MEAN", [tensor("int8", scale=0.1), axes], tensor("int8", scale=0.2))
    assert unlike == ([], ["MEAN: input and output differ in scale"])
    weights = tensor("int8", scale=0.1, data=True)
    dense = left("FULLY_CONNECTED", [tensor(), weights], tensor(), version=12)  # what dynamic range gives today
    assert dense == ([], ["FULLY_CONNECTED: version 12, at most 5"])
    assert left("CONV_2D", [tensor(), weights], tensor()) == ([], ["CONV_2D: no bias"])
    wide = left(
        "CONV_2D", [tensor("int16", scale=0.1), weights, tensor("int64", data=True)], tensor("int16", scale=0.1)
    )
    assert wide == (["CONV_2D: int16 activations"], ["CONV_2D: int16 activations"])
    half = tensor("float16", data=True)
    assert left("DEQUANTIZE", [half], tensor(), version=3) == ([], [])
    assert left("DEQUANTIZE", [tensor("float16")], tensor(), version=3)[1] == ["DEQUANTIZE: float16 activations"]
    assert left("CUSTOM:mine", [tensor()], tensor()) == (["CUSTOM:mine: not in its table"],) * 2


def test_the_pieces_a_network_falls_into_are_counted(shared_export: Path) -> None:
    fine = Operator(0, "RELU", 1, (tensor(),), (tensor(),), None, 0)
    odd = Operator(1, "CUSTOM:mine", 1, (tensor(),), (tensor(),), None, 0)
    found = predict(Graph((), (), (), (fine, odd, fine, fine, odd)))["GPU"]
    assert (found.total, found.parts, found.left) == (5, 2, {"CUSTOM:mine: not in its table": 2})
    assert found.text == "3 of 5 in 2 part(s); on the CPU: 2 CUSTOM:mine: not in its table"
    _, graphs = verify_tflite((shared_export / "float32.tflite").read_bytes(), name="f")
    assert predict(graphs[0])["GPU"].text == f"all {len(graphs[0].operators)} operators"


@pytest.mark.parametrize("variant", ["float32", "float16", "int8"])
def test_a_phone_takes_what_is_shipped(shared_export: Path, variant: str) -> None:
    _, graphs = verify_tflite((shared_export / f"{variant}.tflite").read_bytes(), name=variant)
    assert predict(graphs[0])["GPU"].left == {}
