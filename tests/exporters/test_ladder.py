"""The ladder on a real run: its table, what it chooses, whom it asks, and how it says that it did not get there."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from batikkit.cli import main
from batikkit.data.split import of_split, read_split
from batikkit.images import load_pixels
from batikkit.manifest import read_manifest
from batikkit_exporters.ladder import evaluation
from batikkit_exporters.ladder import run as ladder_run
from batikkit_exporters.ladder import rungs as ladder

pytestmark = pytest.mark.slow
SHORT = ("plain", "ranges", "rounding")


@pytest.fixture
def run(short_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of its own, and a ladder of the cheap rungs only."""
    monkeypatch.setattr(ladder, "RUNGS", {name: ladder.RUNGS[name] for name in SHORT})
    copy = tmp_path / short_run.name
    shutil.copytree(short_run, copy, ignore=shutil.ignore_patterns("export"))
    return copy


def _climb(run: Path, *options: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(SystemExit) as done:
        main(["export", str(run), "--int8", "--calibration-size", "12", *options])
    return int(done.value.code or 0), json.loads((run / "export/ladder.json").read_text())


def _hashes(images: np.ndarray) -> set[str]:
    return {hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest() for image in images}


def test_it_stops_at_the_first_rung_that_passes_and_asks_validation_photographs_only(
    run: Path, stripes_for_training: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    juries: list[evaluation.Jury] = []

    def summon(*arguments: Any, **options: Any) -> evaluation.Jury:
        juries.append(evaluation.summon(*arguments, **options))
        return juries[-1]

    monkeypatch.setattr(ladder_run, "summon", summon)
    code, table = _climb(run, "--target-drop", "100", "--target-agreement", "0.3")
    assert code == 0
    steps, chosen = table["steps"], table["chosen"]
    first = next(step for step in steps if step["passed"])
    assert chosen["passed"]
    assert chosen["rung"] == first["rung"] == steps[-1]["rung"]  # nothing was tried beyond it
    assert f"ladder, {chosen['rung']}: {chosen['candidate']}" == read_manifest(run / "export/int8.json").method
    assert chosen["candidate"] in (run / "export/ladder.md").read_text()
    assert (run / "export/ladder.png").stat().st_size > 10_000

    rows = read_split(run / "split.csv")
    pixels = {
        split: _hashes(np.stack([load_pixels(stripes_for_training / s.path, 64) for s in of_split(rows, split)]))
        for split in ("train", "validation", "test")
    }
    (jury,) = juries
    assert _hashes(jury.images[: jury.photographs]) == pixels["validation"]
    assert not _hashes(jury.images) & (pixels["test"] | pixels["train"])
    assert table["photographs"] == jury.photographs == len(of_split(rows, "validation"))


def test_a_goal_out_of_reach_ends_with_code_1_each_time(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    beyond = ladder.Goal(drop_pp=-200.0, agreement=1.0)
    monkeypatch.setattr(ladder, "Goal", lambda *_, **__: beyond)
    for _ in range(2):
        code, table = _climb(run, "--target-drop", "0")
        assert code == 1
        assert "no rung reached" in capsys.readouterr().err
        assert {step["rung"] for step in table["steps"]} == set(SHORT)
        assert not any(step["passed"] for step in table["steps"])
        best = max(step["figures"]["agreement"] for step in table["steps"])
        chosen = [step for step in table["steps"] if step["candidate"] == table["chosen"]["candidate"]]
        assert chosen[0]["figures"]["agreement"] == best
        assert (run / "export/int8.tflite").is_file()  # the nearest is there all the same


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--target-drop", "1", "--target-agreement", "99"], "--target-agreement"),
        (["--target-drop=-1"], "--target-drop"),
    ],
)
def test_a_goal_that_is_none_is_refused(
    run: Path, capsys: pytest.CaptureFixture[str], options: list[str], named: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["export", str(run), "--int8", *options])
    assert refused.value.code == 2
    assert named in capsys.readouterr().err
    assert not (run / "export").exists()
