"""When the rate is lowered and when a phase ends: as Keras' own callbacks decide on the same curve."""

from __future__ import annotations

import numpy as np
import pytest

from batikkit.config import load_config
from batikkit.network.keras_backend import keras
from batikkit.settings import TrainConfig
from batikkit.training.schedule import FINE_TUNE, HEAD, Patience, phases, score


def _by_keras(losses: list[float], config: TrainConfig) -> list[float]:
    """The rate (as a multiple of the first) after each epoch until Keras stops."""
    net = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    net.compile(keras.optimizers.Adam(1.0))
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(factor=config.plateau_factor, patience=config.plateau_patience),
        keras.callbacks.EarlyStopping(patience=config.early_stopping_patience),
    ]
    net.stop_training = False
    rates = []
    for callback in callbacks:
        callback.set_model(net)
        callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        for callback in callbacks:
            callback.on_epoch_end(epoch, {"val_loss": loss})
        rates.append(float(net.optimizer.learning_rate.numpy()))
        if net.stop_training:
            break
    return rates


def _by_us(losses: list[float], config: TrainConfig) -> list[float]:
    patience, rates = Patience(), []
    for epoch, loss in enumerate(losses, 1):
        patience = patience.after(score(config, val_loss=loss, val_accuracy=0.5, epoch=epoch), config)
        rates.append(patience.scale)
        if patience.is_over(config):
            break
    return rates


def test_patience_is_that_of_keras_callbacks_on_random_curves() -> None:
    rng = np.random.default_rng(0)
    stopped = lowered = 0
    for _ in range(300):
        config = TrainConfig(
            plateau_patience=int(rng.integers(1, 5)),
            early_stopping_patience=int(rng.integers(1, 9)),
            plateau_factor=float(rng.choice([0.1, 0.2, 0.5])),
        )
        # A walk with ties, and with gains on both sides of the least one that counts for the plateau.
        steps = rng.choice([-0.1, -0.02, -1e-4, -5e-5, 0.0, 5e-5, 0.02, 0.1], size=30)
        losses = [float(loss) for loss in np.round(1.5 + np.cumsum(steps), 6)]
        ours, theirs = _by_us(losses, config), _by_keras(losses, config)
        assert ours == pytest.approx(theirs, rel=1e-5), (config, losses)
        stopped, lowered = stopped + (len(ours) < 30), lowered + (ours[-1] < 1)
    assert 50 < stopped < 290
    assert lowered > 50


def test_the_last_epoch_is_always_the_best_one_under_monitor_last() -> None:
    config = load_config("paper", overrides=["monitor=last"])
    values = [score(config, val_loss=loss, val_accuracy=0.5, epoch=n) for n, loss in enumerate((1.0, 2.0, 3.0), 1)]
    assert values == sorted(values)


def test_accuracy_is_monitored_with_the_loss_between_ties() -> None:
    config = TrainConfig(monitor="accuracy")
    worse, tie, better = (
        score(config, val_loss=loss, val_accuracy=right, epoch=1)
        for loss, right in ((0.1, 0.7), (0.5, 0.8), (0.4, 0.8))
    )
    assert worse < tie < better


def test_phases_without_epochs_are_left_out() -> None:
    assert [phase.name for phase in phases(load_config("paper"))] == [HEAD, FINE_TUNE]
    assert [(phase.name, phase.views) for phase in phases(load_config("quickstart"))] == [(FINE_TUNE, 4)]
    assert phases(load_config("paper"))[0].views == 1
