"""Who goes on and who is chosen: no fold judges what it helped to choose. And what a budget lets in."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from batikkit.errors import InputError
from batikkit.fit.budget import Ceiling, Measured, affordable, next_steps
from batikkit.fit.candidates import Candidate, all_backbones, candidates, parse
from batikkit.fit.outcome import Figure, points
from batikkit.fit.selection import Truth, choose, finalists, score
from batikkit.fit.trial import Trial

FOLDS, EACH = 4, 10
TRUTH = Truth(np.arange(FOLDS * EACH) % 2, np.repeat(np.arange(FOLDS), EACH))


def trial(right: np.ndarray) -> Trial:
    """A trial whose answer to photograph i without fold k is right where right[i, k]."""
    named = np.where(right, TRUTH.labels[:, None], 1 - TRUTH.labels[:, None])
    return Trial("", 1.0, named, named[np.arange(len(named)), TRUTH.folds])


def by_chance(count: int, *, seed: int) -> dict[str, Trial]:
    chance = np.random.default_rng(seed)
    return {f"n{n}": trial(chance.random((FOLDS * EACH, FOLDS)) < 0.5) for n in range(count)}


def test_the_choice_for_a_fold_does_not_ask_it() -> None:
    """Whatever the photographs of a fold say, the one chosen for it is the same."""
    trials = by_chance(6, seed=1)
    order = sorted(trials)
    going = finalists(trials, TRUTH, order, keep=2)
    before = choose(trials, TRUTH, going, order)
    for fold in range(FOLDS):
        changed = {}
        for number, (name, old) in enumerate(trials.items()):
            paired, own = old.paired.copy(), TRUTH.folds == fold
            paired[own] = TRUTH.labels[own, None] if number % 2 else 1 - TRUTH.labels[own, None]
            # Nor what heads that saw the fold say of others: they learned from it.
            paired[~own] = np.where(np.arange(FOLDS) == fold, paired[~own], 1 - paired[~own])
            changed[name] = Trial("", 1.0, paired, old.tested)
        anew = finalists(changed, TRUTH, order, keep=2)
        assert anew.by_view[fold] == going.by_view[fold]
        assert choose(changed, TRUTH, anew, order).by_fold[fold] == before.by_fold[fold]


def test_among_many_that_guess_the_honest_figure_stays_at_chance_where_the_winners_own_does_not() -> None:
    honest, own = [], []
    for seed in range(60):
        trials = by_chance(40, seed=seed)
        order = sorted(trials)
        choice = choose(trials, TRUTH, finalists(trials, TRUTH, order, keep=10), order)
        honest.append(choice.right.mean())
        own.append(score(trials[choice.winner], TRUTH))
    assert np.mean(honest) == pytest.approx(0.5, abs=0.03)
    assert np.mean(own) > 0.62


def test_the_better_is_chosen_and_of_equals_the_faster() -> None:
    good = np.ones((FOLDS * EACH, FOLDS), np.bool_)
    poor = good.copy()
    poor[::3] = False
    trials = {"slow": trial(good), "poor": trial(poor), "fast": trial(good)}
    order = ["poor", "fast", "slow"]
    going = finalists(trials, TRUTH, order, keep=2)
    assert going.everyone == ("fast", "slow")
    choice = choose(trials, TRUTH, going, order)
    assert (choice.winner, set(choice.by_fold), choice.right.all()) == ("fast", {"fast"}, True)


def row(name: str, variant: str = "int8", *, p90: float, size: int, rss: int = 5_000_000) -> Measured:
    return Measured(parse(name), variant, p90 * 0.9, p90, size, rss, True, "ai-edge-litert", 1)


ROWS = (
    row("mobilenet-v2-0.35-96", p90=2, size=640_000),
    row("mobilenet-v2-0.35-96", "float16", p90=3, size=870_000),
    row("mobilenet-v2-1-96", p90=6, size=2_700_000),
    row("mobilenet-v2-1-96", "float16", p90=12, size=4_500_000),
    row("mobilenet-v2-0.35-288", p90=15, size=640_000),
    row("efficientnet-lite0-1-288", p90=40, size=4_000_000, rss=90_000_000),
)


def both(**limits: float) -> dict[str, Ceiling]:
    return dict.fromkeys(("float16", "int8"), Ceiling(**limits))


def test_what_fits_is_each_networks_fastest_file() -> None:
    found = affordable(ROWS, both(p90_ms=12, size_mb=3))
    assert [(c.name, m.variant) for c, m in found.items()] == [
        ("mobilenet-v2-0.35-96", "int8"), ("mobilenet-v2-1-96", "int8")
    ]  # fmt: skip
    assert len(affordable(ROWS, both())) == 4
    int8_alone = {"float16": Ceiling(), "int8": Ceiling(p90_ms=1)}
    assert {m.variant for m in affordable(ROWS, int8_alone).values()} == {"float16"}


def test_a_budget_that_nothing_meets_names_the_nearest_in_one_line() -> None:
    with pytest.raises(
        InputError, match=r"^nothing fits into 1 ms; the nearest is mobilenet-v2 0.35, 96 px, int8: p90 2"
    ) as r:
        affordable(ROWS, both(p90_ms=1))
    assert "\n" not in str(r.value)
    with pytest.raises(InputError, match="leaves nothing"):
        Ceiling(p90_ms=0)


def test_the_next_step_is_what_one_limit_alone_keeps_out() -> None:
    steps = {
        step.limit: (step.needed, step.found.candidate.name) for step in next_steps(ROWS, both(p90_ms=5, size_mb=3))
    }
    assert steps == {"p90_ms": (6, "mobilenet-v2-1-96")}
    steps = {step.limit: step.found.candidate.name for step in next_steps(ROWS, both(p90_ms=50, size_mb=1, rss_mb=50))}
    assert steps == {"size_mb": "mobilenet-v2-1-96"}
    assert next_steps(ROWS, both()) == ()


def test_the_front_holds_what_nothing_within_the_budget_beats() -> None:
    right = {"0.35-96": 0.6, "1-96": 0.7, "0.35-288": 0.7, "0.35-128": 0.9}
    figures = {
        parse(f"mobilenet-v2-{name}"): Figure(share, (share - 0.1, share + 0.1)) for name, share in right.items()
    }
    rows = (*ROWS, row("mobilenet-v2-0.35-128", p90=30, size=640_000))
    found = points(rows, figures, both(p90_ms=20))
    assert [point.row.p90_ms for point in found] == sorted(point.row.p90_ms for point in found)
    assert [(p.row.candidate.name, p.row.variant) for p in found if p.on_front] == [
        ("mobilenet-v2-0.35-96", "int8"), ("mobilenet-v2-1-96", "int8")
    ]  # fmt: skip
    assert {point.row.p90_ms for point in found if not point.fits} == {30, 40}
    wider = points(rows, figures, both(p90_ms=35))
    assert [p.row.p90_ms for p in wider if p.on_front] == [2, 6, 30]


def test_names_are_read_back() -> None:
    everyone = candidates(all_backbones())
    assert [parse(candidate.name) for candidate in everyone] == list(everyone)
    assert len({candidate.name for candidate in everyone}) == len(everyone)
    for one, other in itertools.pairwise(everyone):
        assert one.title != other.title
    for name in ("mobilenet-v2-0.36-96", "plain-cnn-1-96", "int8", ""):
        with pytest.raises(InputError, match="no network of 'batikkit fit'"):
            parse(name)


def test_what_a_command_line_says_of_a_candidate_is_its_configuration() -> None:
    from batikkit.config import load_config

    for tuned in (False, True):
        words = list(Candidate("mobilenet-v2", 0.35, 96).options(tuned=tuned))
        named = dict(zip(words[::2], words[1::2], strict=True))
        overrides = [value for word, value in zip(words[::2], words[1::2], strict=True) if word == "--set"]
        config = load_config(
            named["--preset"], overrides=overrides, image_size=int(named["--image-size"]),
            alpha=float(named["--backbone-alpha"]),
        )  # fmt: skip
        assert config == Candidate("mobilenet-v2", 0.35, 96).config(tuned=tuned)
