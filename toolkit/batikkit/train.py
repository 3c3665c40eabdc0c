"""A whole training run, from a folder of photographs to a run folder that explains itself."""

from __future__ import annotations

import csv
import dataclasses
import io
import platform
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from batikkit import atomic, checkpoint, model, plots, runs
from batikkit.config import TrainConfig, read_config, to_toml
from batikkit.errors import BatikkitError, InputError
from batikkit.evaluation import Evaluation, evaluate, write_evaluation
from batikkit.keras_backend import keras, tf
from batikkit.labels import LABELS_FILE, read_labels, write_labels
from batikkit.predictions import PREDICTIONS_FILE, Predictions, write_predictions
from batikkit.prepared import PreparedData
from batikkit.split import SPLIT_FILE, SPLITS, SplitRow, of_split, read_split, write_split
from batikkit.trainer import (
    HEAD_PHASE,
    Bar,
    Phase,
    Split,
    Trainer,
    fresh_cache,
    load_split,
    predict_keras,
    write_history,
)

LAYERS_FILE = "layers.csv"


class StoppedError(BatikkitError):
    """The user stopped training; the run can be resumed."""

    exit_code = 130


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder, its test figures and how long training took [s]."""

    run: Path
    evaluation: Evaluation
    seconds: float
    epochs: int


@dataclass(frozen=True)
class _Job:
    run: Path
    root: Path
    config: TrainConfig
    labels: tuple[str, ...]
    rows: tuple[SplitRow, ...]
    weights: str
    notes: tuple[str, ...] = ()
    frozen_beside: bool = False


def train_run(
    data: PreparedData,
    config: TrainConfig,
    *,
    runs_dir: Path,
    name: str,
    weights: str,
    bar: Bar,
    engine: str = "auto",
    cache_gb: float = 8.0,
    frozen_beside: bool = False,
) -> Trained:
    """Trains in a new run folder under `runs_dir`.

    Args:
        data: Split photographs.
        config: Settings.
        runs_dir: Parent of run folders.
        name: Ends the run's id.
        weights: `imagenet`, `none` or a path.
        bar: Makes progress bars.
        engine: `auto`, `cached` or `keras`.
        cache_gb: Bound of the feature cache [GB].
        frozen_beside: Keep the model as phase 1 leaves it, before fine-tuning, as a tested run named `frozen`.

    Raises:
        InputError: the weights cannot be used.
        DivergedError: the loss became NaN.
        StoppedError: the user pressed Ctrl-C.
    """
    labels = data.dataset.labels
    # Before the run folder exists, so that wrong weights leave nothing behind.
    net = model.build_model(config, classes=len(labels), weights=weights)
    run = runs.create_run(runs_dir, name=name)
    root = data.dataset.root.resolve()
    job = _Job(run, root, config, labels, data.rows, str(weights), data.notes, frozen_beside)
    _open_run(job, net)
    return _train(job, net, bar=bar, engine=engine, cache_gb=cache_gb, saved=None)


def resume_run(run: Path, *, bar: Bar, engine: str = "auto", cache_gb: float = 8.0) -> Trained:
    """Continues a run that was stopped, from its last finished epoch.

    Raises:
        InputError: not a run, already finished, or its photographs are gone or changed.
    """
    facts = runs.read_run(run)
    if facts.get("status") == "done":
        raise InputError(f"run {run} is already finished: evaluate or export it, or train a new one")
    config = read_config(run / runs.CONFIG_FILE)
    labels, rows = read_labels(run / LABELS_FILE), read_split(run / SPLIT_FILE)
    root, beside = Path(facts["data"]["root"]), bool(facts.get("frozen_beside"))
    job = _Job(run, root, config, labels, rows, facts["weights"], tuple(facts["notes"]), beside)
    path = run / checkpoint.CHECKPOINT_FILE
    saved = checkpoint.read_checkpoint(path) if path.exists() else None
    net = model.build_model(config, classes=len(labels), weights=job.weights)
    return _train(job, net, bar=bar, engine=engine, cache_gb=cache_gb, saved=saved)


def _train(
    job: _Job, net: Any, *, bar: Bar, engine: str, cache_gb: float, saved: checkpoint.Checkpoint | None
) -> Trained:
    cache = fresh_cache(job.run)
    try:
        started = time.perf_counter()
        splits = _decode(job, cache, bar)
        decoded = time.perf_counter() - started
        trainer = Trainer(
            net,
            job.config,
            splits["train"],
            splits["validation"],
            run=job.run,
            bar=bar,
            engine=engine,
            cache_bytes=int(cache_gb * 1e9),
            phase_done=lambda phase: _branch(job, net, trainer, splits["test"], phase),
        )
        trainer.timings["decode"] = decoded
        if saved:
            trainer.resume(saved)
        trainer.fit()
        return _finish(job, net, trainer, splits["test"])
    except KeyboardInterrupt:
        raise StoppedError(
            f"stopped; finished epochs are kept, continue with: batikkit train --resume {job.run}"
        ) from None
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _open_run(job: _Job, net: Any) -> None:
    write_labels(job.run / LABELS_FILE, job.labels)
    write_split(job.run / SPLIT_FILE, job.rows)
    atomic.write_text(job.run / runs.CONFIG_FILE, to_toml(job.config))
    _write_layers(job.run / LAYERS_FILE, model.layer_table(net))
    runs.write_run(job.run, _facts(job, net, status="training"))


def _branch(job: _Job, net: Any, trainer: Trainer, test: Split, phase: Phase) -> None:
    """Keeps the frozen system, which is the model between the phases, as a run of its own."""
    if not job.frozen_beside or phase.name != HEAD_PHASE or not job.config.phase2_epochs:
        return
    run = runs.create_run(job.run.parent, name="frozen")
    frozen = dataclasses.replace(
        job, run=run, config=dataclasses.replace(job.config, phase2_epochs=0), frozen_beside=False
    )
    _open_run(frozen, net)
    write_history(run / runs.HISTORY_FILE, trainer.progress.history)
    runs.add_facts(run, {"phase_1_of": job.run.name})
    _finish(frozen, net, trainer, test)


def _decode(job: _Job, cache: Path, bar: Bar) -> dict[str, Split]:
    size = job.config.image_size
    splits = {}
    for split in SPLITS:
        samples = of_split(job.rows, split)
        if not samples:
            raise InputError(f"no images in the {split} split: add photographs or change the ratios")
        with bar(f"decode {split}") as advance:
            splits[split] = load_split(job.root, samples, job.labels, size, cache / f"{split}.npy", advance)
    return splits


def _finish(job: _Job, net: Any, trainer: Trainer, test: Split) -> Trained:
    progress = trainer.progress
    predictions = _predict(job, net, test)
    evaluation = evaluate(predictions)
    trained = model.trainable_parameters(net)
    # Everything trainable again: a reader of the file gets an ordinary model, not one frozen half-way.
    net.trainable = True
    with atomic.replacing(job.run / runs.MODEL_FILE) as temporary:
        net.save(temporary)
    write_predictions(job.run / PREDICTIONS_FILE, predictions)
    write_evaluation(job.run / runs.METRICS_FILE, evaluation)
    plots.draw_run(job.run / runs.PLOTS_FOLDER, progress.history, evaluation)
    report = evaluation.report
    figures = {"accuracy": report.accuracy, "accuracy_ci95": report.accuracy_ci95, "n": report.n}
    facts = {"status": "done", "test": figures, "epochs": len(progress.history), "parameters_trained": trained}
    runs.add_facts(
        job.run, {**facts, "train_seconds": round(progress.seconds, 2), "timings_seconds": dict(trainer.timings)}
    )
    (job.run / checkpoint.CHECKPOINT_FILE).unlink(missing_ok=True)
    return Trained(job.run, evaluation, progress.seconds, len(progress.history))


def _predict(job: _Job, net: Any, test: Split) -> Predictions:
    samples = of_split(job.rows, "test")
    return Predictions(
        job.labels,
        tuple(sample.path for sample in samples),
        tuple(sample.group for sample in samples),
        test.labels,
        predict_keras(net, test.pixels),
    )


def _facts(job: _Job, net: Any, *, status: str) -> dict[str, Any]:
    counts = Counter(row.split for row in job.rows)
    return {
        "status": status,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "data": {"root": str(job.root), "images": len(job.rows), **{split: counts[split] for split in SPLITS}},
        "notes": list(job.notes),
        "weights": job.weights if job.weights in ("imagenet", "none") else str(Path(job.weights).resolve()),
        "parameters": int(net.count_params()),
        "parameters_phase1": model.trainable_parameters(net),
        "frozen_beside": job.frozen_beside,
        "config": dataclasses.asdict(job.config),
        "tools": tool_versions(),
        "host": {"machine": platform.machine(), "system": platform.platform(), "python": platform.python_version()},
    }


def tool_versions() -> dict[str, str]:
    """Versions of what took part in training or conversion."""
    return {
        "batikkit": metadata.version("batikkit"),
        "tensorflow": tf.__version__,
        "tf_keras": keras.__version__,
        "numpy": np.__version__,
        "python": sys.version.split()[0],
    }


def _write_layers(path: Path, rows: Sequence[model.LayerRow]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("layer", "kind", "output_shape", "parameters", "trained_in_phase_1"))
    for row in rows:
        shape = "x".join(str(n) for n in row.output_shape)
        writer.writerow((row.name, row.kind, shape, row.parameters, "yes" if row.trainable else "no"))
    atomic.write_text(path, text.getvalue())
