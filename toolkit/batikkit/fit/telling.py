"""From what was found to what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from batikkit.fit.budget import Budget, Measured, Step, affordable
from batikkit.fit.candidates import Candidate
from batikkit.fit.outcome import Outcome, figure, next_step, points, scout_figure
from batikkit.fit.search import Found, Search
from batikkit.fit.trial import Trial
from batikkit.fit.tuning import Tuning, tuned_choice


@dataclass(frozen=True)
class Told:
    """What is said around the figures: folder, board, budget, the command that goes on, and cautions."""

    data: str
    board: str
    budget: str
    command: str
    notes: tuple[str, ...]


def outcome_of(
    told: Told,
    search: Search,
    found: Found,
    rows: Sequence[Measured],
    budget: Budget,
    steps: Sequence[Step],
    beyond: Mapping[Candidate, Trial],
    tuning: Tuning | None,
) -> Outcome:
    """Everything that the page, the JSON file and the terminal say.

    Args:
        told: What is said around it.
        search: The search.
        found: What it found.
        rows: All measured files.
        budget: What they were held against.
        steps: What larger budgets would let in.
        beyond: The scouts of that.
        tuning: What became of fine-tuning; None: not tried.
    """
    photos, choice = search.photos, found.choice
    choice = choice if tuning is None else tuned_choice(choice, tuning, search)
    scouts = {candidate: scout_figure(trial, photos) for candidate, trial in found.scouts.items()}
    limits = [ceiling.p90_ms for ceiling in budget.values() if ceiling.p90_ms is not None]
    trials = [*found.scouts.values(), *found.full.values(), *beyond.values()]
    return Outcome(
        data=told.data,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        board=told.board,
        budget=told.budget,
        limit_p90_ms=max(limits, default=None),
        points=points(rows, scouts, budget),
        chosen=affordable(rows, budget)[choice.winner],
        winner=figure(found.full[choice.winner].tested == photos.truth.labels, photos),
        honest=figure(choice.right, photos),
        by_fold=tuple(name.title for name in choice.by_fold),
        steps=tuple(next_step(step, beyond.get(step.found.candidate), found, photos) for step in steps),
        tuning=tuning.told if tuning else "",
        tuned=tuning is not None and tuning.worthwhile,
        photographs=len(photos.truth.labels),
        groups=len({sample.group for sample in photos.dataset.samples}),
        folds=len(photos.splits),
        finalists=len(found.full),
        seconds=sum(trial.seconds for trial in trials) + (tuning.seconds if tuning else 0.0),
        notes=told.notes,
        command=told.command,
    )
