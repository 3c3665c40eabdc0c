"""The quantizer's parts on a small network with everything in it: a residual sum, ReLU6, depthwise and dense layers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from striped import LABELS, SIDE, photographs, striped_network

from batikkit.cli import main
from batikkit.tflite.file import read_tflite
from batikkit.tflite.runtime import open_model
from batikkit_exporters.convert import convert
from batikkit_exporters.ladder import rungs
from batikkit_exporters.ladder.evaluation import Figures
from batikkit_exporters.ladder.page import pareto_front
from batikkit_exporters.ladder.rungs import Step
from batikkit_exporters.ladder.sensitivity import rank_layers
from batikkit_exporters.network.network import Network, UnsupportedOperatorError
from batikkit_exporters.network.operators import OPERATORS, check_supported, weights_of
from batikkit_exporters.network.read import read_network
from batikkit_exporters.network.write import write_network
from batikkit_exporters.quantization.equalize import LARGEST_FACTOR, equalize, find_factors, find_groups
from batikkit_exporters.quantization.observation import observe
from batikkit_exporters.quantization.quantize import quantize
from batikkit_exporters.quantization.ranges import lay_grids
from batikkit_exporters.quantization.rounding import round_weights
from batikkit_exporters.quantization.twin import compiled

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]


@pytest.fixture(scope="module")
def images(stripes_for_training: Path) -> np.ndarray:
    return photographs(stripes_for_training)[0]


@pytest.fixture(scope="module")
def network(images: np.ndarray) -> Network:
    from batikkit.network.frozen_graph import freeze
    from batikkit.network.keras_backend import keras

    keras.utils.set_random_seed(5)
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3))
    stem = layers.Conv2D(8, 3, strides=2, padding="same")(layers.Rescaling(1 / 127.5, offset=-1)(image))
    wide = layers.ReLU(6.0)(layers.Conv2D(32, 1)(stem))
    deep = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, padding="same")(wide))
    joined = layers.Add()([stem, layers.Conv2D(8, 1)(deep)])
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(12, 3, activation="relu")(joined))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(pooled))
    model.get_layer(index=-1).set_weights([5 * weight for weight in model.get_layer(index=-1).get_weights()])
    return read_network(convert(freeze(model)), name="test")


def test_a_network_survives_reading_and_writing(network: Network, images: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(write_network(network))
    again = open_model(tmp_path / "a.tflite").predict(images)
    assert np.abs(again - compiled(network)(images.astype(np.float32))).max() < 1e-5


def test_equalizing_changes_no_answer_and_fills_the_grids(network: Network, images: np.ndarray) -> None:
    observed = observe(network, images)
    groups = [group for group in find_groups(network) if not group.fixed and group.producers and group.consumers]
    equal, done = equalize(network, observed)
    assert done == len(groups) >= 3, "stem and sum, the wide layer, the deep one"
    pixels = images.astype(np.float32)
    assert np.abs(compiled(equal)(pixels) - compiled(network)(pixels)).max() < 1e-4
    after = observe(equal, images)
    for group in groups:
        factors = find_factors(group, observed, strength=1.0)
        assert factors.min() >= 1.0
        assert factors.max() <= LARGEST_FACTOR
        for tensor in group.tensors:
            if group.clipped:
                assert after[tensor].high <= 6.0
            shares = [np.median(_shares(seen[tensor])) for seen in (observed, after)]
            assert shares[1] >= shares[0] * 0.999
    assert any(len(group.producers) == 2 for group in groups), "both that write into the sum are scaled together"


def _shares(seen: object) -> np.ndarray:
    reach = np.maximum(seen.channel_high, -seen.channel_low)  # type: ignore[attr-defined]
    return np.asarray(reach / max(reach.max(), 1e-9))


@pytest.fixture(scope="module")
def joined() -> Network:
    """A classifier that reads the means of two depths, as taps give it, beside one that joins maps of other readers."""
    from batikkit.network.frozen_graph import freeze
    from batikkit.network.keras_backend import keras

    keras.utils.set_random_seed(8)
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3))
    stem = layers.ReLU(6.0)(layers.Conv2D(8, 3, strides=2)(layers.Rescaling(1 / 127.5, offset=-1)(image)))
    wide = layers.ReLU(6.0)(layers.Conv2D(24, 1)(stem))
    both = layers.Concatenate()([stem, layers.DepthwiseConv2D(3, padding="same")(wide)])
    last = layers.ReLU(6.0)(layers.Conv2D(16, 3, strides=2)(both))
    means = layers.Concatenate()([layers.GlobalAveragePooling2D()(last), layers.GlobalAveragePooling2D()(wide)])
    model = keras.Model(image, layers.Dense(3, activation="softmax")(means))
    model.get_layer(index=-1).set_weights([8 * weight for weight in model.get_layer(index=-1).get_weights()])
    return read_network(convert(freeze(model)), name="joined")


def test_what_is_joined_is_rounded_once_and_equalized_like_the_rest(
    joined: Network, images: np.ndarray, tmp_path: Path
) -> None:
    pixels = images.astype(np.float32)
    exact = compiled(joined)(pixels)
    equal, done = equalize(joined, observe(joined, images))
    assert done >= 2, "the wide layer, and the last map, whose channels the classifier reads from its own place on"
    assert np.abs(compiled(equal)(pixels) - exact).max() < 1e-4
    assert not np.array_equal(*(net.constant(_classifier(net)) for net in (joined, equal)))
    grids = lay_grids(equal, observe(equal, images))
    maps, means = (node for node in equal.nodes if node.kind == "CONCATENATION")
    assert {grids[index] for index in means.inputs} == {grids[means.outputs[0]]}
    assert len({grids[index] for index in maps.inputs}) == 2, "the stem has another reader, and a grid of its own"
    (tmp_path / "int8.tflite").write_bytes(quantize(equal, grids))
    kinds = [node.kind for node in read_network((tmp_path / "int8.tflite").read_bytes(), name="int8").nodes]
    assert kinds.count("QUANTIZE") == 2, "the input, and the stem once more for the joined maps"
    answers = open_model(tmp_path / "int8.tflite").predict(images)
    assert (answers.argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.9
    assert np.abs(answers - exact).mean() < 0.03


def _classifier(net: Network) -> int:
    """The position of the last layer's weights."""
    return next(node.inputs[1] for node in net.nodes if node.kind == "FULLY_CONNECTED")


def test_a_strength_of_zero_equalizes_nothing(network: Network, images: np.ndarray) -> None:
    same, _ = equalize(network, observe(network, images), strength=0.0)
    for index in range(len(network.values)):
        if network.constant(index) is not None:
            np.testing.assert_array_equal(same.constant(index), network.constant(index))


def test_only_the_layer_that_was_spoilt_is_more_harmful(network: Network, images: np.ndarray) -> None:
    """Each operator gets exact inputs, so that the error counted is its own."""
    grids = lay_grids(network, observe(network, images))
    rounded = round_weights(network, grids, images, second_order=False)
    before = {layer.node: layer.margin_shift for layer in rank_layers(network, rounded, grids, images)}
    layers = [number for number, node in enumerate(network.nodes) if weights_of(node) is not None]
    for spoilt in layers:
        kernel = network.nodes[spoilt].inputs[1]
        weights = np.asarray(rounded.network.constant(kernel))
        coarse = np.abs(weights).max() / 2
        worse = replace(rounded, network=rounded.network.with_constants({kernel: np.rint(weights / coarse) * coarse}))
        ranked = rank_layers(network, worse, grids, images)
        assert [layer.margin_shift for layer in ranked] == sorted((x.margin_shift for x in ranked), reverse=True)
        after = {layer.node: layer.margin_shift for layer in ranked}
        assert after.pop(spoilt) > 2 * before[spoilt]
        assert after == pytest.approx({number: before[number] for number in after}, rel=1e-3, abs=1e-6)


def test_layers_left_in_float_are_named_and_bring_the_answers_nearer(
    network: Network, images: np.ndarray, tmp_path: Path
) -> None:
    grids = lay_grids(network, observe(network, images))
    exact = compiled(network)(images.astype(np.float32))
    outputs = [node.outputs[0] for node in network.nodes]

    def difference(name: str, floating: frozenset[int]) -> float:
        path = tmp_path / f"{name}.tflite"
        integer = {index: grid for index, grid in grids.items() if index not in floating}
        rounded = round_weights(network, integer, images)
        path.write_bytes(quantize(rounded.network, grids, scales=rounded.scales, floating=floating))
        return float(np.abs(open_model(path).predict(images) - exact).mean())

    none = difference("none", frozenset())
    half = difference("half", frozenset(outputs[len(outputs) // 2 :]))
    everything = difference("all", frozenset(outputs))
    assert everything < 1e-3 < none
    assert half < none
    facts = {name: read_tflite(tmp_path / f"{name}.tflite") for name in ("none", "half", "all")}
    assert facts["none"].integer_only
    assert not facts["half"].integer_only
    assert 0 < len(facts["half"].non_integer) < len(facts["all"].non_integer)


def test_the_front_has_the_steps_that_no_other_beats() -> None:
    def step(name: str, agreement: float, size: int, latency: float) -> Step:
        return Step("rung", name, Figures(100, 0.8, 0.0, agreement, 0.01, 0.1, size, latency, True), False, 1.0)

    best, small, slow = step("best", 0.99, 2000, 5.0), step("small", 0.9, 1000, 5.0), step("slow", 1.0, 2000, 50.0)
    beaten, alike = step("beaten", 0.98, 2500, 5.0), step("alike", 0.99, 2000, 5.1)
    assert pareto_front((beaten, best, small, slow)) == [best, small, slow]
    assert pareto_front((best, alike)) == [best, alike], "latencies within 5 % are equal"
    assert pareto_front((beaten,)) == [beaten]


def test_every_rung_is_climbed(stripes_for_training: Path, tmp_path: Path) -> None:
    from batikkit.network.keras_backend import keras

    model, labels = tmp_path / "net.keras", tmp_path / "labels.txt"
    striped_network(keras, taught=stripes_for_training).save(model)
    labels.write_text("".join(f"{label}\n" for label in LABELS))
    command = ["export", "--model", str(model), "--labels", str(labels), "--data", str(stripes_for_training)]
    command += ["--out", str(tmp_path / "out"), "--target-drop", "100", "--target-agreement", "0", "--all-rungs"]
    with pytest.raises(SystemExit) as done:
        main([*command, "--calibration-size", "12", "--keep"])
    assert done.value.code in (0, 1)
    table = json.loads((tmp_path / "out/ladder.json").read_text())
    climbed = list(dict.fromkeys(step["rung"] for step in table["steps"]))
    assert climbed == list(rungs.RUNGS)
    assert len(climbed) == 7
    integer = {step["rung"] for step in table["steps"] if step["figures"]["integer_only"]}
    assert integer == set(rungs.RUNGS) - {"selective-float"}
    assert table["chosen"]["rung"] == "plain", "the first that met the goal"
    shifts = [layer["margin_shift"] for layer in table["layers_by_harm"]]
    assert shifts == sorted(shifts, reverse=True)
    assert any(step["on_front"] for step in table["steps"])


def test_every_operator_is_described_whole() -> None:
    for kind, operator in OPERATORS.items():
        assert operator.kind == kind
        for version in operator.versions.values():
            assert 1 <= version <= len(operator.releases)
        assert (operator.compute is None) == (kind in ("QUANTIZE", "DEQUANTIZE"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "SVDF"}, "SVDF"),
        ({"kind": "QUANTIZE"}, "should be float"),
    ],
)
def test_what_is_not_known_is_refused_before_anything_is_begun(
    network: Network, change: dict[str, str], said: str
) -> None:
    nodes = (replace(network.nodes[0], **change), *network.nodes[1:])  # type: ignore[arg-type]
    check_supported(network)
    with pytest.raises(UnsupportedOperatorError, match=said):
        check_supported(replace(network, nodes=nodes))
