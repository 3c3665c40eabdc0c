"""A search that two processes share, that is killed, and that goes on; and heads solved as training solves them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batikkit.config import load_config
from batikkit.errors import InputError
from batikkit.fit.folder import Identity, SearchFolder
from batikkit.fit.heads import Known, held_out_answers, paired_answers, solve
from batikkit.fit.trial import Trial, read_trial, write_trial
from batikkit.training import convex

pytest.importorskip("tensorflow")

WORKER = Path(__file__).parents[1] / "fit_worker.py"
CLASSES, FOLDS = 3, 3


def known(*, views: int = 2, count: int = 45, seed: int = 0) -> Known:
    chance = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    features = chance.normal(size=(views + 1, count, 8))
    features[..., :CLASSES] += 1.5 * np.eye(CLASSES)[labels]
    rows = features.astype(np.float16)
    return Known(rows[1:], rows[0], labels, np.arange(count) // CLASSES % FOLDS)


def test_heads_are_those_of_training(tmp_path: Path) -> None:
    from batikkit.network import model
    from batikkit.training.inputs import Features, Inputs, Split
    from batikkit.training.loop import fit

    config = load_config("best", overrides=["alpha=0.35", "image_size=32", "views=2", "taps=[]", "label_smoothing=0.1"])
    net = model.build_model(config, classes=CLASSES)
    width = net.get_layer(model.POOL).output.shape[1]
    chance = np.random.default_rng(3)
    labels = np.arange(30) % CLASSES
    rows = chance.normal(size=(3, 30, width))
    rows[..., :CLASSES] += 3 * np.eye(CLASSES)[labels]
    rows = rows.astype(np.float16)
    seen, checked = np.arange(18), np.arange(18, 30)
    splits = [Split(np.zeros((len(part), 32, 32, 3), np.uint8), labels[part]) for part in (seen, checked)]
    inputs = Inputs(config, *splits, cache=tmp_path, cache_bytes=0)
    inputs._features[model.POOL] = Features(rows[1:, seen], rows[:1, checked], drawn=2)
    for _ in fit(net, inputs):
        pass
    everything = Known(rows[1:], rows[0], labels, np.zeros(30, np.int64))
    penalties = convex.penalties(config.phase1_epochs)
    solved = solve(everything, seen, config, penalties, tolerance=convex.TOLERANCE)
    best = min(solved, key=lambda s: convex.cross_entropy(everything.answers(s, checked), labels[checked]))
    for ours, theirs in zip(best, net.get_layer(model.HEAD).get_weights(), strict=True):
        assert np.allclose(ours, theirs, atol=1e-4)


def test_no_head_is_asked_of_what_it_learned_from() -> None:
    """A photograph's label changes no answer to it, in its own column and in those of folds it was left out for."""
    config = load_config("best")
    before = known()
    paired = paired_answers(before, config)
    assert ((paired >= 0) & (paired < CLASSES)).all()
    assert np.mean(paired[np.arange(45), before.folds] == before.labels) > 0.7
    splits = [
        np.where(before.folds == f, "test", np.where(np.arange(45) % 7 == 0, "validation", "train")) for f in range(3)
    ]
    tested = held_out_answers(before, splits, config)
    for fold in range(FOLDS):
        changed = before.labels.copy()
        own = before.folds == fold
        changed[own] = (changed[own] + 1) % CLASSES
        after = Known(before.learned, before.plain, changed, before.folds)
        anew = paired_answers(after, config)
        assert np.array_equal(anew[own], paired[own])
        assert np.array_equal(anew[:, fold], paired[:, fold])
        assert not np.array_equal(anew, paired), "but others learn from it"
        assert np.array_equal(held_out_answers(after, splits, config)[own], tested[own])


def test_trials_are_read_back_and_others_made_again(tmp_path: Path) -> None:
    trial = Trial("ab", 1.5, np.arange(6).reshape(2, 3), np.array([1, 0]))
    write_trial(tmp_path / "t.json", trial)
    back = read_trial(tmp_path / "t.json", made_from="ab")
    assert back is not None
    assert (back.seconds, back.paired.tolist(), back.tested.tolist()) == (1.5, [[0, 1, 2], [3, 4, 5]], [1, 0])
    assert read_trial(tmp_path / "t.json", made_from="other weights") is None
    assert read_trial(tmp_path / "none.json", made_from="ab") is None
    for bad in ("", "[]", "{}", (tmp_path / "t.json").read_text()[:-9]):
        (tmp_path / "bad.json").write_text(bad)
        assert read_trial(tmp_path / "bad.json", made_from="ab") is None


def test_a_folder_keeps_one_search(tmp_path: Path) -> None:
    folder = SearchFolder(tmp_path / "search")
    folder.enter(Identity("ab", 5, 0))
    folder.enter(Identity("ab", 5, 0))
    with pytest.raises(InputError, match="other photographs and folds"):
        folder.enter(Identity("cd", 4, 0))
    (tmp_path / "search" / "search.json").write_text("{}")
    with pytest.raises(InputError, match="no search of this batikkit"):
        folder.enter(Identity("ab", 5, 0))


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WORKER), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def answer(child: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err[-2000:]
    return dict(json.loads(out.splitlines()[-1]))


@pytest.mark.slow
def test_two_processes_share_one_search_and_one_that_is_killed_loses_nothing(
    stripes_for_training: Path, random_weights: Path, tmp_path: Path
) -> None:
    sys.path.insert(0, str(WORKER.parent))
    from fit_worker import search

    shared, alone = tmp_path / "shared", tmp_path / "alone"
    killed = start(stripes_for_training, random_weights, shared)
    until = time.monotonic() + 240
    while not list((shared / "trials").glob("*.json")):
        assert killed.poll() is None, killed.communicate()[1][-2000:]
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    kept = {file: file.stat().st_mtime_ns for file in (shared / "trials").glob("*.json")}
    both = [answer(child) for child in [start(stripes_for_training, random_weights, shared) for _ in range(2)]]
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    made = [line for one in both for line in one["made"]]
    assert len(made) == len(set(made)) == 4 - len(kept), "each trial is made once, by one of them"
    found, whole = search(stripes_for_training, random_weights, alone)
    assert len(whole) == 4
    for one in both:
        assert (one["winner"], one["right"]) == (found.choice.winner.name, found.choice.right.tolist())
    again, made_again = search(stripes_for_training, random_weights, alone)
    assert made_again == []
    assert again.choice.winner == found.choice.winner
