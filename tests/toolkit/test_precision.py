"""Fine-tuning in bfloat16: near float32 in values and gradients, float32 in all that is kept, told and recorded."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from batikkit import runs
from batikkit.cli import main
from batikkit.config import load_config
from batikkit.errors import InputError
from batikkit.network import model
from batikkit.network.keras_backend import keras, tf
from batikkit.runs.history import Epoch
from batikkit.runs.record import Feed
from batikkit.runs.run import Content, Run
from batikkit.settings import TrainConfig
from batikkit.training import precision
from batikkit.training.distributed import Workers
from batikkit.training.engine import Engine
from batikkit.training.feeds import changes
from batikkit.training.folded import folded, in_bfloat16
from batikkit.training.inputs import Share
from batikkit.training.precision import check_precision, has_bfloat16, precision_for
from batikkit.training.schedule import phases
from short_network import FROZEN_LAYERS

SMOKE = load_config("smoke")
PAPER = load_config("paper")
HAS, HAS_NOT = frozenset({"avx2", "avx512_bf16"}), frozenset({"avx2"})


def _on(monkeypatch: pytest.MonkeyPatch, flags: frozenset[str], *, gpus: tuple[tuple[int, int], ...] = ()) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: flags)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind: list(gpus))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"compute_capability": gpu})


def _apart(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Length of the difference, beside the length of what it should be."""
    return float(np.linalg.norm(ours.astype(np.float64) - theirs) / np.linalg.norm(theirs))


@pytest.mark.parametrize("start", ["image", "block_10_project_BN"])
def test_values_and_gradients_are_near_those_of_float32(weights_035: Path, start: str) -> None:
    net = model.build_model(SMOKE, classes=3, weights=weights_035)
    body = keras.Model(net.get_layer(start).output, net.get_layer(model.POOL).output)
    kernels = [layer.weights[0] for layer in body.layers if "Conv2D" in type(layer).__name__]
    rng = np.random.default_rng(4)
    shape = (4, *body.input.shape[1:])
    inputs = tf.constant(rng.uniform(0, 255, shape) if start == "image" else rng.normal(size=shape), tf.float32)
    weighted = tf.constant(rng.normal(size=1280), tf.float32)

    found = []
    for kind in ("float32", "bfloat16"):
        call = tf.function(folded(net, start=start, end=model.POOL, precision=kind))
        with tf.GradientTape() as tape:
            pooled = call(inputs)
            loss = tf.reduce_sum(pooled * weighted)
        gradients = tape.gradient(loss, kernels)
        assert {pooled.dtype, *(gradient.dtype for gradient in gradients)} == {tf.float32}
        found.append((pooled.numpy(), np.concatenate([gradient.numpy().ravel() for gradient in gradients])))
    (pooled, slope), (rounded, rounded_slope) = found
    # 8 significant bits round by 1/512; some twenty layers in a row add up to a few hundredths.
    assert 1e-4 < _apart(rounded, pooled) < 0.05
    assert 1e-4 < _apart(rounded_slope, slope) < 0.2


def test_the_statistics_of_batch_normalization_are_those_of_float32() -> None:
    """Whole-network training, normalization included: what a step makes of the moving means and variances."""
    config = dataclasses.replace(SMOKE, network="plain-cnn", phase1_epochs=0, frozen_layers=-1, dropout=0.0)
    config = dataclasses.replace(config, batch_norm_frozen=False)
    images = np.random.default_rng(0).uniform(0, 255, (8, 96, 96, 3)).astype(np.float32)
    found = []
    for kind in ("float32", "bfloat16"):
        net = model.build_model(config, classes=3)
        before = [weight.numpy() for weight in net.non_trainable_weights]
        model.unfreeze_above(net, frozen_layers=-1, batch_norm_frozen=False)
        engine = Engine(net, start="image", config=config, precision=kind)
        targets = np.eye(3, dtype=np.float32)[np.arange(8) % 3]
        told = engine.train(images, targets, weights=np.full(8, 1 / 8, np.float32), learning_rate=1e-4, key=(0, 0))
        assert {weight.dtype for weight in net.weights} == {tf.float32}
        statistics = [weight.numpy() for weight in net.non_trainable_weights]
        moved = np.concatenate([(new - old).ravel() for new, old in zip(statistics, before, strict=True)])
        found.append((told[0], moved, engine.logits(images)))
    (loss, moved, logits), (rounded_loss, rounded_moved, rounded_logits) = found
    assert rounded_loss == pytest.approx(loss, rel=0.02)
    assert _apart(rounded_moved, moved) < 0.01
    assert 0 < _apart(rounded_logits, logits) < 0.05
    assert in_bfloat16(net, start="image", end=model.POOL)(images, False).dtype == tf.float32


def test_only_fine_tuning_takes_it() -> None:
    config = dataclasses.replace(PAPER, precision="bfloat16")
    assert [phase.precision(config) for phase in phases(config)] == ["float32", "bfloat16"]
    assert [phase.precision(PAPER) for phase in phases(PAPER)] == ["float32", "float32"]  # auto is decided before


def test_who_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for flags, gpus, expected in (
        (HAS, (), True),
        (frozenset({"amx_bf16"}), (), True),
        (HAS_NOT, (), False),
        (frozenset(), (), False),
        (HAS_NOT, ((8, 0), (9, 0)), True),
        (HAS, ((7, 5),), False),  # what trains is the GPU
    ):
        _on(monkeypatch, flags, gpus=gpus)
        assert has_bfloat16() == expected, (flags, gpus)


class _Several(Workers):
    """Two workers of which the other has no bfloat16, or has it."""

    def __init__(self, *, other: bool) -> None:
        super().__init__()
        self.share, self._other = Share(0, 2), other

    def total(self, values: Any) -> NDArray[np.float64]:
        return np.array(values, np.float64) + float(self._other)


def test_auto_takes_it_where_it_pays_and_everywhere_is_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    explicit, small = dataclasses.replace(PAPER, precision="bfloat16"), dataclasses.replace(PAPER, image_size=96)
    never, moving = dataclasses.replace(PAPER, precision="float32"), dataclasses.replace(PAPER, batch_norm_frozen=False)

    def found(*configs: TrainConfig, workers: Workers | None = None, known: tuple[Feed, ...] = ()) -> list[str]:
        return [precision_for(config, workers=workers or Workers(), known=known) for config in configs]

    _on(monkeypatch, HAS)
    assert found(PAPER, explicit, small, never, moving) == ["bfloat16", "bfloat16", "float32", "float32", "float32"]
    assert found(PAPER, explicit, workers=_Several(other=True)) == ["bfloat16", "bfloat16"]
    assert found(PAPER, explicit, workers=_Several(other=False)) == ["float32", "float32"]
    # A run that was begun in float32 elsewhere goes on in it; what no setting says is as it was.
    assert found(PAPER, known=(Feed("head", "cached", 1), Feed("fine-tune", "cached", 3))) == ["float32"]
    begun = (Feed("fine-tune", "cached", 3, precision="bfloat16"),)
    assert found(small, known=begun) == ["bfloat16"]
    _on(monkeypatch, HAS_NOT)
    assert found(PAPER, explicit, small, known=begun) == ["float32"] * 3
    _on(monkeypatch, HAS_NOT, gpus=((8, 6),))
    assert found(PAPER, explicit) == ["float32", "bfloat16"]  # not measured there


def test_a_change_is_noted() -> None:
    begun = (Feed("fine-tune", "cached", 3, precision="bfloat16"),)
    feeds, told = changes(begun, (Feed("fine-tune", "cached", 3),), epoch=7)
    assert feeds == (*begun, Feed("fine-tune", "cached", 3, epoch=7))
    assert told == (
        "from epoch 7 on, phase fine-tune learns from 3 cached view(s) of each instead of 3 cached view(s) of each in "
        "bfloat16: the result is not that of an uninterrupted training",
    )


@pytest.mark.parametrize("command", ["train", "compare"])
def test_a_processor_without_it_is_told_before_any_photograph(
    command: str, stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _on(monkeypatch, HAS_NOT)
    next(stripes.rglob("*.png")).write_bytes(b"damaged")  # what would be told first otherwise
    runs_dir = tmp_path / "runs"
    with pytest.raises(SystemExit) as done:
        main([command, str(stripes), "--precision", "bfloat16", "--weights", "none", "--runs-dir", str(runs_dir)])
    said = capsys.readouterr().err
    assert done.value.code == 2
    assert "this processor has none" in said
    assert len(said.splitlines()) == 1
    assert not runs_dir.exists()
    with pytest.raises(InputError, match="--precision float32 or auto"):
        check_precision(dataclasses.replace(PAPER, precision="bfloat16"))
    check_precision(PAPER)


@pytest.mark.slow
def test_a_run_tells_what_it_computed_in_and_goes_on_where_that_is_missing(
    stripes_for_training: Path,
    short_mobilenet: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def train(*arguments: object) -> int:
        with pytest.raises(SystemExit) as done:
            main(["train", *map(str, arguments), "--runs-dir", str(tmp_path)])
        return int(done.value.code or 0)

    keep = Run.keep_epoch

    def stop_after_two(self: Run, history: tuple[Epoch, ...], checkpoint: Content) -> None:
        keep(self, history, checkpoint)
        if len(history) == 2:
            raise KeyboardInterrupt

    _on(monkeypatch, HAS)
    with monkeypatch.context() as patched:
        patched.setattr(Run, "keep_epoch", stop_after_two)
        lengths = ("--set", "phase1_epochs=1", "--set", "phase2_epochs=2", "--image-size", "32", "--unit", "copy")
        lengths += ("--set", f"frozen_layers={FROZEN_LAYERS}")
        begun = (stripes_for_training, "--preset", "smoke", "--weights", "none", "--precision", "bfloat16")
        assert train(*begun, *lengths) == 130
    (run,) = map(Run, runs.all_runs(tmp_path))
    assert run.config.precision == "bfloat16"
    feeds = (Feed("head", "cached", 1), Feed("fine-tune", "cached", 1, precision="bfloat16"))
    assert run.record.feeds == feeds
    assert train("--resume", run.folder.name, "--precision", "float32") == 2
    _on(monkeypatch, HAS_NOT)
    assert train("--resume", run.folder.name) == 0
    assert "from epoch 3 on, phase fine-tune learns from" in capsys.readouterr().err
    assert run.record.feeds == (*feeds, Feed("fine-tune", "cached", 1, epoch=3))
    assert len([note for note in run.record.notes if "in bfloat16" in note]) == 1
    kept = model.load_model(run.path("model.keras"))
    assert {weight.dtype for weight in kept.weights} == {tf.float32}
    assert {layer.compute_dtype for layer in kept.layers} == {"float32"}
