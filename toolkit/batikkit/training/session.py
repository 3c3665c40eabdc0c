"""A whole training, from a folder of photographs to a run folder that explains itself: begin, or go on; train; test."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import platform
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from batikkit.config import to_toml
from batikkit.console import note
from batikkit.data.prepared import PreparedData
from batikkit.data.split import SPLITS, SplitRow, encode_split, of_split
from batikkit.digest import file_sha256
from batikkit.errors import BatikkitError, DiskFullError, InputError
from batikkit.evaluation import plots
from batikkit.evaluation.metrics_file import Evaluation, evaluate, write_evaluation
from batikkit.evaluation.predictions import PREDICTIONS_FILE, Predictions, encode_predictions
from batikkit.network import model
from batikkit.network.keras_backend import keras, tf
from batikkit.network.layers import encode_layers
from batikkit.runs import lock, store
from batikkit.runs.record import TRAINING, Photographs, RunRecord, TestFigure
from batikkit.runs.run import (
    CHECKPOINT_FILE,
    LAYERS_FILE,
    METRICS_FILE,
    MODEL_FILE,
    PLOTS_FOLDER,
    START_FILE,
    TENSORBOARD_FOLDER,
    Content,
    Run,
)
from batikkit.settings import TrainConfig
from batikkit.training.bars import Bar, Bars
from batikkit.training.clock import Clock
from batikkit.training.distributed import Workers
from batikkit.training.feeds import changes, reserve
from batikkit.training.inputs import Inputs, Split, load_split
from batikkit.training.loop import DivergedError, fit
from batikkit.training.schedule import HEAD, phases
from batikkit.training.state import State, read_start, read_state, write_start, write_state
from batikkit.training.stopping import StoppedError as StoppedError
from batikkit.training.stopping import stoppable
from batikkit.training.tensorboard import TensorBoard


class OutOfMemoryError(BatikkitError):
    """A step does not fit into memory."""

    exit_code = 1


@dataclass(frozen=True)
class Means:
    """By what means a run is trained.

    Attributes:
        bar: Makes progress bars.
        engine: `auto`, `cached` or `keras`.
        cache_gb: Bound of the feature cache [GB].
        tensorboard: Write event files into the run folder.
        workers: The processes that train together, from `distributed.join`; this one alone by default.
    """

    bar: Bar
    engine: str = "auto"
    cache_gb: float = 8.0
    tensorboard: bool = False
    workers: Workers = field(default_factory=Workers)


@dataclass(frozen=True)
class Beginning:
    """What a new run is begun with, apart from images and settings.

    Attributes:
        runs_dir: Parent of run folders.
        name: Ends the run's id.
        weights: The backbone: `imagenet`, `none` or a path.
        frozen_beside: Keep the model as phase 1 leaves it, before fine-tuning, as a tested run named `frozen`.
    """

    runs_dir: Path
    name: str
    weights: str
    frozen_beside: bool = False


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder, its test figures and how long its epochs took [s]."""

    run: Path
    evaluation: Evaluation
    seconds: float
    epochs: int


@dataclass(frozen=True)
class _Job:
    """One training as this worker knows it; `run` is where it keeps its share, the run folder only for the chief."""

    run: Run
    record: RunRecord
    config: TrainConfig
    labels: tuple[str, ...]
    rows: tuple[SplitRow, ...]


def train(data: PreparedData, config: TrainConfig, beginning: Beginning, means: Means) -> Trained:
    """Trains in a new run folder.

    Raises:
        InputError: the weights cannot be used.
        DivergedError: the loss became NaN.
        StoppedError: the user pressed Ctrl-C.
        DiskFullError: no room; finished epochs are kept.
        OutOfMemoryError: a batch does not fit into memory; finished epochs are kept.
        WorkerLostError: another worker died; finished epochs are kept.
    """
    workers, labels = means.workers, data.dataset.labels
    # Before the run folder exists, so that wrong weights leave nothing behind.
    net = model.build_model(config, classes=len(labels), weights=beginning.weights)
    workers.agree(to_toml(config), labels, data.rows, *(w.tobytes() for w in net.get_weights()))
    store.sweep(beginning.runs_dir)
    folder = store.create_run(beginning.runs_dir, name=beginning.name) if workers.chief else _scratch(workers)
    record = _new_record(folder.name, data, net, beginning)
    job = _Job(Run(folder), record, config, labels, data.rows)
    if workers.chief:
        _begin(job, net)
    return _train(job, net, State(), means)


def resume(run: Run, means: Means, *, batch_size: int | None = None, root: Path | None = None) -> Trained:
    """Continues a run that was stopped, from its last finished epoch. Raises what `train` does, and more.

    Args:
        run: The run; several workers must all see its folder.
        means: As for `train`.
        batch_size: Replaces the run's own, for a machine with less memory.
        root: Where the photographs are now, if they moved.

    Raises:
        InputError: not a run, already finished, being trained, or its photographs are gone or changed.
    """
    workers, record = means.workers, run.record
    if record.done:
        raise InputError(f"run {run} is already finished: evaluate or export it, or train a new one")
    config = run.config
    if batch_size:
        config = dataclasses.replace(config, batch_size=batch_size)
    if root:
        record = dataclasses.replace(record, data=dataclasses.replace(record.data, root=str(root.resolve())))
    labels, rows = run.labels, run.rows
    _check_photographs(Path(record.data.root), rows)
    state = read_state(run.path(CHECKPOINT_FILE))
    net = model.build_model(config, classes=len(labels))
    _restore(run, net, state)
    workers.agree(to_toml(config), labels, rows, state, *(w.tobytes() for w in net.get_weights()))
    store.sweep(run.folder.parent)
    job = _Job(run if workers.chief else Run(_scratch(workers)), record, config, labels, rows)
    return _train(job, net, state, means)


def _train(job: _Job, net: Any, state: State, means: Means) -> Trained:
    workers, clock = means.workers, Clock()
    with _told(job, workers), lock.held(job.run.folder) as cache, Bars(means.bar) as bars:
        with clock.measuring("decode"):
            splits = _decode(job, cache, bars, workers)
        shared = workers.replicate(net, job.config)
        inputs = Inputs(
            job.config, splits["train"], splits["validation"],
            cache=cache, cache_bytes=int(means.cache_gb * 1e9), share=workers.share, clock=clock,
        )  # fmt: skip
        job = _fed(job, shared, inputs, state, means)
        board = TensorBoard(job.run.path(TENSORBOARD_FOLDER)) if means.tensorboard and workers.chief else None
        _keep_frozen(job, shared, state, splits["test"], clock, workers)  # a kill may have come before it was kept
        latest = state
        for latest in fit(shared, inputs, state=state, workers=workers, clock=clock, tell=bars.tell):
            bars.show(latest.history[-1])
            if board:
                board.write(latest.history[-1])
            if workers.chief:
                job.run.keep_epoch(latest.history, functools.partial(write_state, state=latest))
            _keep_frozen(job, shared, latest, splits["test"], clock, workers)
        trained = model.trainable_parameters(shared)
        finished = _finish(job, workers.plain(shared, job.config), latest, splits["test"], trained, clock, workers)
        workers.total((0.0,))  # nobody leaves before the chief has written
        return finished


def _fed(job: _Job, net: Any, inputs: Inputs, state: State, means: Means) -> _Job:
    """Makes room for the cache and writes down what the phases are fed, and whatever else a resumed run was given."""
    known, epoch = job.record.feeds, len(state.history) + 1
    now = reserve(net, inputs, first=state.phase, engine=means.engine, workers=means.workers, known=known)
    feeds, told = changes(known, now, epoch=epoch)
    record = dataclasses.replace(job.record, feeds=feeds, notes=(*job.record.notes, *told))
    if means.workers.chief:
        for line in told:
            note(f"batikkit: {line}")
        job.run.change(config=job.config, feeds=feeds, notes=record.notes, data=record.data)
    return dataclasses.replace(job, record=record)


def _new_record(run_id: str, data: PreparedData, net: Any, beginning: Beginning) -> RunRecord:
    counts = Counter(row.split for row in data.rows)
    weights = str(beginning.weights)
    return RunRecord(
        run_id=run_id,
        status=TRAINING,
        created=_now(),
        data=Photographs(str(data.dataset.root.resolve()), len(data.rows), *(counts[split] for split in SPLITS)),
        weights=weights if weights in ("imagenet", "none") else str(Path(weights).resolve()),
        parameters=int(net.count_params()),
        parameters_phase1=model.trainable_parameters(net),
        tools={
            "batikkit": metadata.version("batikkit"),
            "tensorflow": tf.__version__,
            "tf_keras": keras.__version__,
            "numpy": np.__version__,
            "python": sys.version.split()[0],
        },
        host={"machine": platform.machine(), "system": platform.platform(), "python": platform.python_version()},
        notes=data.notes,
        split_sha256=hashlib.sha256(encode_split(data.rows)).hexdigest(),
        frozen_beside=beginning.frozen_beside,
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _begin(job: _Job, net: Any) -> None:
    start = net.get_weights()
    files: dict[str, Content] = {
        LAYERS_FILE: encode_layers(model.layer_table(net)),
        START_FILE: lambda path: write_start(path, start),
        CHECKPOINT_FILE: lambda path: write_state(path, State()),
    }
    job.run.begin(job.record, config=job.config, labels=job.labels, rows=job.rows, files=files)


def _restore(run: Run, net: Any, state: State) -> None:
    # Everything that the run began with is kept beside it: the file that the backbone came from may be gone.
    try:
        net.set_weights(read_start(run.path(START_FILE)))
        model.put_weights(net, state.weights)
    except (ValueError, KeyError) as error:
        raise InputError(f"the checkpoint in {run} does not fit its config.toml: train again") from error


def _scratch(workers: Workers) -> Path:
    """Where a worker other than the chief keeps its share of the images: on its own machine, not in the run folder."""
    folder = Path(tempfile.gettempdir()) / f"batikkit-{os.getuid()}" / f"worker-{workers.share.rank}-{workers.port}"
    lock.sweep_caches(folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _told(job: _Job, workers: Workers) -> Iterator[None]:
    """Ends training with one line that says how to go on, whatever stopped it."""
    run = str(job.run) if workers.chief else "RUN"
    onwards = f"finished epochs are kept, continue with: batikkit train --resume {run}"
    try:
        with stoppable(f"stopped; {onwards}"):
            yield
    except DivergedError as error:
        raise DivergedError(f"{error}; the last good epoch is kept in {run}") from error
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
            raise InputError(
                f"photograph {file} of this run is gone: name its folder with --data DIR if it moved, or put it back"
            )
        if file_sha256(file) != row.sample.sha256:
            raise InputError(f"photograph {file} has changed since this run began: put it back, or train a new run")


def _decode(job: _Job, cache: Path, bars: Bars, workers: Workers) -> dict[str, Split]:
    """This worker's share of the training and validation images, and all test images."""
    splits, root, size = {}, Path(job.record.data.root), job.config.image_size
    for split in SPLITS:
        samples = of_split(job.rows, split)
        if not samples:
            raise InputError(f"no images in the {split} split: add photographs or change the ratios")
        share = workers.share if split != "test" else None
        advance = bars.advance(f"decode {split}")
        splits[split] = load_split(root, samples, job.labels, size, cache / f"{split}.npy", advance, share)
    return splits


def _keep_frozen(job: _Job, net: Any, state: State, test: Split, clock: Clock, workers: Workers) -> None:
    """Keeps the frozen system, which is the model between the phases, as a run of its own."""
    plan = phases(job.config)
    between = len(plan) == 2 and plan[0].name == HEAD and (state.phase, state.epoch) == (1, 0)
    if not (job.record.frozen_beside and between):
        return
    # After a kill this may be done again: what it left is finished, not written a second time.
    runs_dir = job.run.folder.parent
    begun = [run for run in map(Run, store.all_runs(runs_dir)) if run.record.phase_1_of == job.run.folder.name]
    run = begun[0] if begun else Run(store.create_run(runs_dir, name="frozen"))
    if begun and run.record.done:
        return
    record = dataclasses.replace(
        job.record,
        run_id=run.folder.name,
        created=_now(),
        feeds=tuple(feed for feed in job.record.feeds if feed.phase == HEAD),
        frozen_beside=False,
        phase_1_of=job.run.folder.name,
    )
    config = dataclasses.replace(job.config, phase2_epochs=0)
    frozen = dataclasses.replace(job, run=run, record=record, config=config)
    _begin(frozen, net)
    run.keep_epoch(state.history, lambda path: write_state(path, state))
    _finish(frozen, net, state, test, model.trainable_parameters(net), clock, workers)


def _finish(
    job: _Job, net: Any, state: State, test: Split, parameters_trained: int, clock: Clock, workers: Workers
) -> Trained:
    """Tests the model, which holds its best weights, and writes everything down."""
    with clock.measuring("finish"):
        predictions = _predict(job, net, test)
        evaluation = evaluate(predictions)
        seconds = sum(epoch.seconds for epoch in state.history)
        finished = Trained(job.run.folder, evaluation, seconds, len(state.history))
        if not workers.chief:
            return finished
        # Everything trainable again: a reader of the file gets an ordinary model, not one frozen half-way.
        net.trainable = True
        results: dict[str, Content] = {
            MODEL_FILE: net.save,
            PREDICTIONS_FILE: encode_predictions(predictions),
            METRICS_FILE: lambda path: write_evaluation(path, evaluation),
        }
        job.run.write(results)
        plots.draw_run(job.run.path(PLOTS_FOLDER), [dataclasses.asdict(epoch) for epoch in state.history], evaluation)
    report = evaluation.report
    job.run.finish(
        test=TestFigure(report.accuracy, report.accuracy_ci95, report.n),
        epochs=len(state.history),
        parameters_trained=parameters_trained,
        train_seconds=round(seconds, 2),
        timings_seconds=dict(clock.seconds),
    )
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
