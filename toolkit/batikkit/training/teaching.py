"""Teachers: what finished runs answer to training photographs becomes part of what the new network is to answer.

Knowledge distillation (Hinton, Vinyals and Dean 2015). Of photographs without a label the teachers' answer is all there
is to learn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.console import Advance
from batikkit.data.duplicates import find_copies
from batikkit.data.fingerprint_cache import cache_file, read_cache
from batikkit.data.inspection import Inspection, inspect_all
from batikkit.data.pixels import decode_to_disk
from batikkit.data.split import SplitRow
from batikkit.errors import InputError
from batikkit.network import model
from batikkit.picture_files import find_pictures
from batikkit.runs import store
from batikkit.runs.run import Run
from batikkit.settings import TrainConfig
from batikkit.training.features import FrozenFeatures
from batikkit.training.inputs import Split
from batikkit.training.targets import one_hot

_BATCH = 32


@dataclass(frozen=True)
class Unlabelled:
    """Photographs without a label.

    Attributes:
        files: Those to learn from, in order.
        sha256: Of their content, together.
        told: What was left out, one line each.
    """

    files: tuple[Path, ...] = ()
    sha256: str = ""
    told: tuple[str, ...] = ()


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


def refuse_leaks(teachers: Sequence[Path], labels: Sequence[str], rows: Sequence[SplitRow]) -> None:
    """Refuses a teacher who would tell what a run is tested or chosen by.

    Raises:
        InputError: it learned from a photograph that this run holds back, or knows other motifs.
    """
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


def find_unlabelled(folder: Path, root: Path, rows: Sequence[SplitRow]) -> Unlabelled:
    """The photographs of a folder that are no copies of a run's own, nor of each other.

    Raises:
        InputError: none is left.
    """
    paths = [path.relative_to(folder).as_posix() for path in find_pictures(folder)]
    own = inspect_all(root, [row.sample.path for row in rows], known=read_cache(cache_file(root)).known)
    known = [item for item in own if isinstance(item, Inspection)]
    found = inspect_all(folder, paths)
    usable = [item for item in found if isinstance(item, Inspection)]
    everything = [*known, *usable]
    first = find_copies([item.look for item in everything], [item.sha256 for item in everything])
    new = [item for index, item in enumerate(usable, len(known)) if first[index] == index]
    told = [f"skipped {item.path}: {item.reason}" for item in found if not isinstance(item, Inspection)]
    if len(new) < len(usable):
        told.append(
            f"left out {len(usable) - len(new)} unlabelled photograph(s): copies of this run's, or of each other"
        )
    if not new:
        raise InputError(f"--unlabelled {folder} has no photograph that this run has not: give others, or leave it out")
    digest = hashlib.sha256("".join(item.sha256 for item in new).encode()).hexdigest()
    return Unlabelled(tuple(folder / item.path for item in new), digest, tuple(told))


def answers_of(
    teachers: Sequence[Path],
    files: Sequence[Path],
    config: TrainConfig,
    labels: Sequence[str],
    *,
    scratch: Path,
    advance: Advance | None = None,
) -> NDArray[np.float32]:
    """What teachers say of photographs, on average over them and over the poses that training takes for the same.

    Args:
        teachers: Finished runs.
        files: N photographs.
        config: Settings of the network that is taught.
        labels: Its C motifs.
        scratch: Folder for decoded photographs.
        advance: Called with (answers, answers in all).

    Returns:
        Float32 [N, C], rows sum to 1.
    """
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
