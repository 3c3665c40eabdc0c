"""The paper's three systems, trained and tested on the same images: from scratch, frozen, fine-tuned.

The frozen system is the model between the two phases of the fine-tuned one, so it costs nothing but its test.
"""

from __future__ import annotations

import csv
import dataclasses
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from batikkit import runs
from batikkit.config import TrainConfig
from batikkit.data.prepared import PreparedData
from batikkit.data.split import SplitRow, fold_rows
from batikkit.errors import InputError
from batikkit.evaluation.comparison import Comparison, Part
from batikkit.evaluation.judge import Candidate, judge
from batikkit.evaluation.predictions import PREDICTIONS_FILE, read_predictions
from batikkit.network.plain_cnn import scratch_config
from batikkit.training.comparison_plan import enter, make_plan
from batikkit.training.train import StoppedError, resume_run, train_run
from batikkit.training.trainer import Bar

SYSTEMS = ("scratch", "frozen", "fine-tuned")


def compare(
    data: PreparedData,
    config: TrainConfig,
    *,
    out: Path,
    weights: str,
    folds: int = 0,
    bar: Bar,
    say: Callable[[str], None],
    engine: str = "auto",
    cache_gb: float = 8.0,
) -> Comparison:
    """Trains what `out` does not hold yet, and judges the three systems.

    Args:
        data: Split photographs; with `folds` their split is not used.
        config: Settings of the fine-tuned system; the others' follow from it.
        out: Folder of the comparison; a run per system and fold is kept inside.
        weights: `imagenet`, `none` or a path: the backbone of the frozen and the fine-tuned system.
        folds: Number of folds, 0 for the one split of `data`.
        bar: Makes progress bars.
        say: Told what begins.
        engine: `auto`, `cached` or `keras`.
        cache_gb: Bound of the feature cache [GB].

    Raises:
        InputError: the preset lacks a phase, the folds do not fit the photographs, or `out` holds another comparison.
        StoppedError: the user pressed Ctrl-C; the same command goes on.
    """
    if not config.phase1_epochs or not config.phase2_epochs:
        raise InputError(
            f"a comparison needs both phases, got phase1_epochs={config.phase1_epochs} and "
            f"phase2_epochs={config.phase2_epochs}: choose a preset such as paper or small-data"
        )
    splits = _splits(data, config, folds)
    enter(out, make_plan(data.dataset.root, config, weights=weights, splits=splits))
    folders = [out / (f"fold{number}" if folds else "split") for number in range(1, len(splits) + 1)]
    wanted = {"fine-tuned": (config, weights), "scratch": (scratch_config(config), "none")}
    steps = [(*fold, name) for fold in zip(folders, splits, strict=True) for name in wanted]
    for step, (folder, rows, name) in enumerate(steps, 1):
        settings, start = wanted[name]
        part = dataclasses.replace(data, rows=rows, notes=())
        _announce(say, folder, name, f"[{step}/{len(steps)}]", folds)
        _train_or_keep(folder, name, part, settings, start, bar=bar, engine=engine, cache_gb=cache_gb)
    return _judge(out, folders, data, config, folds=folds, weights=weights)


def _splits(data: PreparedData, config: TrainConfig, folds: int) -> list[tuple[SplitRow, ...]]:
    if not folds:
        return [data.rows]
    samples, ratios = data.dataset.samples, config.ratios
    return [fold_rows(samples, folds=folds, fold=fold, ratios=ratios, seed=config.seed) for fold in range(folds)]


def _announce(say: Callable[[str], None], folder: Path, name: str, step: str, folds: int) -> None:
    what = "frozen and fine-tuned" if name == "fine-tuned" else "from scratch"
    run = find_run(folder, name)
    kept = ": kept, it is finished" if run and runs.read_run(run).get("status") == "done" else ""
    say(f"{step} {what}{f', {folder.name}' if folds else ''}{kept}")


def find_run(folder: Path, name: str) -> Path | None:
    """The newest run called `name` in `folder`."""
    return max((path.parent for path in folder.glob(f"*-{name}/{runs.RUN_FILE}")), default=None)


def _train_or_keep(
    folder: Path, name: str, data: PreparedData, config: TrainConfig, weights: str, *, bar: Bar, engine: str,
    cache_gb: float,
) -> None:  # fmt: skip
    run = find_run(folder, name)
    try:
        if run is None:
            train_run(
                data, config, runs_dir=folder, name=name, weights=weights, bar=bar, engine=engine, cache_gb=cache_gb,
                frozen_beside=True,
            )  # fmt: skip
        elif runs.read_run(run).get("status") != "done":
            resume_run(run, bar=bar, engine=engine, cache_gb=cache_gb)
    except StoppedError:
        raise StoppedError("stopped; finished systems and epochs are kept: give the same command to go on") from None
    _remove_unfinished(folder)


def _remove_unfinished(folder: Path) -> None:
    """Removes runs of this comparison that a killed command left without content, once theirs was made again."""
    for path in folder.iterdir():
        if path.is_dir() and (not (path / runs.RUN_FILE).exists() or runs.read_run(path).get("status") != "done"):
            shutil.rmtree(path)


def _judge(
    out: Path, folders: Sequence[Path], data: PreparedData, config: TrainConfig, *, folds: int, weights: str
) -> Comparison:
    root = data.dataset.root
    candidates = [_candidate(name, folders, out, config) for name in SYSTEMS]
    facts = runs.read_run(_run(folders[0], "fine-tuned"))
    host, tools = facts["host"], facts["tools"]
    how = f"{folds} grouped folds, every image tested once" if folds else "one split"
    notes = [*data.notes, *_unimproved(candidates[1], candidates[2])]
    if weights == "none":
        notes.insert(0, "no pretrained weights were given: the frozen system is a head on random features")
    return judge(
        candidates,
        title=f"{root.resolve().name}: three systems",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tested=f"{root.resolve().name}, {how}",
        facts={
            "photographs": f"{len(data.dataset.samples)} in {len(data.dataset.labels)} motifs",
            "test": how,
            "backbone": f"MobileNetV2 alpha {config.alpha:g}, {Path(weights).name if weights else ''}",
            "input": f"{config.image_size} x {config.image_size} pixels",
            "epochs": f"{config.phase1_epochs} frozen + {config.phase2_epochs} fine-tuning; "
            f"from scratch {config.phase1_epochs + config.phase2_epochs}",
            "seed": str(config.seed),
            "machine": f"{host['machine']}, {host['system']}",
            "tools": ", ".join(f"{name} {version}" for name, version in tools.items()),
        },
        notes=notes,
    )


def _unimproved(frozen: Candidate, tuned: Candidate) -> list[str]:
    """Says where both systems are one model, since no epoch of fine-tuning was better on the validation images."""
    same = sum(
        np.array_equal(before.predicted, after.predicted)
        and np.allclose(before.probabilities, after.probabilities, atol=1e-4)
        for before, after in zip(frozen.predictions, tuned.predictions, strict=True)
    )
    if not same:
        return []
    where = f" in {same} of {len(tuned.predictions)} folds" if len(tuned.predictions) > 1 else ""
    return [f"fine-tuning never improved the validation figure{where}: there the fine-tuned model is the frozen one"]


def _run(folder: Path, name: str) -> Path:
    run = find_run(folder, name)
    if run is None:
        raise InputError(f"{folder} has no run {name!r}: remove {folder} and compare again")
    return run


def _candidate(name: str, folders: Sequence[Path], out: Path, config: TrainConfig) -> Candidate:
    found = [_run(folder, name) for folder in folders]
    facts = runs.read_run(found[0])
    width = "" if config.alpha == 1.0 else f" {config.alpha:g}"
    title = "CNN from scratch" if name == "scratch" else f"MobileNetV2{width}, {name}"
    return Candidate(
        name=name,
        title=title,
        predictions=[read_predictions(run / PREDICTIONS_FILE) for run in found],
        parts=[read_part(run, out) for run in found],
        parameters=facts["parameters"],
        parameters_trained=facts["parameters_trained"],
    )


def read_part(run: Path, base: Path) -> Part:
    """What a finished run says of itself; its path is told relative to `base`."""
    facts = runs.read_run(run)
    timings = facts["timings_seconds"]
    return Part(
        accuracy=facts["test"]["accuracy"],
        n=facts["test"]["n"],
        run=run.relative_to(base).as_posix() if run.is_relative_to(base) else str(run),
        seconds=round(facts["train_seconds"] + sum(timings.get(f"features{phase}", 0.0) for phase in (1, 2)), 1),
        epochs=facts["epochs"],
        history=read_history(run / runs.HISTORY_FILE),
    )


def read_history(path: Path) -> tuple[dict[str, float], ...]:
    """The lines of `history.csv` as numbers; none where there is no file."""
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as stream:
        return tuple({key: float(value) for key, value in row.items()} for row in csv.DictReader(stream))
