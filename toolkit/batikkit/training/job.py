"""One training as a worker knows it: its run, its record, its images; how it begins, and how it is taken up again."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from batikkit.data.prepared import PreparedData
from batikkit.data.split import SPLITS, SplitRow, encode_split, of_split
from batikkit.digest import file_sha256
from batikkit.errors import InputError
from batikkit.network import model
from batikkit.network.keras_backend import keras, tf
from batikkit.network.layers import encode_layers
from batikkit.operating_system import scratch_folder
from batikkit.runs import lock
from batikkit.runs.record import TRAINING, Photographs, RunRecord, Teaching
from batikkit.runs.run import CHECKPOINT_FILE, LAYERS_FILE, START_FILE, Content, Run
from batikkit.settings import TrainConfig
from batikkit.training.bars import Bars
from batikkit.training.distributed import Workers
from batikkit.training.inputs import Share, Split, load_split
from batikkit.training.state import State, read_start, write_start, write_state


@dataclass(frozen=True)
class Job:
    """One training as this worker knows it.

    Attributes:
        run: Where it keeps its share, the run folder only for the chief.
        record: What is known of the run.
        config: Its settings.
        labels: Its motifs.
        rows: Its photographs.
        unlabelled: Photographs that only teachers name, to be trained on too.
    """

    run: Run
    record: RunRecord
    config: TrainConfig
    labels: tuple[str, ...]
    rows: tuple[SplitRow, ...]
    unlabelled: tuple[Path, ...] = ()


def new_record(
    run_id: str,
    data: PreparedData,
    net: Any,
    *,
    weights: str,
    others: Path | None,
    teaching: Teaching | None,
    frozen_beside: bool,
) -> RunRecord:
    """What is known of a run before its first epoch."""
    counts = Counter(row.split for row in data.rows)
    return RunRecord(
        run_id=run_id,
        status=TRAINING,
        created=utc_now(),
        data=Photographs(str(data.dataset.root.resolve()), len(data.rows), *(counts[split] for split in SPLITS)),
        weights=weights if weights in ("imagenet", "none") else str(Path(weights).resolve()),
        parameters=int(net.count_params()),
        parameters_phase1=model.trainable_parameters(net),
        tools={
            "batikkit": metadata.version("batikkit"),
            "tensorflow": tf.__version__,
            "tf_keras": keras.__version__,
            "numpy": np.__version__,
            "python": sys.version.split()[0],
        },
        host={"machine": platform.machine(), "system": platform.platform(), "python": platform.python_version()},
        notes=data.notes,
        split_sha256=hashlib.sha256(encode_split(data.rows)).hexdigest(),
        unit=data.unit,
        caution=data.caution,
        others=str(others.resolve()) if others else None,
        teaching=teaching,
        frozen_beside=frozen_beside,
    )


def utc_now() -> str:
    """The present moment, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def begin(job: Job, net: Any) -> None:
    """Makes the run folder a run that can be resumed."""
    start = net.get_weights()
    files: dict[str, Content] = {
        LAYERS_FILE: encode_layers(model.layer_table(net)),
        START_FILE: lambda path: write_start(path, start),
        CHECKPOINT_FILE: lambda path: write_state(path, State()),
    }
    job.run.begin(job.record, config=job.config, labels=job.labels, rows=job.rows, files=files)


def restore(run: Run, net: Any, state: State) -> None:
    """Gives the network the weights that the run had when it was stopped.

    Raises:
        InputError: the files do not fit the settings.
    """
    # Everything that the run began with is kept beside it: the file that the backbone came from may be gone.
    try:
        net.set_weights(read_start(run.path(START_FILE)))
        model.put_weights(net, state.weights)
    except (ValueError, KeyError) as error:
        raise InputError(f"the checkpoint in {run} does not fit its config.toml: train again") from error


def scratch(workers: Workers) -> Path:
    """Where a worker other than the chief keeps its share of the images: on its own machine, not in the run folder."""
    folder = scratch_folder() / f"worker-{workers.share.rank}-{workers.port}"
    lock.sweep_caches(folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check_photographs(root: Path, rows: Sequence[SplitRow]) -> None:
    """Looks whether a run's photographs are still those that it began with.

    Raises:
        InputError: one is gone or has changed.
    """
    for row in rows:
        file = root / row.sample.path
        if not file.is_file():
            raise InputError(
                f"photograph {file} of this run is gone: name its folder with --data DIR if it moved, or put it back"
            )
        if file_sha256(file) != row.sample.sha256:
            raise InputError(f"photograph {file} has changed since this run began: put it back, or train a new run")


def decode(job: Job, cache: Path, *, bars: Bars, share: Share) -> dict[str, Split]:
    """This worker's share of the training and validation images, and all test images, decoded into `cache`.

    Raises:
        InputError: a photograph became unreadable.
        DiskFullError: there is no room for them.
    """
    splits, root, size = {}, Path(job.record.data.root), job.config.image_size
    for split in SPLITS:
        samples = of_split(job.rows, split)
        splits[split] = load_split(
            root, samples, job.labels,
            size=size, store=cache / f"{split}.npy", advance=bars.advance(f"decode {split}"),
            share=share if split != "test" else None, unlabelled=job.unlabelled if split == "train" else (),
        )  # fmt: skip
    return splits
