"""Whether fine-tuning from the solved head brings anything: asked of one fold first, of the others where it does."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.console import progress
from batikkit.data.prepared import PreparedData
from batikkit.data.split import SplitRow
from batikkit.evaluation.predictions import PREDICTIONS_FILE, read_predictions
from batikkit.fit.candidates import Candidate
from batikkit.fit.search import Search
from batikkit.fit.selection import Choice
from batikkit.runs.history import HISTORY_FILE, read_history
from batikkit.runs.run import Run
from batikkit.training.session import Beginning, Means, resume, train
from batikkit.training.systems import find_run

_FOLDER = "tuned"


@dataclass(frozen=True, eq=False)
class Tuning:
    """What became of it.

    Attributes:
        told: In a sentence.
        worthwhile: Validation of the first fold was better for it.
        named: int64 [N], what each photograph is named where it is tested; -1 where it was not asked.
        seconds: That it took.
    """

    told: str
    worthwhile: bool
    named: NDArray[np.int64]
    seconds: float


def try_tuning(search: Search, data: PreparedData, winner: Candidate) -> Tuning:
    """Fine-tunes the winner on the first fold, and on all others if its validation images are named better for it."""
    photos = search.photos
    named = np.full(len(photos.truth.labels), -1, np.int64)
    started = time.perf_counter()
    for fold, rows in enumerate(photos.splits):
        search.say(f"[{fold + 1}/{len(photos.splits)}] fine-tuning: {winner.title}")
        run = _run(search, data, winner, rows, fold)
        before, after = _validated(read_history(run.path(HISTORY_FILE)))
        if fold == 0 and after <= before:
            told = (
                f"Fine-tuning was tried on one fold and left: its validation images were named {100 * before:.1f} % "
                f"right before and {100 * after:.1f} % after."
            )
            return Tuning(told, False, named, time.perf_counter() - started)
        said = read_predictions(run.path(PREDICTIONS_FILE))
        place = {sample.path: index for index, sample in enumerate(photos.dataset.samples)}
        named[[place[path] for path in said.paths]] = said.predicted
    told = (
        "Fine-tuning was tried on all folds; validation kept whichever of the frozen and the fine-tuned network it "
        "named better, in each."
    )
    return Tuning(told, True, named, time.perf_counter() - started)


def tuned_choice(choice: Choice[Candidate], tuning: Tuning, search: Search) -> Choice[Candidate]:
    """The choice with the fine-tuned winner's answers on folds that would have chosen it, too."""
    truth, right = search.photos.truth, choice.right.copy()
    for fold, name in enumerate(choice.by_fold):
        if tuning.worthwhile and name == choice.winner:
            asked = truth.folds == fold
            right[asked] = tuning.named[asked] == truth.labels[asked]
    return dataclasses.replace(choice, right=right)


def _run(search: Search, data: PreparedData, winner: Candidate, rows: tuple[SplitRow, ...], fold: int) -> Run:
    """The finished run of one fold: found, continued or begun."""
    folder = search.folder.path(_FOLDER, winner.name, f"fold{fold + 1}", "runs").parent
    part = dataclasses.replace(data, rows=rows, notes=(), caution="")
    means = Means(progress)
    with search.folder.turn(f"{winner.name}.tuned{fold + 1}"):
        run = find_run(folder, "tuned")
        if run is None:
            weights = str(search.weights[winner.network, winner.alpha])
            config = winner.config(seed=search.photos.seed, tuned=True)
            train(part, config, Beginning(Path(folder), "tuned", weights), means)
        elif not run.record.done:
            resume(run, means)
        run = find_run(folder, "tuned")
    assert run is not None
    return run


def _validated(history: Sequence[Mapping[str, float]]) -> tuple[float, float]:
    """Validation accuracy of the solved head and of fine-tuning, each at its least validation loss."""
    best = [
        min((epoch for epoch in history if epoch["phase"] == phase), key=lambda epoch: epoch["val_loss"])
        for phase in (1, 2)
    ]
    return best[0]["val_accuracy"], best[1]["val_accuracy"]
