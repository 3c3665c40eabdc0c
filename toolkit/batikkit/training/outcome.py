"""What comes out of a training: the model with its best weights, tested, and everything written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batikkit.console import warn
from batikkit.data.split import of_split
from batikkit.evaluation import plots
from batikkit.evaluation.metrics_file import Evaluation, evaluate, write_evaluation
from batikkit.evaluation.predictions import PREDICTIONS_FILE, Predictions, encode_predictions
from batikkit.labels import OTHER
from batikkit.network import model
from batikkit.network.other import write_other
from batikkit.runs import store
from batikkit.runs.record import TestFigure
from batikkit.runs.run import METRICS_FILE, MODEL_FILE, OTHER_FILE, PLOTS_FOLDER, Content, Run
from batikkit.training.clock import Clock
from batikkit.training.inputs import Split
from batikkit.training.job import Job, begin, utc_now
from batikkit.training.others import LEAST_VALIDATION, find_others, learn_other
from batikkit.training.schedule import HEAD, phases
from batikkit.training.state import State, write_state

Splits = Mapping[str, Split]


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder, its test figures and how long its epochs took [s]."""

    run: Path
    evaluation: Evaluation
    seconds: float
    epochs: int


def keep_frozen(job: Job, net: Any, state: State, *, splits: Splits, clock: Clock) -> None:
    """Keeps the frozen system, which is the model between the phases, as a run of its own, if the job wants that."""
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
        created=utc_now(),
        feeds=tuple(feed for feed in job.record.feeds if feed.phase == HEAD),
        frozen_beside=False,
        phase_1_of=job.run.folder.name,
    )
    config = dataclasses.replace(job.config, phase2_epochs=0)
    frozen = dataclasses.replace(job, run=run, record=record, config=config)
    begin(frozen, net)
    run.keep_epoch(state.history, lambda path: write_state(path, state))
    own = Clock(clock.seconds)  # its test is no part of the run that goes on
    trained = model.trainable_parameters(net)
    finish(frozen, net, state, splits=splits, parameters_trained=trained, clock=own, chief=True)


def finish(
    job: Job, net: Any, state: State, *, splits: Splits, parameters_trained: int, clock: Clock, chief: bool
) -> Trained:
    """Tests the model, which holds its best weights; the chief writes everything down and calls the run done."""
    with clock.measuring("finish"):
        predictions = _predict(job, net, splits["test"])
        evaluation = evaluate(predictions, caution=job.record.caution)
        seconds = sum(epoch.seconds for epoch in state.history)
        finished = Trained(job.run.folder, evaluation, seconds, len(state.history))
        if not chief:
            return finished
        # Everything trainable again: a reader of the file gets an ordinary model, not one frozen half-way.
        net.trainable = True
        results: dict[str, Content] = {
            MODEL_FILE: net.save,
            PREDICTIONS_FILE: encode_predictions(predictions),
            METRICS_FILE: lambda path: write_evaluation(path, evaluation),
        }
        if job.config.other:
            results |= _other(job, net, splits)
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


def _other(job: Job, net: Any, splits: Splits) -> dict[str, Content]:
    """The file from which exports know what is none of the motifs; nothing where that cannot be learned."""
    checked = len(splits["validation"].pixels)
    if OTHER in job.labels or checked < LEAST_VALIDATION:
        reason = f"the photographs have a motif {OTHER!r}" if OTHER in job.labels else (
            f"{checked} validation photographs are too few to take a limit from, at least {LEAST_VALIDATION}"
        )  # fmt: skip
        warn(f"no answer {OTHER!r}: {reason}")
        return {}
    strangers = find_others(Path(job.record.others)) if job.record.others else ()
    other = learn_other(net, job.config, splits["train"], splits["validation"], strangers)
    return {OTHER_FILE: lambda path: write_other(path, other)}


def _predict(job: Job, net: Any, test: Split) -> Predictions:
    samples = of_split(job.rows, "test")
    return Predictions(
        job.labels,
        tuple(sample.path for sample in samples),
        tuple(sample.group for sample in samples),
        test.labels,
        model.predict_keras(net, test.pixels),
    )
