"""The head solved to its optimum: against a reference, one penalty an epoch, resumed anywhere, by several workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batikkit.training import convex

pytest.importorskip("tensorflow")

from batikkit.config import load_config
from batikkit.errors import InputError
from batikkit.network import model
from batikkit.settings import TrainConfig
from batikkit.training import head
from batikkit.training.convex import penalties
from batikkit.training.distributed import Workers
from batikkit.training.feeds import reserve
from batikkit.training.inputs import Features, Inputs, Share, Split
from batikkit.training.loop import fit
from batikkit.training.schedule import DivergedError, phases
from batikkit.training.state import State, read_state, write_state

pytestmark = pytest.mark.usefixtures("short_mobilenet")
CLASSES, SIDE = 3, 32


def _problem(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features that overlap, labels, and image weights that sum to 1."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, 60)
    features = rng.normal(size=(60, 12)) + 0.8 * np.eye(12)[labels]
    weights = rng.uniform(0.5, 2, 60)
    return features.astype(np.float32), labels, (weights / weights.sum()).astype(np.float32)


@pytest.mark.parametrize("penalty", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_optimum_is_that_of_scikit_learn(seed: int, penalty: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    features, labels, weights = _problem(seed)
    loss = convex.softmax_loss(features, np.eye(CLASSES, dtype=np.float32)[labels], weights)
    size = features.shape[1] * CLASSES
    flat = convex.minimize(convex.with_penalty(loss, penalty, kernel_size=size), np.zeros(size + CLASSES))
    ours = features @ flat[:size].reshape(-1, CLASSES) + flat[size:]
    reference = linear_model.LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=10_000)
    reference.fit(features, labels, sample_weight=weights)
    theirs = reference.decision_function(features)
    assert np.abs((ours - ours.mean(axis=1, keepdims=True)) - theirs).max() < 2e-3


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    features, labels, weights = _problem(3)
    loss = convex.softmax_loss(features, np.eye(CLASSES, dtype=np.float32)[labels], weights)
    objective = convex.with_penalty(loss, 0.3, kernel_size=12 * CLASSES)
    rng = np.random.default_rng(0)
    at, direction = rng.normal(size=(2, 13 * CLASSES))
    step = 1e-3
    slope = (objective(at + step * direction)[0] - objective(at - step * direction)[0]) / (2 * step)
    assert slope == pytest.approx(float(objective(at)[1] @ direction), rel=1e-3)


def test_scaled_features_have_mean_0_and_deviation_1_and_the_answer_is_that_of_the_raw_ones() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(50, 6)) * [1, 10, 0.1, 1, 0, 3] + [0, 5, 1, -2, 7, 0]  # the fifth never changes
    scaling = convex.scaling_of(50, features.sum(axis=0), (features**2).sum(axis=0))
    scaled = scaling.scaled(features)
    assert np.allclose(scaled.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(scaled.std(axis=0), [1, 1, 1, 1, 0, 1], atol=1e-4)
    kernel, bias = rng.normal(size=(6, CLASSES)), rng.normal(size=CLASSES)
    raw, offset = scaling.unscaled(kernel, bias)
    assert np.allclose(features @ raw + offset, scaled @ kernel + bias, atol=1e-4)


def _config(*overrides: str) -> TrainConfig:
    base = ("head=solved", f"image_size={SIDE}", "phase1_epochs=5", "phase2_epochs=0", "views=2")
    return load_config("smoke", overrides=[*base, *overrides])


def _fed(config: TrainConfig, net: Any, folder: Path, *, noise: float = 1.5) -> Inputs:
    """Made-up features that tell the classes apart, if with noise."""
    rng = np.random.default_rng(6)
    splits = [Split(np.zeros((n, SIDE, SIDE, 3), np.uint8), np.arange(n, dtype=np.int64) % CLASSES) for n in (18, 12)]
    fed = Inputs(config, *splits, cache=folder, cache_bytes=0)
    cut = model.pooled_layer(net)
    width = net.get_layer(cut).output.shape[1]
    arrays = []
    for split, views in zip(splits, (config.views, 1), strict=True):
        values = rng.normal(size=(views, len(split.labels), width)) * noise
        values[..., :CLASSES] += 3 * np.eye(CLASSES)[split.labels]
        arrays.append(values.astype(np.float16))
    fed._features[cut] = Features(*arrays, drawn=config.views)
    return fed


def _trained(config: TrainConfig, folder: Path, state: State | None = None) -> tuple[list[State], Any]:
    net = model.build_model(config, classes=CLASSES)
    if state:
        model.put_weights(net, state.weights)
    return list(fit(net, _fed(config, net, folder), state=state)), net


@pytest.mark.parametrize("monitor", ["loss", "last"])
def test_each_epoch_is_a_penalty_and_validation_keeps_the_best(tmp_path: Path, monitor: str) -> None:
    states, net = _trained(_config(f"monitor={monitor}"), tmp_path)
    history = states[-1].history
    assert len(history) == 5
    assert [row.loss for row in history] == sorted((row.loss for row in history), reverse=True), "weaker fits closer"
    best = int(np.argmin([row.val_loss for row in history]))
    assert 0 < best < 4, "a case in which either end would be wrong"
    kept = model.read_weights(model.learned(net))
    chosen = states[best].weights
    assert all(np.array_equal(kept[name], chosen[name]) for name in chosen)


@pytest.mark.parametrize("stopped", range(1, 5))
def test_a_solved_head_resumes_to_the_same_weights(tmp_path: Path, stopped: int) -> None:
    config = _config()
    whole, net = _trained(config, tmp_path)
    write_state(tmp_path / "state.npz", whole[stopped - 1])
    rest, again = _trained(config, tmp_path, read_state(tmp_path / "state.npz"))
    assert len(rest) == 5 - stopped
    for ours, theirs in zip(again.get_weights(), net.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)


def test_the_losses_told_are_those_of_the_network(tmp_path: Path) -> None:
    config = _config("phase1_epochs=1")
    (state,), net = _trained(config, tmp_path)
    inputs = _fed(config, net, tmp_path)
    kernel, bias = net.get_layer(model.HEAD).get_weights()
    cut = model.pooled_layer(net)
    logits = inputs.validation_inputs(cut).astype(np.float32) @ kernel + bias
    (row,) = state.history
    assert convex.cross_entropy(logits, inputs.validation.labels) == pytest.approx(row.val_loss, rel=1e-4)
    seen = inputs.training_features(cut, config.views).astype(np.float32) @ kernel + bias
    truth = inputs.train.labels
    assert np.mean([convex.cross_entropy(view, truth) for view in seen]) == pytest.approx(row.loss, rel=1e-3)
    assert np.mean(seen.argmax(axis=2) == truth) == pytest.approx(row.accuracy)


@pytest.mark.parametrize("balanced", [False, True])
def test_rare_classes_weigh_as_much_as_others_when_asked(tmp_path: Path, balanced: bool) -> None:
    config = _config(f"class_weights={str(balanced).lower()}", "label_smoothing=0")
    net = model.build_model(config, classes=CLASSES)
    inputs = _fed(config, net, tmp_path)
    inputs.train.labels[:] = 0
    inputs.train.labels[:2] = 1, 2
    problem = head._Problem(inputs, model.pooled_layer(net), 2, CLASSES, Workers())
    # Where every class is thought equally likely, the bias pulls towards those that weigh more.
    pull = problem._loss(np.zeros(problem.size))[1][-CLASSES:]
    expected = [0, 0, 0] if balanced else [1 / 3 - 16 / 18, 1 / 3 - 1 / 18, 1 / 3 - 1 / 18]
    assert pull == pytest.approx(expected, abs=1e-5)


def test_two_workers_solve_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its share; what the other sums up is added by hand, since the sums are all that they exchange."""
    config = _config("phase1_epochs=1", "class_weights=true")
    net = model.build_model(config, classes=CLASSES)
    alone = _fed(config, net, tmp_path)
    cut = model.pooled_layer(net)
    flat = np.random.default_rng(0).normal(size=(alone.training_features(cut, 2).shape[-1] + 1) * CLASSES) * 0.01
    expected = head._Problem(alone, cut, 2, CLASSES, Workers())._loss(flat)
    sums: list[list[np.ndarray]] = [[], []]
    known = alone._features[cut]

    class Half(Workers):
        """Adds what the other worker said at the same place, once it is known."""

        def __init__(self, rank: int) -> None:
            super().__init__()
            self.rank = rank

        def total(self, values: Any) -> Any:
            own = np.array(values, np.float64)
            sums[self.rank].append(own)
            other = sums[1 - self.rank]
            return own + other[len(sums[self.rank]) - 1] if len(other) >= len(sums[self.rank]) else own

    for rank in (0, 1, 0):  # the first pass of rank 0 lacks the other's sums, so it is done again
        sums[rank] = []
        share = Share(rank, 2)
        inputs = Inputs(config, alone.train, alone.validation, cache=tmp_path, cache_bytes=0, share=share)
        parts = known.train[:, share.of(known.train.shape[1])], known.validation[:, share.of(known.validation.shape[1])]
        inputs._features[cut] = Features(*parts, drawn=2)
        found = head._Problem(inputs, cut, 2, CLASSES, Half(rank))._loss(flat)
    assert found[0] == pytest.approx(expected[0], rel=1e-4)
    assert found[1] == pytest.approx(expected[1], rel=1e-3, abs=1e-6)


def test_penalties_fall_in_equal_steps() -> None:
    values = penalties(5)
    assert values[0] == 1.0
    assert values[-1] == pytest.approx(0.01)
    assert np.allclose(np.diff(np.log(values)), np.log(values[1] / values[0]))
    assert penalties(1)[0] == pytest.approx(0.1)


def test_features_that_find_no_room_are_told_before_any_work(tmp_path: Path) -> None:
    config = _config()
    net = model.build_model(config, classes=CLASSES)
    inputs = _fed(config, net, tmp_path)
    inputs._features.clear()
    with pytest.raises(InputError, match="raise --cache-gb"):
        reserve(net, inputs, first=0, engine="keras", workers=Workers())


def test_a_stepped_head_is_what_it_was() -> None:
    assert not any(phase.solved for phase in phases(load_config("paper")))


def test_features_that_are_no_numbers_end_the_training(tmp_path: Path) -> None:
    config = _config()
    net = model.build_model(config, classes=CLASSES)
    inputs = _fed(config, net, tmp_path)
    inputs.training_features(model.pooled_layer(net), 1)[0, 3, 5] = np.nan
    with pytest.raises(DivergedError, match="no number"):
        list(fit(net, inputs))
