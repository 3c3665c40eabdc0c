"""The paper's three systems, trained and tested on the same images: from scratch, frozen, fine-tuned.

The frozen system is the model between the two phases of the fine-tuned one, so it costs nothing but its test. Settings
without a second phase have no fine-tuned system.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from batikkit.console import Advance
from batikkit.data.leaks import seen_cloths, tests_of_seen_cloths
from batikkit.data.prepared import Grouping, PreparedData
from batikkit.data.split import SplitRow, check_parts, fold_rows
from batikkit.errors import InputError
from batikkit.evaluation.compare import Candidate, compare_systems
from batikkit.evaluation.comparison import Comparison, Part
from batikkit.evaluation.held_out import HeldOut, Knowledge, hold_out
from batikkit.evaluation.predictions import PREDICTIONS_FILE, Predictions, pool, read_predictions
from batikkit.evaluation.subject import answers_of, find_subject
from batikkit.network.backbones import BACKBONES
from batikkit.network.plain_cnn import scratch_config
from batikkit.runs import store
from batikkit.runs.history import HISTORY_FILE, read_history
from batikkit.runs.run import Run
from batikkit.settings import TrainConfig
from batikkit.training.comparison_plan import check_phases, enter, make_plan
from batikkit.training.session import Beginning, Means, resume, train
from batikkit.training.stopping import StoppedError


def compare(
    data: PreparedData,
    config: TrainConfig,
    means: Means,
    *,
    out: Path,
    weights: str,
    folds: int = 0,
    also: HeldOut | None = None,
    say: Callable[[str], None],
) -> Comparison:
    """Trains what `out` does not hold yet, and compares the systems. Deletes nothing.

    Args:
        data: Split photographs; with `folds` their split is not used.
        config: Settings of the fine-tuned system, or of the frozen one; the others' follow from it.
        means: As for one run.
        out: Folder of the comparison; a run per system and fold is kept inside.
        weights: `imagenet`, `none` or a path: the backbone of the frozen and the fine-tuned system.
        folds: Number of folds, 0 for the one split of `data`.
        also: Other photographs to test every system on, from `also_held_out`.
        say: Told what begins.

    Raises:
        InputError: the preset freezes nothing, the folds do not fit the photographs, or `out` holds another comparison.
        StoppedError: the user pressed Ctrl-C; the same command goes on.
    """
    check_phases(config)
    splits = _splits(data, config, folds)
    for rows in splits:
        check_parts(rows)
    enter(out, make_plan(data.dataset.root, config, weights=weights, splits=splits))
    folders = [out / (f"fold{number}" if folds else "split") for number in range(1, len(splits) + 1)]
    wanted = {_last(config): (config, weights), "scratch": (scratch_config(config), "none")}
    steps = [(*fold, name) for fold in zip(folders, splits, strict=True) for name in wanted]
    for step, (folder, rows, name) in enumerate(steps, 1):
        settings, start = wanted[name]
        part = dataclasses.replace(data, rows=rows, notes=(), caution=seen_cloths(rows))
        run = find_run(folder, name)
        say(f"[{step}/{len(steps)}] {_progress(folder, name, folds)}{_kept(run)}")
        beginning = Beginning(folder, name, start, frozen_beside=name == "fine-tuned")
        _train_or_keep(run, part, settings, beginning, means)
    told = dataclasses.replace(data, notes=data.notes_on(*splits))
    seen = tests_of_seen_cloths(*splits)
    return _comparison(out, folders, told, config, folds=folds, weights=weights, seen=seen, also=also)


def also_held_out(root: Path, data: PreparedData, grouping: Grouping, *, advance: Advance | None = None) -> HeldOut:
    """Photographs of another folder that no system of a comparison has seen, in whichever fold.

    Raises:
        InputError: a folder there is no motif of these, or nothing is left.
    """
    rows = tuple(dataclasses.replace(row, split="train") for row in data.rows)
    knowledge = Knowledge(rows, data.dataset.root)
    return hold_out(root, data.dataset.labels, knowledge, grouping=grouping, advance=advance)


def _last(config: TrainConfig) -> str:
    """The system that all phases lead to."""
    return "fine-tuned" if config.phase2_epochs else "frozen"


def _splits(data: PreparedData, config: TrainConfig, folds: int) -> list[tuple[SplitRow, ...]]:
    if not folds:
        return [data.rows]
    samples, ratios = data.dataset.samples, config.ratios
    return [fold_rows(samples, folds=folds, fold=fold, ratios=ratios, seed=config.seed) for fold in range(folds)]


def _progress(folder: Path, name: str, folds: int) -> str:
    what = {"fine-tuned": "frozen and fine-tuned", "scratch": "from scratch"}.get(name, name)
    return f"{what}{f', {folder.name}' if folds else ''}"


def _kept(run: Run | None) -> str:
    return ": kept, it is finished" if run and run.record.done else ""


def find_run(folder: Path, name: str) -> Run | None:
    """The newest run called `name` in `folder`, a finished one before any other."""
    found = [Run(path) for path in store.all_runs(folder) if path.name.split("-", 1)[1:] == [name]]
    return max(found, key=lambda run: (run.record.done, run.folder.name), default=None)


def _train_or_keep(
    run: Run | None, data: PreparedData, config: TrainConfig, beginning: Beginning, means: Means
) -> None:
    try:
        if run is None:
            train(data, config, beginning, means)
        elif not run.record.done:
            resume(run, means)
    except StoppedError as error:
        again = StoppedError("stopped; finished systems and epochs are kept: give the same command to go on")
        again.exit_code = error.exit_code
        raise again from None


def _comparison(
    out: Path,
    folders: Sequence[Path],
    data: PreparedData,
    config: TrainConfig,
    *,
    folds: int,
    weights: str,
    seen: Sequence[str],
    also: HeldOut | None,
) -> Comparison:
    root = data.dataset.root
    names = list(dict.fromkeys(("scratch", "frozen", _last(config))))
    candidates = [_candidate(name, folders, out, config, also) for name in names]
    record = _run(folders[0], _last(config)).record
    how = f"{folds} grouped folds, every image tested once" if folds else "one split"
    notes = [*data.notes, *(_unimproved(*candidates[1:]) if config.phase2_epochs else [])]
    if weights == "none":
        notes.insert(0, "no pretrained weights were given: the frozen system is a head on random features")
    return compare_systems(
        candidates,
        title=f"{root.resolve().name}: {'three' if config.phase2_epochs else 'two'} systems",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tested=f"{root.resolve().name}, {how}",
        facts={
            "photographs": f"{len(data.dataset.samples)} in {len(data.dataset.labels)} motifs",
            "test": how,
            "backbone": f"{BACKBONES[config.network].title} alpha {config.alpha:g}, {Path(weights).name}",
            "input": f"{config.image_size} x {config.image_size} pixels",
            "classifier reads": ", ".join(("the last feature map's mean", *(f"{tap}'s mean" for tap in config.taps))),
            "epochs": f"{_frozen_epochs(config)} + {config.phase2_epochs} fine-tuning; "
            f"from scratch {scratch_config(config).phase2_epochs}",
            **({"other photographs": f"{len(also.samples)} in {also.root.resolve().name}"} if also else {}),
            "seed": str(config.seed),
            "machine": f"{record.host['machine']}, {record.host['system']}",
            "tools": ", ".join(f"{name} {version}" for name, version in record.tools.items()),
        },
        notes=notes,
        seen=seen,
    )


def _frozen_epochs(config: TrainConfig) -> str:
    solved = config.head == "solved"
    return f"head solved, {config.phase1_epochs} penalties" if solved else f"{config.phase1_epochs} frozen"


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


def _run(folder: Path, name: str) -> Run:
    run = find_run(folder, name)
    if run is None:
        raise InputError(f"{folder} has no run {name!r}: remove {folder} and compare again")
    return run


def _candidate(name: str, folders: Sequence[Path], out: Path, config: TrainConfig, also: HeldOut | None) -> Candidate:
    found = [_run(folder, name) for folder in folders]
    record = found[0].record
    width = "" if config.alpha == 1.0 else f" {config.alpha:g}"
    title = "CNN from scratch" if name == "scratch" else f"{BACKBONES[config.network].title}{width}, {name}"
    return Candidate(
        name=name,
        title=title,
        predictions=[read_predictions(run.path(PREDICTIONS_FILE)) for run in found],
        parts=[_part(run, out) for run in found],
        parameters=record.parameters,
        parameters_trained=record.parameters_trained,
        elsewhere=_elsewhere(found, also) if also else None,
    )


def _elsewhere(found: Sequence[Run], also: HeldOut) -> Predictions:
    """What the models of all folds say of other photographs: answers to one photograph are one group."""
    parts = [answers_of(find_subject(run.folder, runs_dir=run.folder.parent), also)[0] for run in found]
    return pool(
        [
            dataclasses.replace(part, paths=tuple(f"{run.folder.name}/{path}" for path in part.paths))
            for run, part in zip(found, parts, strict=True)
        ]
    )


def _part(run: Run, base: Path) -> Part:
    """What a finished run says of itself; its path is told relative to `base`."""
    record = run.record
    if record.test is None:
        raise InputError(f"run {run} is not finished: give the same command to go on")
    extraction = sum(record.timings_seconds.get(f"features{phase}", 0.0) for phase in (1, 2))
    return Part(
        accuracy=record.test.accuracy,
        n=record.test.n,
        run=run.folder.relative_to(base).as_posix(),
        seconds=round(record.train_seconds + extraction, 1),
        epochs=record.epochs,
        history=read_history(run.path(HISTORY_FILE)),
    )
