"""Teachers: what finished runs answer to training photographs becomes part of what the new network is to answer.

Knowledge distillation (Hinton, Vinyals and Dean 2015). Of photographs without a label the teachers' answer is all there
is to learn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.console import Advance, warn
from batikkit.data.duplicates import find_copies
from batikkit.data.fingerprint_cache import cache_file, read_cache
from batikkit.data.inspection import Inspection, inspect_all
from batikkit.data.pixels import decode_to_disk
from batikkit.data.split import SplitRow, of_split
from batikkit.digest import file_sha256
from batikkit.errors import InputError
from batikkit.network import model
from batikkit.picture_files import find_pictures
from batikkit.runs import store
from batikkit.runs.record import RunRecord, Teaching
from batikkit.runs.run import Run
from batikkit.settings import TrainConfig
from batikkit.training.bars import Bar, Bars
from batikkit.training.distributed import Workers
from batikkit.training.features import FrozenFeatures
from batikkit.training.inputs import Split
from batikkit.training.job import Job
from batikkit.training.targets import one_hot

_BATCH = 32


def check_teachers(teachers: Sequence[Path], unlabelled: Path | None) -> None:
    """Looks at what the photographs have no part in, for before they are looked at.

    Raises:
        InputError: a teacher is no finished run, or there are photographs without a label and nobody to ask.
    """
    for teacher in teachers:
        store.model_file(store.resolve_run(teacher, teacher.parent))
    if unlabelled and not teachers:
        raise InputError(
            f"--unlabelled {unlabelled}: what they show only a teacher can say; name one with --teacher RUN"
        )
    if unlabelled and not unlabelled.is_dir():
        raise InputError(f"--unlabelled {unlabelled}: no such folder; give one with photographs of batik")


def find_teaching(
    teachers: Sequence[Path],
    unlabelled: Path | None,
    *,
    root: Path,
    labels: Sequence[str],
    rows: Sequence[SplitRow],
    bar: Bar,
) -> tuple[Teaching | None, tuple[Path, ...]]:
    """What to record of the teachers, and the photographs that only they name.

    Args:
        teachers: Finished runs; nothing is taught without any.
        unlabelled: Folder of photographs without a label.
        root: Where the run's own photographs lie.
        labels: Its motifs.
        rows: Its split.
        bar: Makes a progress bar.

    Raises:
        InputError: a teacher would tell what the run is tested or chosen by, or no photograph is left.
    """
    if not teachers:
        return None, ()
    _refuse_leaks(teachers, labels, rows)
    new = _unlabelled(unlabelled, root, rows, bar) if unlabelled else []
    content = [*(file_sha256(store.model_file(teacher)) for teacher in teachers), *(item.sha256 for item in new)]
    record = Teaching(
        tuple(str(teacher.resolve()) for teacher in teachers),
        str(unlabelled.resolve()) if unlabelled else None,
        hashlib.sha256("".join(content).encode()).hexdigest(),
    )
    return record, tuple(unlabelled / item.path for item in new) if unlabelled else ()


def find_again(record: RunRecord, labels: Sequence[str], rows: Sequence[SplitRow], *, bar: Bar) -> tuple[Path, ...]:
    """The photographs that only the teachers of a stopped run name.

    Raises:
        InputError: they, or a teacher, are gone or have changed.
    """
    begun = record.teaching
    if not begun:
        return ()
    teachers, folder = (
        [Path(teacher) for teacher in begun.teachers],
        Path(begun.unlabelled) if begun.unlabelled else None,
    )
    check_teachers(teachers, folder)
    now, files = find_teaching(teachers, folder, root=Path(record.data.root), labels=labels, rows=rows, bar=bar)
    if now != begun:
        places = ", ".join([*begun.teachers, *([begun.unlabelled] if begun.unlabelled else [])])
        raise InputError(f"what this run was begun with has changed ({places}): put it back, or train a new run")
    return files


def ask_teachers(job: Job, train: Split, scratch: Path, *, workers: Workers, bars: Bars) -> Split:
    """The training photographs with their teachers' answers; every worker asks about its share."""
    assert job.record.teaching
    root = Path(job.record.data.root)
    files = [*(root / sample.path for sample in of_split(job.rows, "train")), *job.unlabelled]
    own = workers.share.of(len(files))
    answers = np.zeros((len(files), len(job.labels)))
    answers[own] = _answers(
        [Path(teacher) for teacher in job.record.teaching.teachers],
        [files[i] for i in own],
        job.config,
        job.labels,
        scratch=scratch,
        advance=bars.advance("ask teachers"),
    )
    said = workers.total(answers.ravel()).reshape(answers.shape)
    return taught(train, said.astype(np.float32), part=job.config.distillation)


def _refuse_leaks(teachers: Sequence[Path], labels: Sequence[str], rows: Sequence[SplitRow]) -> None:
    """Refuses a teacher who would tell what a run is tested or chosen by, or who knows other motifs."""
    tested, checked = ({row.sample.sha256 for row in rows if row.split == part} for part in ("test", "validation"))
    for teacher in teachers:
        run = Run(teacher)
        if set(run.labels) != set(labels):
            raise InputError(
                f"teacher {teacher} knows other motifs ({', '.join(run.labels)}): train it on the same ones"
            )
        known = run.rows
        leaked = {row.sample.sha256 for row in known if row.split == "train"} & (tested | checked)
        leaked |= {row.sample.sha256 for row in known if row.split == "validation"} & tested
        if leaked:
            raise InputError(
                f"teacher {teacher} learned from {len(leaked)} photograph(s) that this run is chosen or tested with: "
                "train both with the same --split FILE (batikkit data split makes one)"
            )


def _unlabelled(folder: Path, root: Path, rows: Sequence[SplitRow], bar: Bar) -> list[Inspection]:
    """The photographs of a folder that are no copies of a run's own, nor of each other; what is left out is told."""
    paths = [path.relative_to(folder).as_posix() for path in find_pictures(folder)]
    own = inspect_all(root, [row.sample.path for row in rows], known=read_cache(cache_file(root)).known)
    known = [item for item in own if isinstance(item, Inspection)]
    with bar("check unlabelled images") as advance:
        found = inspect_all(folder, paths, advance=advance)
    usable = [item for item in found if isinstance(item, Inspection)]
    everything = [*known, *usable]
    first = find_copies([item.look for item in everything], [item.sha256 for item in everything])
    new = [item for index, item in enumerate(usable, len(known)) if first[index] == index]
    for item in found:
        if not isinstance(item, Inspection):
            warn(f"skipped {item.path}: {item.reason}")
    if len(new) < len(usable):
        warn(f"left out {len(usable) - len(new)} unlabelled photograph(s): copies of this run's, or of each other")
    if not new:
        raise InputError(f"--unlabelled {folder} has no photograph that this run has not: give others, or leave it out")
    return new


def _answers(
    teachers: Sequence[Path],
    files: Sequence[Path],
    config: TrainConfig,
    labels: Sequence[str],
    *,
    scratch: Path,
    advance: Advance | None = None,
) -> NDArray[np.float32]:
    """Float32 [N, C]: what teachers say on average over them and over the poses that training takes for the same."""
    said = np.zeros((len(files), len(labels)), np.float64)
    poses = _poses(config)
    done, total = 0, len(teachers) * len(poses) * len(files)
    for teacher in teachers:
        net, order = model.load_model(store.model_file(teacher)), list(Run(teacher).labels)
        columns = [order.index(label) for label in labels]
        ask = FrozenFeatures.of(net, (model.HEAD,))
        pixels = decode_to_disk(files, int(net.input.shape[1]), scratch / "taught.npy")
        for start in range(0, len(files), _BATCH):
            images = pixels[start : start + _BATCH].astype(np.float32)
            for turns, mirrored in poses:
                shown = np.rot90(images[:, :, ::-1] if mirrored else images, turns, axes=(1, 2))
                said[start : start + _BATCH] += ask(np.ascontiguousarray(shown))[model.HEAD][:, columns]
                done += len(images)
                if advance:
                    advance(done, total)
        (scratch / "taught.npy").unlink()
    return np.asarray(said / (len(teachers) * len(poses)), np.float32)


def taught(split: Split, answers: NDArray[np.float32], *, part: float) -> Split:
    """The training photographs with what to answer: `part` of the teachers' answer and the rest of the label.

    Those without a label (-1) are to be answered as the teachers do, and count as of the motif that they name.
    """
    unknown = split.labels < 0
    labels = np.where(unknown, answers.argmax(axis=1), split.labels)
    own = np.where(unknown, 1.0, part)[:, None].astype(np.float32)
    targets = own * answers + (np.float32(1) - own) * one_hot(labels, answers.shape[1])
    return replace(split, labels=labels, answers=targets)


def _poses(config: TrainConfig) -> list[tuple[int, bool]]:
    """Quarter turns and whether mirrored before."""
    mirrors = (False, True) if config.flips != "none" else (False,)
    return [(turns, mirrored) for turns in range(4 if config.quarter_turns else 1) for mirrored in mirrors]
