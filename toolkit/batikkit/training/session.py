"""A whole training, from photographs to a run folder that explains itself: begin or go on, train, test."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batikkit.config import to_toml
from batikkit.console import warn
from batikkit.data.prepared import PreparedData
from batikkit.data.split import check_parts
from batikkit.errors import InputError
from batikkit.network import model
from batikkit.runs import lock, store
from batikkit.runs.run import CHECKPOINT_FILE, TENSORBOARD_FOLDER, Run
from batikkit.settings import TrainConfig
from batikkit.training.bars import Bar, Bars
from batikkit.training.clock import Clock
from batikkit.training.distributed import Workers
from batikkit.training.ending import told
from batikkit.training.feeds import changes, reserve
from batikkit.training.inputs import Inputs
from batikkit.training.job import Job, begin, check_photographs, decode, new_record, restore, scratch
from batikkit.training.loop import fit
from batikkit.training.others import find_others
from batikkit.training.outcome import Trained, finish, keep_frozen
from batikkit.training.precision import check_precision, precision_for
from batikkit.training.state import State, read_state, write_state
from batikkit.training.teaching import ask_teachers, check_teachers, find_again, find_teaching
from batikkit.training.tensorboard import TensorBoard


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
        others: Pictures of what is none of the motifs, for the answer "other"; none are needed.
        teachers: Finished runs whose answers are learned from beside the labels.
        unlabelled: Folder of photographs that only the teachers name.
        frozen_beside: Keep the model as phase 1 leaves it, before fine-tuning, as a tested run named `frozen`.
        begun: Called by the chief with the run's folder, when there is what resuming needs.
    """

    runs_dir: Path
    name: str
    weights: str
    others: Path | None = None
    teachers: tuple[Path, ...] = ()
    unlabelled: Path | None = None
    frozen_beside: bool = False
    begun: Callable[[Path], object] = lambda _folder: None

    def check(self) -> None:
        """Looks at what the photographs have no part in, for before they are looked at.

        Raises:
            InputError: there are no pictures of others, or a teacher cannot teach.
        """
        if self.others:
            find_others(self.others)
        check_teachers(self.teachers, self.unlabelled)


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
    check_parts(data.rows)
    beginning.check()
    check_precision(config)
    # Before the run folder exists, so that wrong weights leave nothing behind.
    net = model.build_model(config, classes=len(labels), weights=beginning.weights)
    teaching, unlabelled = find_teaching(
        beginning.teachers, beginning.unlabelled, root=data.dataset.root, labels=labels, rows=data.rows, bar=means.bar
    )
    known = teaching.sha256 if teaching else ""
    workers.agree(to_toml(config), labels, data.rows, known, *(w.tobytes() for w in net.get_weights()))
    store.sweep(beginning.runs_dir)
    folder = store.create_run(beginning.runs_dir, name=beginning.name) if workers.chief else scratch(workers)
    record = new_record(
        folder.name, data, net,
        weights=beginning.weights, others=beginning.others, teaching=teaching,
        frozen_beside=beginning.frozen_beside,
    )  # fmt: skip
    job = Job(Run(folder), record, config, labels, data.rows, unlabelled)
    if workers.chief:
        begin(job, net)
        beginning.begun(folder)
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
    check_photographs(Path(record.data.root), rows)
    if record.others:
        find_others(Path(record.others))
    unlabelled = find_again(record, labels, rows, bar=means.bar)
    state = read_state(run.path(CHECKPOINT_FILE))
    net = model.build_model(config, classes=len(labels))
    restore(run, net, state)
    workers.agree(to_toml(config), labels, rows, state, *(w.tobytes() for w in net.get_weights()))
    store.sweep(run.folder.parent)
    job = Job(run if workers.chief else Run(scratch(workers)), record, config, labels, rows, unlabelled)
    return _train(job, net, state, means)


def _train(job: Job, net: Any, state: State, means: Means) -> Trained:
    workers, clock = means.workers, Clock()
    with told(job, workers), lock.held(job.run.folder) as cache, Bars(means.bar) as bars:
        with clock.measuring("decode"):
            splits = decode(job, cache, bars=bars, share=workers.share)
        if job.record.teaching:
            with clock.measuring("teachers"):
                splits["train"] = ask_teachers(job, splits["train"], cache, workers=workers, bars=bars)
        shared = workers.replicate(net, job.config)
        precision = precision_for(job.config, workers=workers, known=job.record.feeds)
        inputs = Inputs(
            dataclasses.replace(job.config, precision=precision), splits["train"], splits["validation"],
            cache=cache, cache_bytes=int(means.cache_gb * 1e9), share=workers.share, clock=clock,
        )  # fmt: skip
        job = _fed(job, shared, inputs, state, means)
        board = TensorBoard(job.run.path(TENSORBOARD_FOLDER)) if means.tensorboard and workers.chief else None
        if workers.chief:
            keep_frozen(job, shared, state, splits=splits, clock=clock)  # a kill may have come before
        latest = state
        for latest in fit(shared, inputs, state=state, workers=workers, clock=clock, tell=bars.tell):
            bars.show(latest.history[-1])
            if board:
                board.write(latest.history[-1])
            if workers.chief:
                job.run.keep_epoch(latest.history, functools.partial(write_state, state=latest))
                keep_frozen(job, shared, latest, splits=splits, clock=clock)
        trained, plain = model.trainable_parameters(shared), workers.plain(shared, job.config)
        finished = finish(
            job, plain, latest,
            splits=splits, parameters_trained=trained, clock=clock, chief=workers.chief,
        )  # fmt: skip
        workers.total((0.0,))  # nobody leaves before the chief has written
        return finished


def _fed(job: Job, net: Any, inputs: Inputs, state: State, means: Means) -> Job:
    """Makes room for the cache and writes down what the phases are fed, and whatever else a resumed run was given."""
    known, epoch = job.record.feeds, len(state.history) + 1
    now = reserve(net, inputs, first=state.phase, engine=means.engine, workers=means.workers, known=known)
    feeds, lines = changes(known, now, epoch=epoch)
    record = dataclasses.replace(job.record, feeds=feeds, notes=(*job.record.notes, *lines))
    if means.workers.chief:
        for line in lines:
            warn(line)
        job.run.change(config=job.config, feeds=feeds, notes=record.notes, data=record.data)
    return dataclasses.replace(job, record=record)
