"""A real training run on photographs made on the spot, from the command line to the run folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from batikkit import runs
from batikkit.cli import main
from batikkit.data.split import read_split
from batikkit.evaluation.metrics_file import confused_pairs, read_evaluation
from batikkit.labels import read_labels
from batikkit.runs.history import Epoch
from batikkit.runs.run import Content, Run

pytestmark = pytest.mark.slow


def test_the_run_folder_explains_itself(trained_run: Path) -> None:
    names = {path.relative_to(trained_run).as_posix() for path in trained_run.rglob("*") if path.is_file()}
    assert {
        "run.json", "config.toml", "labels.txt", "split.csv", "history.csv", "model.keras", "metrics.json",
        "layers.csv", "predictions.csv", "plots/history.png", "plots/confusion.png", "plots/per_class.png",
    } <= names  # fmt: skip
    assert not (trained_run / "cache.tmp").exists()
    facts = runs.read_run(trained_run)
    assert facts["status"] == "done"
    assert facts["data"]["train"] + facts["data"]["validation"] + facts["data"]["test"] == facts["data"]["images"] == 36
    assert read_labels(trained_run / "labels.txt") == ("across", "diagonal", "upright")
    rows = read_split(trained_run / "split.csv")
    groups = {}
    for row in rows:
        assert groups.setdefault(row.sample.group, row.split) == row.split


def test_metrics_are_those_of_the_saved_model_on_the_test_split(trained_run: Path) -> None:
    from batikkit.images import load_pixels
    from batikkit.network.model import load_model, predict_keras

    net = load_model(trained_run / "model.keras")
    root = Path(runs.read_run(trained_run)["data"]["root"])
    labels = read_labels(trained_run / "labels.txt")
    test = [row.sample for row in read_split(trained_run / "split.csv") if row.split == "test"]
    answers = predict_keras(net, np.stack([load_pixels(root / sample.path, 96) for sample in test]))
    right = np.mean([labels[i] == sample.label for i, sample in zip(answers.argmax(axis=1), test, strict=True)])
    evaluation = read_evaluation(trained_run / "metrics.json")
    assert evaluation.report.accuracy == pytest.approx(float(right))
    assert evaluation.report.n == len(test)
    wrong = evaluation.report.n - round(evaluation.report.accuracy * evaluation.report.n)
    assert sum(pair.first_as_second + pair.second_as_first for pair in confused_pairs(evaluation)) == wrong


def test_history_has_both_phases(trained_run: Path) -> None:
    lines = (trained_run / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,phase,learning_rate,loss,accuracy,val_loss,val_accuracy,seconds"
    assert [line.split(",")[1] for line in lines[1:]] == ["1", "1", "2"]


def test_resuming_repeats_what_would_have_happened(
    trained_run: Path,
    stripes_for_training: Path,
    weights_035: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keep = Run.keep_epoch

    def stop_after_one(self: Run, history: tuple[Epoch, ...], checkpoint: Content) -> None:
        keep(self, history, checkpoint)
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "keep_epoch", stop_after_one)
    command = ["train", str(stripes_for_training), "--preset", "smoke", "--weights", str(weights_035)]
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--runs-dir", str(tmp_path)])
    monkeypatch.undo()
    (run,) = runs.all_runs(tmp_path)
    assert stopped.value.code == 130
    assert f"batikkit train --resume {run}" in capsys.readouterr().err
    assert runs.read_run(run)["status"] == "training"
    with pytest.raises(SystemExit) as done:
        main(["train", "--resume", str(run)])
    assert done.value.code == 0
    columns = slice(0, 7)  # all but the seconds
    resumed = [line.split(",")[columns] for line in (run / "history.csv").read_text().splitlines()]
    whole = [line.split(",")[columns] for line in (trained_run / "history.csv").read_text().splitlines()]
    assert resumed[0] == whole[0]
    assert np.array(resumed[1:], float) == pytest.approx(np.array(whole[1:], float), rel=1e-4)
    with pytest.raises(SystemExit) as again:
        main(["train", "--resume", str(run)])
    assert again.value.code == 2


def test_a_loss_that_is_not_a_number_ends_with_a_line(
    stripes_for_training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from batikkit.network.keras_backend import keras

    backbone = keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None)
    kernel = backbone.get_layer("Conv1").get_weights()[0]
    backbone.get_layer("Conv1").set_weights([np.full_like(kernel, np.nan)])
    backbone.save_weights(tmp_path / "broken.h5")
    command = ["train", str(stripes_for_training), "--preset", "smoke", "--weights", str(tmp_path / "broken.h5")]
    with pytest.raises(SystemExit) as failed:
        main([*command, "--runs-dir", str(tmp_path / "runs")])
    assert failed.value.code == 1
    assert "lower phase1_learning_rate" in capsys.readouterr().err
    (run,) = runs.all_runs(tmp_path / "runs")
    assert not (run / "model.keras").exists()


def test_evaluation_file_is_json_with_a_schema(trained_run: Path) -> None:
    assert json.loads((trained_run / "metrics.json").read_text())["schema_version"] == 2


def test_monitor_last_keeps_the_last_epoch_though_an_earlier_one_was_better(
    short_mobilenet: None, tmp_path: Path
) -> None:
    from batikkit.config import load_config
    from batikkit.network.model import build_model, predict_keras
    from batikkit.training.convex import cross_entropy
    from batikkit.training.inputs import Inputs, Split
    from batikkit.training.loop import fit

    rng = np.random.default_rng(0)
    # Validation labels that contradict training: every epoch that learns makes the validation loss worse.
    images = rng.integers(0, 256, (12, 96, 96, 3), np.uint8)
    images[::2, :, :, 0] = 0
    truth = np.arange(12) % 2
    config = load_config(
        "smoke", overrides=["monitor=last", "phase1_learning_rate=0.003", "phase1_epochs=4", "phase2_epochs=0"]
    )
    net = build_model(config, classes=2)
    train, validation = Split(images, truth), Split(images, 1 - truth)
    *_, last = fit(net, Inputs(config, train, validation, cache=tmp_path, cache_bytes=0))
    losses = [epoch.val_loss for epoch in last.history]
    assert losses[-1] > 1.1 * min(losses)
    logits = np.log(predict_keras(net, images))
    assert cross_entropy(logits, validation.labels) == pytest.approx(losses[-1], rel=0.02)
