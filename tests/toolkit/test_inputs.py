"""The feature cache: its bound, its agreement with Keras, and what training sees when it is not there."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from batikkit.config import load_config
from batikkit.network import model
from batikkit.network.keras_backend import keras, tf
from batikkit.runs.history import Epoch
from batikkit.settings import TrainConfig
from batikkit.training import inputs, loop
from batikkit.training.distributed import Workers
from batikkit.training.engine import Engine
from batikkit.training.features import feature_bytes
from batikkit.training.feeds import reserve, wants_cache
from batikkit.training.inputs import Inputs, Split
from batikkit.training.loop import fit
from batikkit.training.schedule import DivergedError
from batikkit.training.tensorboard import TensorBoard
from short_network import FROZEN_LAYERS

CONFIG = load_config("smoke", overrides=["views=2", "rotation=0", "zoom=0", "phase1_epochs=1", "phase2_epochs=1"])
CUT = "block_5_add"  # 12 x 12 x 16: more than the 1280 pooled features


@pytest.fixture(scope="module")
def net(weights_035: Path) -> keras.Model:
    return model.build_model(CONFIG, classes=3, weights=weights_035)


def _splits() -> tuple[Split, Split]:
    rng = np.random.default_rng(3)

    def split(count: int) -> Split:
        # Smooth pictures, as photographs are.
        small = rng.uniform(0, 255, (count, 6, 6, 3))
        pixels = np.asarray(tf.image.resize(small, (96, 96), method="bicubic"))
        return Split(np.clip(pixels, 0, 255).astype(np.uint8), np.arange(count) % 3)

    return split(9), split(4)


def _inputs(folder: Path, cache_bytes: int, config: TrainConfig = CONFIG) -> Inputs:
    train, validation = _splits()
    return Inputs(config, train, validation, cache=folder, cache_bytes=cache_bytes)


def _keras(net: keras.Model, layer: str, images: NDArray[np.generic]) -> NDArray[np.float32]:
    body = keras.Model(net.input, net.get_layer(layer).output)
    return np.asarray(body(images.astype(np.float32), training=False))


def test_cached_features_are_those_that_keras_computes(tmp_path: Path, net: keras.Model) -> None:
    fed = _inputs(tmp_path, 1 << 30)
    fed.reserve(net, {model.POOL: 1, CUT: 2})
    fed.extract(net, (model.POOL, CUT), views=1, advance=lambda *_: None)
    fed.extract(net, (CUT,), views=2, advance=lambda *_: None)
    assert (fed.drawn(model.POOL), fed.drawn(CUT)) == (1, 2)
    indices = np.array([7, 0, 4])
    for layer in (model.POOL, CUT):
        plain = _keras(net, layer, fed.batch(indices, cut=None, epoch=0))
        _agree(fed.batch(indices, cut=layer, epoch=0), plain)
        checked = _keras(net, layer, fed.validation.pixels)
        _agree(fed.validation_inputs(layer), checked)
    pooled = _keras(net, model.POOL, fed.train.pixels[indices])
    _agree(fed.batch(indices, cut=model.POOL, epoch=1), pooled)


def _agree(cached: NDArray[np.generic], plain: NDArray[np.float32]) -> None:
    """Within 1e-3, relative where values exceed 1: float16 holds 11 bits of any value."""
    assert np.abs(plain).max() > 0.1
    assert np.all(np.abs(cached.astype(np.float32) - plain) < 1e-3 * np.maximum(1, np.abs(plain)))


def test_the_bound_holds_for_all_features_together(
    tmp_path: Path, net: keras.Model, capsys: pytest.CaptureFixture[str]
) -> None:
    images = 2 * 9 + 4
    small, large = (
        feature_bytes(tuple(net.get_layer(name).output.shape[1:]), images=images) for name in (model.POOL, CUT)
    )
    fed = _inputs(tmp_path, large)  # each fits alone, the two do not
    fed.reserve(net, {CUT: 2, model.POOL: 2})
    assert fed.cached(model.POOL)
    assert not fed.cached(CUT)
    assert "computing them on the fly" in capsys.readouterr().err
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < small + 1000
    nothing = _inputs(tmp_path, 0)
    nothing.reserve(net, {model.POOL: 2})
    assert not nothing.cached(model.POOL)


def test_a_full_disk_means_no_cache_of_what_found_no_room(
    tmp_path: Path, net: keras.Model, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from batikkit.errors import DiskFullError

    reserve = inputs.new_features

    def full(folder: Path, name: str, *args: Any, **options: Any) -> NDArray[np.float16]:
        if name == f"validation-{CUT}":
            raise DiskFullError("no room to write features")
        return reserve(folder, name, *args, **options)

    monkeypatch.setattr(inputs, "new_features", full)
    fed = _inputs(tmp_path, 1 << 30)
    fed.reserve(net, {model.POOL: 2, CUT: 2})
    assert fed.cached(model.POOL)
    assert not fed.cached(CUT)
    assert f"going on without the cache of layer {CUT}" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{part}-{model.POOL}.npy" for part in ("train", "validation")
    }


@pytest.mark.slow
def test_training_with_and_without_the_cache_goes_the_same_way(tmp_path: Path, short_mobilenet: None) -> None:
    config, histories = dataclasses.replace(CONFIG, frozen_layers=FROZEN_LAYERS), {}
    for engine in ("cached", "keras"):
        (tmp_path / engine).mkdir()
        net = model.build_model(config, classes=3)
        fed = _inputs(tmp_path / engine, 1 << 30, config)
        feeds = reserve(net, fed, first=0, engine=engine, workers=Workers())
        assert [feed.engine for feed in feeds] == [engine] * 2
        *_, last = fit(net, fed)
        histories[engine] = last.history
        assert fed.cached(model.POOL) == (engine == "cached")
    for one, other in zip(histories["cached"], histories["keras"], strict=True):
        assert one.loss == pytest.approx(other.loss, abs=5e-3)
        assert one.val_loss == pytest.approx(other.val_loss, abs=5e-3)


def test_event_files_hold_every_epoch(tmp_path: Path) -> None:
    history = [Epoch(n, 1, 1e-3 / n, 1.0 / n, 0.5 + 0.1 * n, 1.1 / n, 0.4 + 0.1 * n, seconds=1.0) for n in (1, 2, 3)]
    board = TensorBoard(tmp_path)
    for epoch in history:
        board.write(epoch)
    _check_events(tmp_path, [dataclasses.asdict(epoch) for epoch in history])


def _check_events(folder: Path, history: list[dict[str, float]]) -> None:
    from tensorflow.python.summary.summary_iterator import summary_iterator

    for name, columns in {
        "train": {"epoch_loss": "loss", "epoch_accuracy": "accuracy", "epoch_learning_rate": "learning_rate"},
        "validation": {"epoch_loss": "val_loss", "epoch_accuracy": "val_accuracy"},
    }.items():
        (file,) = (folder / name).iterdir()
        points = {
            (value.tag, event.step): float(tf.make_ndarray(value.tensor))
            for event in summary_iterator(str(file))
            for value in event.summary.value
        }
        wanted = {(tag, row["epoch"]): row[column] for tag, column in columns.items() for row in history}
        assert points.keys() == wanted.keys()
        for key, value in wanted.items():
            assert points[key] == pytest.approx(value, rel=1e-5)


@pytest.mark.slow
def test_auto_takes_keras_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for devices, wants in (([], True), (["GPU:0"], False)):
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind, found=devices: found)
        assert wants_cache("auto") == wants
    assert wants_cache("cached")
    assert not wants_cache("keras")


def test_weights_that_break_after_the_last_step_are_not_kept(
    tmp_path: Path, net: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training loss was still a number: validation is the first to see it."""
    train, validation = _splits()
    config = load_config("smoke", overrides=["phase1_epochs=1", "phase2_epochs=0", "phase1_learning_rate=1"])
    alone = model.build_model(config, classes=3)
    alone.set_weights(net.get_weights())
    kernel = alone.get_layer(model.HEAD).kernel

    class Broken(Engine):
        @contextlib.contextmanager
        def averaged(self) -> Iterator[None]:
            kernel.assign(kernel * np.nan)
            yield

    monkeypatch.setattr(loop, "Engine", Broken)
    fed = Inputs(config, train, validation, cache=tmp_path, cache_bytes=1 << 30)
    reserve(alone, fed, first=0, engine="cached", workers=Workers())
    states = []
    with pytest.raises(DivergedError, match="lower phase1_learning_rate"):
        states.extend(fit(alone, fed))
    assert states == []


def test_drawing_with_many_threads_gives_the_same_batches_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config("small-data", image_size=32)
    pixels = np.random.default_rng(0).integers(0, 256, (23, 32, 32, 3), np.uint8)
    split = Split(pixels, np.arange(23) % 3)
    batches = np.array_split(np.random.default_rng(1).permutation(23), 7)
    drawn = {}
    for lanes in (1, 5):
        monkeypatch.setattr(inputs, "worker_count", lambda count=lanes: count)
        fed = Inputs(config, split, split, cache=tmp_path, cache_bytes=0)
        drawn[lanes] = list(fed.ahead(batches, cut=None, epoch=3))
    assert [len(batch) for batch in drawn[5]] == [len(batch) for batch in batches]
    for one, many in zip(drawn[1], drawn[5], strict=True):
        assert np.array_equal(one, many)
