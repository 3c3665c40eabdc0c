"""The training loop: which epoch is kept, when a phase ends, what an optimiser step does, going on from any epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batikkit.config import load_config
from batikkit.network import model
from batikkit.settings import TrainConfig
from batikkit.training import loop
from batikkit.training.engine import Engine
from batikkit.training.feeds import cut_of
from batikkit.training.inputs import Features, Inputs, Split
from batikkit.training.loop import fit
from batikkit.training.schedule import phases
from batikkit.training.state import State, read_state, write_state

pytestmark = pytest.mark.usefixtures("short_mobilenet")
CLASSES = 3
FROZEN = 25
"""All but the last convolution."""
BASE = (
    "image_size=32", f"frozen_layers={FROZEN}", "batch_size=4", "dropout=0.3", "monitor=loss", "rotation=0", "zoom=0",
)  # fmt: skip


def _config(*overrides: str) -> TrainConfig:
    return load_config("smoke", overrides=[*BASE, *overrides])


def _net(config: TrainConfig) -> Any:
    return model.build_model(config, classes=CLASSES)


def _fed(config: TrainConfig, net: Any, folder: Path) -> Inputs:
    """Inputs whose features are made up, so that a step costs next to nothing."""
    rng = np.random.default_rng(6)
    splits = [
        Split(np.zeros((count, 32, 32, 3), np.uint8), np.arange(count, dtype=np.int64) % CLASSES) for count in (10, 6)
    ]
    fed = Inputs(config, *splits, cache=folder, cache_bytes=0)
    for phase in phases(config):
        cut = cut_of(net, config, phase)
        assert cut is not None
        shape = net.get_layer(cut).output.shape[1:]
        arrays = [
            rng.normal(size=(views, len(split.labels), *shape)).astype(np.float16)
            for views, split in zip((phase.views, 1), splits, strict=True)
        ]
        fed._features[cut] = Features(*arrays, drawn=phase.views)
    return fed


def _scripted(monkeypatch: pytest.MonkeyPatch, losses: Sequence[float]) -> None:
    """Validation says what the script says, whatever was learned."""
    curve: Iterator[float] = iter(losses)
    monkeypatch.setattr(loop, "_validate", lambda *_args: (next(curve), 0.5))


def _weights(net: Any) -> list[np.ndarray]:
    return [np.asarray(value) for value in net.get_weights()]


def test_fine_tuning_that_begins_worse_than_the_head_ended_is_given_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config("phase1_epochs=2", "phase2_epochs=9", "early_stopping_patience=5", "plateau_patience=3")
    _scripted(monkeypatch, [1.2, 1.0, 1.10, 1.08, 1.06, 1.04, 1.03, 1.02, 0.9, 0.76, 0.8])
    net = _net(config)
    *_, last = states = list(fit(net, _fed(config, net, tmp_path)))
    assert [epoch.phase for epoch in last.history] == [1] * 2 + [2] * 9
    assert {epoch.learning_rate for epoch in last.history if epoch.phase == 2} == {config.phase2_learning_rate}
    kept = model.read_weights(model.learned(net))
    for name, value in states[9].weights.items():
        assert np.array_equal(kept[name], value), "the best epoch is the tenth"


def test_a_phase_ends_when_it_is_stale_and_leaves_its_best_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config("phase1_epochs=9", "phase2_epochs=0", "early_stopping_patience=2")
    _scripted(monkeypatch, [1.0, 0.9, 0.95, 0.91])
    net = _net(config)
    states = list(fit(net, _fed(config, net, tmp_path)))
    assert [epoch.epoch for epoch in states[-1].history] == [1, 2, 3, 4]
    kernel = f"{model.HEAD}/kernel:0"
    assert np.array_equal(net.get_layer(model.HEAD).kernel, states[1].weights[kernel])
    assert not np.array_equal(states[1].weights[kernel], states[2].weights[kernel])


def test_the_rate_falls_after_a_plateau(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ("phase1_epochs=8", "phase2_epochs=0", "early_stopping_patience=0", "plateau_patience=2")
    config = _config(*settings, "plateau_factor=0.1", "phase1_learning_rate=0.01")
    _scripted(monkeypatch, [1.0, 1.0, 1.0, 0.9, 0.95, 0.95, 0.95, 0.95])
    net = _net(config)
    *_, last = fit(net, _fed(config, net, tmp_path))
    rates = [epoch.learning_rate for epoch in last.history]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-2, 1e-3, 1e-3, 1e-3, 1e-4, 1e-4])


def test_fine_tuning_that_never_helps_is_undone_in_every_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = _config("phase1_epochs=1", "phase2_epochs=2", "phase2_learning_rate=0.01")
    _scripted(monkeypatch, [1.0, 2.0, 2.0])
    net = _net(config)
    states = fit(net, _fed(config, net, tmp_path))
    next(states)
    after_phase_1 = _weights(net)
    tuned = next(states)
    changed = [not np.array_equal(tuned.weights[name], tuned.best[name]) for name in tuned.best]
    assert all(changed)
    assert len(changed) == 3, "the last convolution and the head"
    assert list(states)
    for kept, value in zip(after_phase_1, _weights(net), strict=True):
        assert np.array_equal(kept, value)


@pytest.mark.parametrize("averages", ["weight_average=0", "weight_average=0.8"])
def test_going_on_from_any_epoch_ends_alike(tmp_path: Path, averages: str) -> None:
    config = _config("phase1_epochs=3", "phase2_epochs=2", "mixup=0.3", "plateau_patience=1", averages)
    net = _net(config)
    start = _weights(net)
    states = []
    for state in fit(net, _fed(config, net, tmp_path)):
        write_state(tmp_path / f"{len(states)}.npz", state)
        states.append(state)
    end = _weights(net)
    assert len(states) == 5
    for stopped in range(len(states)):
        state = read_state(tmp_path / f"{stopped}.npz")
        again = _net(config)
        again.set_weights(start)
        model.put_weights(again, state.weights)
        rest = list(fit(again, _fed(config, again, tmp_path), state=state))
        assert len(rest) == 4 - stopped
        for ours, theirs in zip(rest, states[stopped + 1 :], strict=True):
            assert [e.val_loss for e in ours.history] == [e.val_loss for e in theirs.history]
            assert [e.learning_rate for e in ours.history] == [e.learning_rate for e in theirs.history]
        for ours_, theirs_ in zip(_weights(again), end, strict=True):
            assert np.array_equal(ours_, theirs_), f"stopped after {stopped + 1} epochs"
        assert model.trainable_parameters(again) == model.trainable_parameters(net)


def test_a_checkpoint_holds_what_trains_and_no_more(tmp_path: Path) -> None:
    config = _config("phase1_epochs=1", "phase2_epochs=1")
    net = _net(config)
    states = fit(net, _fed(config, net, tmp_path))
    first = next(states)
    assert set(first.weights) == {f"{model.HEAD}/kernel:0", f"{model.HEAD}/bias:0"}
    second = next(states)
    assert f"{model.HEAD}/kernel:0" in second.weights
    assert "Conv_1/kernel:0" in second.weights
    assert not any("bn" in name.lower() for name in second.weights), "normalization stays frozen"
    assert not any(name.startswith(("Conv1/", "block_1_")) for name in second.weights)
    write_state(tmp_path / "state.npz", first)
    assert (tmp_path / "state.npz").stat().st_size < 4 * 1281 * CLASSES * 4


def test_a_state_survives_its_file(tmp_path: Path) -> None:
    config = _config("phase1_epochs=2", "phase2_epochs=0")
    net = _net(config)
    for state in (State(), next(fit(net, _fed(config, net, tmp_path)))):
        write_state(tmp_path / "state.npz", state)
        read = read_state(tmp_path / "state.npz")
        assert (read.phase, read.epoch, read.history, read.best_score, read.patience) == (
            state.phase, state.epoch, state.history, state.best_score, state.patience,
        )  # fmt: skip
        for part in ("weights", "best"):
            assert list(getattr(read, part)) == list(getattr(state, part))
        assert [a.dtype for a in read.optimizer] == [a.dtype for a in state.optimizer]


def test_weight_decay_shrinks_kernels_and_nothing_else() -> None:
    """With no image that counts there is no gradient, and decay is all that a step does."""
    config = _config("weight_decay=0.1", "dropout=0")
    net = _net(config)
    model.unfreeze_above(net, frozen_layers=FROZEN, batch_norm_frozen=False)
    before = {weight.name: weight.numpy() for weight in net.trainable_weights}
    engine = Engine(net, start=model.POOL, config=config)
    features, targets = np.ones((2, 1280), np.float32), np.eye(CLASSES, dtype=np.float32)[:2]
    head = net.get_layer(model.HEAD)
    head.bias.assign([1.0, 2.0, 3.0])
    engine.train(features, targets, weights=np.zeros(2, np.float32), learning_rate=0.5, key=(0, 0))
    assert head.kernel.numpy() == pytest.approx(before[f"{model.HEAD}/kernel:0"] * (1 - 0.5 * 0.1), rel=1e-5)
    assert head.bias.numpy() == pytest.approx([1.0, 2.0, 3.0])


def test_averages_cover_the_statistics_of_batch_normalization() -> None:
    config = load_config(
        "smoke",
        overrides=["network=plain-cnn", "phase1_epochs=0", "frozen_layers=-1", "batch_norm_frozen=false", "dropout=0",
                   "weight_average=0.75", "image_size=32"],
    )  # fmt: skip
    net = model.build_model(config, classes=CLASSES)
    model.unfreeze_above(net, frozen_layers=-1, batch_norm_frozen=False)
    engine = Engine(net, start="image", config=config)
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)
    targets = np.eye(CLASSES, dtype=np.float32)[[0, 1, 2, 0]]
    expected = model.read_weights(model.learned(net))
    assert any("moving_mean" in name for name in expected)
    for step in range(3):
        engine.train(images, targets, weights=np.full(4, 0.25, np.float32), learning_rate=1e-2, key=(0, step))
        now = model.read_weights(model.learned(net))
        expected = {name: value + (now[name] - value) * 0.25 for name, value in expected.items()}
    with engine.averaged():
        averaged = model.read_weights(model.learned(net))
    for name, value in expected.items():
        assert averaged[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
        assert np.array_equal(model.read_weights(model.learned(net))[name], now[name])
