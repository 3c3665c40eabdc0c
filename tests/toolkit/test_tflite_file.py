"""The gate in front of every runtime: real files pass and are described; damaged ones are refused in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from batikkit.errors import InputError
from batikkit.tflite.file import OpInfo, read_tflite, verify_tflite
from batikkit.tflite.flatbuffer import Table, read_flatbuffer
from batikkit.tflite.schema import BUILTIN_OPERATORS, SCHEMA, TENSOR_TYPES, operator_name
from batikkit_exporters.flatbuffer_pack import _SLOTS, make_table, pack_flatbuffer

Edit = Callable[[Table], object]


def test_float32_is_described(tflite_models: Path) -> None:
    model = read_tflite(tflite_models / "float32.tflite")
    (source,), (scores,) = model.inputs, model.outputs
    assert (source.shape, source.dtype, source.scale) == ((1, 96, 96, 3), "float32", None)
    assert (scores.shape, scores.dtype) == ((1, 5), "float32")
    assert model.ops["CONV_2D"] == OpInfo(version=1, count=35)
    assert model.ops["DEPTHWISE_CONV_2D"].count == 17
    assert model.size_bytes == (tflite_models / "float32.tflite").stat().st_size
    assert not model.integer_only
    assert len(model.non_integer) == sum(op.count for op in model.ops.values())
    assert source.name in model.float_tensors


def test_int8_is_integer_only_with_exact_input(tflite_models: Path) -> None:
    model = read_tflite(tflite_models / "int8.tflite")
    assert (model.inputs[0].dtype, model.inputs[0].zero_point) == ("uint8", 0)
    assert model.inputs[0].scale == pytest.approx(1.0, abs=1e-6)
    assert model.outputs[0].dtype == "float32"
    assert model.integer_only
    assert model.non_integer == ()
    # Only the declared output is float.
    assert model.float_tensors == (model.outputs[0].name,)
    assert any(tensor.constant and tensor.scales > 1 for tensor in model.tensors)


@pytest.mark.parametrize("variant", ["float16", "dynamic"])
def test_other_variants_are_not_integer_only(tflite_models: Path, variant: str) -> None:
    model = read_tflite(tflite_models / f"{variant}.tflite")
    assert not model.integer_only
    assert all("(float32)" in line or "(float16)" in line for line in model.non_integer)


def test_converter_metadata_is_read(tflite_models: Path) -> None:
    dynamic = read_tflite(tflite_models / "dynamic.tflite")
    assert dynamic.min_runtime == "2.17.0"
    assert dynamic.ops["FULLY_CONNECTED"].version == 12
    assert dynamic.metadata["min_runtime_version"].startswith(b"2.17.0\0")
    assert read_tflite(tflite_models / "int8.tflite").min_runtime == "1.14.0"


def test_every_valid_file_is_accepted(tflite_models: Path) -> None:
    """What the converter makes of many operators, dynamic shapes and several graphs passes."""
    found = {path.stem: set(read_tflite(path).ops) for path in (tflite_models / "others").glob("*.tflite")}
    assert {"WHILE", "IF", "TRANSPOSE_CONV", "STRIDED_SLICE", "TOPK_V2", "RESIZE_BILINEAR"} <= set().union(
        *found.values()
    )
    assert len(found) == 13
    assert read_tflite(tflite_models / "others/classifier-int16x8.tflite").integer_only


def test_described_as_the_runtime_does(tflite_models: Path) -> None:
    """Tensor names, shapes, types and quantization agree with LiteRT's own reading."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    for path in tflite_models.glob("*.tflite"):
        model = read_tflite(path)
        interpreter = litert.Interpreter(model_path=str(path), num_threads=1)
        sides = ((model.inputs, interpreter.get_input_details()), (model.outputs, interpreter.get_output_details()))
        for ours, theirs in sides:
            for tensor, detail in zip(ours, theirs, strict=True):
                assert (tensor.index, tensor.name, tensor.dtype) == (
                    detail["index"],
                    detail["name"],
                    np.dtype(detail["dtype"]).name,
                )
                assert tensor.shape == tuple(detail["shape"])
                assert (tensor.scale or 0.0, tensor.zero_point or 0) == detail["quantization"]


def test_schema_agrees_with_the_published_one() -> None:
    published = pytest.importorskip("ai_edge_litert.schema_py_generated")
    assert {name: code for name, code in vars(published.BuiltinOperator).items() if isinstance(code, int)} == {
        name: code for code, name in enumerate(BUILTIN_OPERATORS)
    }
    assert [name.lower() for name in vars(published.TensorType) if name.isupper()] == list(TENSOR_TYPES)
    for union in ("BuiltinOptions", "BuiltinOptions2", "QuantizationDetails", "SparseIndexVector"):
        members = {code: name for name, code in vars(getattr(published, union)).items() if isinstance(code, int)}
        assert SCHEMA.unions[union] == tuple(members[code] for code in sorted(members) if code)
    for name, fields in SCHEMA.tables.items():
        started = _Recorder()
        getattr(published, f"{name}Start")(started)
        assert started.calls == [("StartObject", len(fields))], name
        for slot, field in enumerate(fields):
            if field.kind == "deprecated":
                continue
            written = _Recorder()
            camel = "".join(part[:1].upper() + part[1:] for part in field.name.split("_"))
            getattr(published, f"{name}Add{camel}")(written, 0)
            kind = f"Prepend{_SLOTS[field.target]}Slot" if field.kind == "scalar" else "PrependUOffsetTRelativeSlot"
            default = field.default if field.kind == "scalar" else 0
            assert written.calls == [(kind, slot, 0, default)], f"{name}.{field.name}"


class _Recorder:
    """Stands for a builder: what the published code would write, and where."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def __getattr__(self, name: str) -> object:
        return lambda *values: self.calls.append((name, *values))


def test_operator_codes_newer_than_the_table_get_a_name() -> None:
    assert operator_name(3) == "CONV_2D"
    assert operator_name(9999) == "BUILTIN_9999"


# What a user may hand over by mistake.


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_tflite(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert ";" in message, "the message says what to do next"
    return message


def test_absent_folder_empty_and_foreign_files(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "absent.tflite")
    assert "not a file" in refused(tmp_path)
    for name, content, said in (
        ("empty.tflite", b"", "empty"),
        ("photo.tflite", b"\xff\xd8\xff\xe0 a photograph", "not a TFLite file"),
        ("short.tflite", b"\x1c\0\0\0TF", "not a TFLite file"),
        ("head.tflite", b"\x1c\0\0\0TFL3", "truncated or damaged"),
    ):
        (tmp_path / name).write_bytes(content)
        assert said in refused(tmp_path / name)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_truncated_files(tflite_models: Path, tmp_path: Path, kept: float) -> None:
    data = (tflite_models / "float32.tflite").read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(data[: int(len(data) * kept)])
    assert "truncated or damaged" in refused(path)


# Well-formed flatbuffers that say what no runtime survives: each is a real model with one thing changed.


def operators(model: Table, name: str) -> list[Table]:
    codes = [operator_name(code.integer("builtin_code")) for code in model.tables("operator_codes")]
    graph = model.tables("subgraphs")[0]
    return [op for op in graph.tables("operators") if codes[op.integer("opcode_index")] == name]


def tensor(model: Table, operator: Table, position: int) -> Table:
    return model.tables("subgraphs")[0].tables("tensors")[operator.integers("inputs")[position]]


def option(name: str, field: str, value: int) -> Edit:
    return lambda model: operators(model, name)[0].values["builtin_options"].values.update({field: value})


def replace(table: Table | None, field: str, value: object) -> None:
    assert table is not None
    assert field in table.values
    table.values[field] = value


def weights_quantization(model: Table) -> Table | None:
    return tensor(model, operators(model, "CONV_2D")[0], 1).table("quantization")


def swap_first_operators(model: Table) -> None:
    graph = model.tables("subgraphs")[0]
    ops = graph.tables("operators")
    replace(graph, "operators", [ops[-1], *ops[1:-1], ops[0]])


EDITS: dict[str, tuple[Edit, str]] = {
    "version": (lambda m: replace(m, "version", 2), "schema version is 2"),
    "no graph": (lambda m: replace(m, "subgraphs", []), "holds no graph"),
    "tensor index": (
        lambda m: replace(operators(m, "CONV_2D")[0], "inputs", np.array([0, 9999, 1], np.int32)),
        "name tensor 9999",
    ),
    "graph output": (
        lambda m: replace(m.tables("subgraphs")[0], "outputs", np.array([-1], np.int32)),
        "graph outputs name tensor -1",
    ),
    "operator code": (lambda m: replace(operators(m, "CONV_2D")[0], "opcode_index", 99), "operator code 99"),
    "buffer index": (
        lambda m: replace(tensor(m, operators(m, "CONV_2D")[0], 1), "buffer", 99_999),
        "buffer 99999 is used",
    ),
    "short constant": (
        lambda m: replace(tensor(m, operators(m, "CONV_2D")[0], 1), "shape", np.array([16, 3, 3, 4], np.int32)),
        "bytes but has",
    ),
    "negative shape": (
        lambda m: replace(tensor(m, operators(m, "ADD")[-1], 0), "shape", np.array([1, -3, 3, 56], np.int32)),
        "impossible shape",
    ),
    "huge shape": (
        lambda m: replace(tensor(m, operators(m, "ADD")[-1], 0), "shape", np.array([1, 1 << 20, 1 << 20, 9], np.int32)),
        "would take",
    ),
    "unknown type": (lambda m: replace(tensor(m, operators(m, "ADD")[-1], 0), "type", 77), "unknown type 77"),
    "order": (swap_first_operators, "before it is computed"),
    "state": (lambda m: replace(tensor(m, operators(m, "ADD")[-1], 0), "is_variable", 1), "writes the state"),
    "stride 0": (option("CONV_2D", "stride_w", 0), "stride_w 0"),
    "dilation": (option("DEPTHWISE_CONV_2D", "dilation_h_factor", -1), "dilation_h_factor -1"),
    "padding": (option("CONV_2D", "padding", 5), "unknown padding 5"),
    "activation": (option("ADD", "fused_activation_function", 99), "unknown activation 99"),
    "multiplier": (option("DEPTHWISE_CONV_2D", "depth_multiplier", 7), "with multiplier 7"),
    "options of another": (
        lambda m: operators(m, "CONV_2D")[0].values.update(
            builtin_options=make_table(SCHEMA, "AddOptions"), builtin_options_type=11
        ),
        "carries AddOptions instead of Conv2DOptions",
    ),
    "no options": (
        lambda m: operators(m, "SOFTMAX")[0].values.update(builtin_options=None, builtin_options_type=0),
        "lacks its SoftmaxOptions",
    ),
    "axis": (
        lambda m: replace(
            m.tables("buffers")[tensor(m, operators(m, "MEAN")[0], 1).integer("buffer")],
            "data",
            np.array([9, 1], np.int32).view(np.uint8),
        ),
        "reduces an absent axis",
    ),
    "missing bias": (
        lambda m: replace(
            operators(m, "DEPTHWISE_CONV_2D")[0], "inputs", operators(m, "DEPTHWISE_CONV_2D")[0].array("inputs")[:2]
        ),
        "has 2 inputs, not 3",
    ),
    "external": (
        lambda m: replace(tensor(m, operators(m, "CONV_2D")[0], 1), "external_buffer", 3),
        "stored in another file",
    ),
    "no axis": (
        lambda m: replace(
            operators(m, "MEAN")[0], "inputs", np.array([operators(m, "MEAN")[0].array("inputs")[0], -1])
        ),
        "lacks a required input",
    ),
    "metadata": (lambda m: replace(m.tables("metadata")[0], "name", None), "metadata entry has no name"),
    "signature": (lambda m: replace(m.tables("signature_defs")[0], "subgraph_index", 4), "names graph 4"),
    "scale sign": (
        lambda m: replace(weights_quantization(m), "scale", -weights_quantization(m).array("scale")),  # type: ignore[union-attr]
        "negative or not a number",
    ),
    "scale count": (
        lambda m: replace(weights_quantization(m), "scale", np.full(3, 0.1, np.float32)),
        "3 scales",
    ),
    "scale size": (
        lambda m: replace(weights_quantization(m), "scale", np.full(16, 1e9, np.float32)),
        "far above its output's",
    ),
    "zero point": (
        lambda m: replace(weights_quantization(m), "zero_point", np.full(16, 300, np.int64)),
        "zero point outside -128..127",
    ),
    "quantized axis": (lambda m: replace(weights_quantization(m), "quantized_dimension", 4), "absent axis 4"),
}


def edited(data: bytes, edit: Edit) -> bytes:
    model = read_flatbuffer(data, SCHEMA, "Model", identifier=b"TFL3")
    edit(model)
    return pack_flatbuffer(model, SCHEMA, identifier=b"TFL3")


@pytest.mark.parametrize("name", EDITS)
def test_unsafe_content_is_refused(tflite_models: Path, name: str) -> None:
    edit, said = EDITS[name]
    data = (tflite_models / "int8.tflite").read_bytes()
    if name == "signature" and not verify_tflite(data, name="model")[0].tables("signature_defs"):
        signature = make_table(SCHEMA, "SignatureDef", signature_key="serving_default", inputs=[], outputs=[])
        data = edited(data, lambda model: model.values.update(signature_defs=[signature]))
    verify_tflite(data, name="model")
    with pytest.raises(InputError, match=said) as caught:
        verify_tflite(edited(data, edit), name="model")
    assert "\n" not in str(caught.value)


def test_graphs_that_call_each_other_in_a_circle(tflite_models: Path) -> None:
    def own_body(model: Table) -> None:
        replace(operators(model, "WHILE")[0].table("builtin_options"), "body_subgraph_index", 0)

    data = (tflite_models / "others/loop.tflite").read_bytes()
    with pytest.raises(InputError, match="in a circle"):
        verify_tflite(edited(data, own_body), name="model")


def mutant(data: bytes, rng: np.random.Generator) -> bytes:
    """One damaged copy: cut, bits flipped, bytes or words overwritten, or noise behind a right mark."""
    kind = int(rng.integers(6))
    if kind == 0:
        return data[: int(rng.integers(len(data)))]
    if kind == 1:
        return data[:8] + rng.bytes(int(rng.integers(0, 4096)))
    copy = bytearray(data)
    # The tables lie in the first and last part of a file; in the weights between, damage cannot show.
    edge = min(60_000, len(data) // 2)
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(edge)) if rng.random() < 0.2 else len(data) - 1 - int(rng.integers(edge))
        if kind == 2:
            copy[place] ^= 1 << int(rng.integers(8))
        elif kind == 3:
            copy[place] = int(rng.integers(256))
        else:
            word = int(rng.choice([0, 1, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 4]))
            start = place & ~3
            copy[start : start + 4] = word.to_bytes(4, "little")
    return bytes(copy)


def reading(path: Path) -> tuple[int, str]:
    """How many calls it took to read the file, which unlike a time is the same on every machine; and what was said."""
    calls, said = 0, ""

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        read_tflite(path)
    except InputError as fault:
        said = str(fault)
    finally:
        sys.setprofile(None)
    return calls, said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "mutations"),
    [("int8", 400), ("float32", 400), ("others/convolutions-int8", 2200), ("others/convolutions", 2200)],
)
def test_mutations_end_in_a_model_or_one_line(tflite_models: Path, tmp_path: Path, name: str, mutations: int) -> None:
    """5,200 seeded mutations of real files: accepted or InputError, and hardly more work than the sound file."""
    data = (tflite_models / f"{name}.tflite").read_bytes()
    rng = np.random.default_rng(20)
    path = tmp_path / "mutant.tflite"
    path.write_bytes(data)
    sound, _ = reading(path)
    messages, most = [], 0
    for _ in range(mutations):
        path.write_bytes(mutant(data, rng))
        calls, said = reading(path)
        most = max(most, calls)
        messages += [said] if said else []
    assert not any("\n" in message for message in messages)
    assert mutations // 3 < len(messages) < mutations, "the damage is neither harmless nor always fatal"
    assert most < 1.1 * sound
