"""A whole training run, from a folder of photographs to a run folder that explains itself."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from batikkit import atomic, runs
from batikkit.config import TrainConfig, read_config, to_toml
from batikkit.data.prepared import PreparedData
from batikkit.data.split import SPLIT_FILE, SPLITS, SplitRow, of_split, read_split, write_split
from batikkit.digest import file_sha256
from batikkit.errors import BatikkitError, DiskFullError, InputError
from batikkit.evaluation import plots
from batikkit.evaluation.metrics_file import Evaluation, evaluate, write_evaluation
from batikkit.evaluation.predictions import PREDICTIONS_FILE, Predictions, write_predictions
from batikkit.labels import LABELS_FILE, read_labels, write_labels
from batikkit.network import model
from batikkit.network.keras_backend import tf
from batikkit.training import checkpoint, run_lock
from batikkit.training.distributed import Workers
from batikkit.training.inputs import Split, load_split
from batikkit.training.run_record import LAYERS_FILE, tool_versions, write_layers
from batikkit.training.stopping import StoppedError as StoppedError
from batikkit.training.stopping import stoppable
from batikkit.training.trainer import HEAD_PHASE, Bar, Phase, Trainer, write_history


class OutOfMemoryError(BatikkitError):
    """A step does not fit into memory."""

    exit_code = 1


@dataclass(frozen=True)
class Means:
    """How a run is trained; none of it changes what is learned beyond rounding.

    Attributes:
        bar: Makes progress bars.
        engine: `auto`, `cached` or `keras`.
        cache_gb: Bound of the feature cache [GB].
        tensorboard: Write event files into the run folder.
        workers: The processes that train together, from `distributed.join`.
    """

    bar: Bar
    engine: str = "auto"
    cache_gb: float = 8.0
    tensorboard: bool = False
    workers: Workers = field(default_factory=Workers)


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
    phase_1_of: str | None = None


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
    tensorboard: bool = False,
    workers: Workers | None = None,
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
        tensorboard: Write event files into the run folder.
        workers: The processes that train together, from `distributed.join`; this one alone if None.
        frozen_beside: Keep the model as phase 1 leaves it, before fine-tuning, as a tested run named `frozen`.

    Raises:
        InputError: the weights cannot be used.
        DivergedError: the loss became NaN.
        StoppedError: the user pressed Ctrl-C.
        DiskFullError: no room; finished epochs are kept.
        OutOfMemoryError: a batch does not fit into memory; finished epochs are kept.
        WorkerLostError: another worker died; finished epochs are kept.
    """
    labels = data.dataset.labels
    means = Means(bar, engine, cache_gb, tensorboard, workers or Workers())
    # Before the run folder exists, so that wrong weights leave nothing behind.
    net = model.build_model(config, classes=len(labels), weights=weights)
    means.workers.agree(to_toml(config), labels, data.rows, *(w.tobytes() for w in net.get_weights()))
    _sweep(runs_dir)
    run = runs.create_run(runs_dir, name=name) if means.workers.chief else _scratch(means.workers)
    root = data.dataset.root.resolve()
    job = _Job(run, root, config, labels, data.rows, str(weights), data.notes, frozen_beside)
    if means.workers.chief:
        _open_run(job, net)
    return _train(job, net, means, saved=None)


def resume_run(
    run: Path,
    *,
    bar: Bar,
    engine: str = "auto",
    cache_gb: float = 8.0,
    batch_size: int | None = None,
    tensorboard: bool = False,
    workers: Workers | None = None,
) -> Trained:
    """Continues a run that was stopped, from its last finished epoch. All but the first as for `train_run`.

    Args:
        run: The run folder; several workers must all see it.
        bar: Makes progress bars.
        engine: `auto`, `cached` or `keras`.
        cache_gb: Bound of the feature cache [GB].
        batch_size: Replaces the run's own, for a machine with less memory.
        tensorboard: Write event files into the run folder.
        workers: The processes that train together.

    Raises:
        InputError: not a run, already finished, being trained, or its photographs are gone or changed.
    """
    means = Means(bar, engine, cache_gb, tensorboard, workers or Workers())
    facts = runs.read_run(run)
    if facts.get("status") == "done":
        raise InputError(f"run {run} is already finished: evaluate or export it, or train a new one")
    config = read_config(run / runs.CONFIG_FILE)
    if batch_size:
        config = dataclasses.replace(config, batch_size=batch_size)
    labels, rows = read_labels(run / LABELS_FILE), read_split(run / SPLIT_FILE)
    root, beside = Path(facts["data"]["root"]), bool(facts.get("frozen_beside"))
    _check_photographs(root, rows)
    saved = checkpoint.read_checkpoint(run / checkpoint.CHECKPOINT_FILE)
    # The checkpoint holds every weight, so the file that the backbone came from may be gone.
    net = model.build_model(config, classes=len(labels))
    _restore(run, net, saved)
    means.workers.agree(to_toml(config), labels, rows, saved.progress, *(w.tobytes() for w in net.get_weights()))
    _sweep(run.parent)
    run = run if means.workers.chief else _scratch(means.workers)
    job = _Job(run, root, config, labels, rows, facts["weights"], tuple(facts["notes"]), beside)
    return _train(job, net, means, saved=saved)


def _train(job: _Job, net: Any, means: Means, *, saved: checkpoint.Checkpoint | None) -> Trained:
    workers = means.workers
    with _told(job, workers), run_lock.held(job.run) as cache:
        if saved and workers.chief:
            _keep_settings(job)
        started = time.perf_counter()
        splits = _decode(job, cache, means)
        decoded = time.perf_counter() - started
        shared = workers.replicate(net, job.config)
        trainer = Trainer(
            shared,
            job.config,
            splits["train"],
            splits["validation"],
            run=job.run,
            bar=means.bar,
            engine=means.engine,
            cache_bytes=int(means.cache_gb * 1e9),
            phase_done=lambda phase: _branch(job, shared, trainer, splits["test"], phase),
            workers=workers,
            tensorboard=means.tensorboard,
        )
        trainer.timings["decode"] = decoded
        if saved:
            trainer.resume(saved)
        trainer.fit()
        trained = _finish(job, workers.plain(shared, job.config), trainer, splits["test"])
        workers.total((0.0,))  # nobody leaves before the chief has written
        return trained


def _sweep(runs_dir: Path) -> None:
    """Removes what killed trainings left; the checkpoint too where only its removal was missing."""
    for run in run_lock.sweep(runs_dir):
        if (run / runs.RUN_FILE).is_file() and runs.read_run(run).get("status") == "done":
            (run / checkpoint.CHECKPOINT_FILE).unlink(missing_ok=True)


def _scratch(workers: Workers) -> Path:
    """Where a worker other than the chief keeps its share of the images: on its own machine, not in the run folder."""
    folder = Path(tempfile.gettempdir()) / f"batikkit-{os.getuid()}" / f"worker-{workers.share.rank}-{workers.port}"
    run_lock.sweep(folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _restore(run: Path, net: Any, saved: checkpoint.Checkpoint) -> None:
    try:
        net.set_weights(saved.weights)
    except ValueError as error:
        raise InputError(f"the checkpoint in {run} does not fit its config.toml: train again") from error


def _keep_settings(job: _Job) -> None:
    """A resumed run may have been given another batch size, which then holds for the next time too."""
    if job.config != read_config(job.run / runs.CONFIG_FILE):
        atomic.write_text(job.run / runs.CONFIG_FILE, to_toml(job.config))
        runs.add_facts(job.run, {"config": dataclasses.asdict(job.config)})


@contextlib.contextmanager
def _told(job: _Job, workers: Workers) -> Iterator[None]:
    """Ends training with one line that says how to go on, whatever stopped it."""
    run = job.run if workers.chief else "RUN"
    onwards = f"finished epochs are kept, continue with: batikkit train --resume {run}"
    try:
        with stoppable(f"stopped; {onwards}"):
            yield
    except DiskFullError as error:
        raise DiskFullError(f"{error}; {onwards}") from error
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        size = job.config.batch_size
        raise OutOfMemoryError(
            f"out of memory with batches of {size} at {job.config.image_size} pixels; {onwards} "
            f"--set batch_size={max(1, size // 2)}"
        ) from error


def _check_photographs(root: Path, rows: Sequence[SplitRow]) -> None:
    for row in rows:
        file = root / row.sample.path
        if not file.is_file():
            raise InputError(f"photograph {file} of this run is gone: put it back, or train a new run")
        if file_sha256(file) != row.sample.sha256:
            raise InputError(f"photograph {file} has changed since this run began: put it back, or train a new run")


def _open_run(job: _Job, net: Any) -> None:
    write_labels(job.run / LABELS_FILE, job.labels)
    write_split(job.run / SPLIT_FILE, job.rows)
    atomic.write_text(job.run / runs.CONFIG_FILE, to_toml(job.config))
    write_layers(job.run / LAYERS_FILE, model.layer_table(net))
    first = checkpoint.Checkpoint(checkpoint.Progress(), net.get_weights(), best_weights=[], optimizer=[])
    checkpoint.write_checkpoint(job.run / checkpoint.CHECKPOINT_FILE, first)
    # Last: a folder with this file is a run, and can be resumed.
    runs.write_run(job.run, _facts(job, net, status="training"))


def _branch(job: _Job, net: Any, trainer: Trainer, test: Split, phase: Phase) -> None:
    """Keeps the frozen system, which is the model between the phases, as a run of its own."""
    if not job.frozen_beside or phase.name != HEAD_PHASE or not job.config.phase2_epochs:
        return
    # After a kill the phase may end again: what it left is finished, not written a second time.
    begun = [run for run in runs.all_runs(job.run.parent) if runs.read_run(run).get("phase_1_of") == job.run.name]
    run = begun[0] if begun else runs.create_run(job.run.parent, name="frozen")
    if (run / runs.MODEL_FILE).exists() and runs.read_run(run)["status"] == "done":
        return
    config = dataclasses.replace(job.config, phase2_epochs=0)
    frozen = dataclasses.replace(job, run=run, config=config, frozen_beside=False, phase_1_of=job.run.name)
    _open_run(frozen, net)
    write_history(run / runs.HISTORY_FILE, trainer.progress.history)
    _finish(frozen, net, trainer, test)


def _decode(job: _Job, cache: Path, means: Means) -> dict[str, Split]:
    """This worker's share of the training and validation images, and all test images."""
    splits = {}
    for split in SPLITS:
        samples = of_split(job.rows, split)
        if not samples:
            raise InputError(f"no images in the {split} split: add photographs or change the ratios")
        share = means.workers.share if split != "test" else None
        with means.bar(f"decode {split}") as advance:
            splits[split] = load_split(
                job.root, samples, job.labels, job.config.image_size, cache / f"{split}.npy", advance, share
            )
    return splits


def _finish(job: _Job, net: Any, trainer: Trainer, test: Split) -> Trained:
    progress, started = trainer.progress, time.perf_counter()
    predictions = _predict(job, net, test)
    evaluation = evaluate(predictions)
    trained = model.trainable_parameters(trainer.net)
    finished = Trained(job.run, evaluation, progress.seconds, len(progress.history))
    if not trainer.workers.chief:
        return finished
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
    trainer.timings["finish"] = time.perf_counter() - started
    runs.add_facts(
        job.run, {**facts, "train_seconds": round(progress.seconds, 2), "timings_seconds": dict(trainer.timings)}
    )
    (job.run / checkpoint.CHECKPOINT_FILE).unlink(missing_ok=True)
    return finished


def _predict(job: _Job, net: Any, test: Split) -> Predictions:
    samples = of_split(job.rows, "test")
    return Predictions(
        job.labels,
        tuple(sample.path for sample in samples),
        tuple(sample.group for sample in samples),
        test.labels,
        model.predict_keras(net, test.pixels),
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
        **({"phase_1_of": job.phase_1_of} if job.phase_1_of else {}),
        "config": dataclasses.asdict(job.config),
        "tools": tool_versions(),
        "host": {"machine": platform.machine(), "system": platform.platform(), "python": platform.python_version()},
    }
