"""A run folder, `runs/<id>/`: everything that one training produced. Training writes into it through `Run` alone.

Every file is written whole or not at all, and in an order that keeps the folder true at every moment: `run.json` comes
last when a run begins and last when it is finished, and the checkpoint goes only after that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.config import read_config, to_toml
from batikkit.data.split import SPLIT_FILE, SplitRow, read_split, write_split
from batikkit.labels import LABELS_FILE, read_labels, write_labels
from batikkit.runs.history import HISTORY_FILE, Epoch, encode_history
from batikkit.runs.record import DONE, RUN_FILE, RunRecord, read_record, write_record
from batikkit.settings import TrainConfig

CONFIG_FILE = "config.toml"
MODEL_FILE = "model.keras"
OTHER_FILE = "other.npz"
METRICS_FILE = "metrics.json"
LAYERS_FILE = "layers.csv"
PLOTS_FOLDER = "plots"
EXPORT_FOLDER = "export"
BENCH_FOLDER = "bench"
TENSORBOARD_FOLDER = "tensorboard"
START_FILE = "start.npz"
CHECKPOINT_FILE = "checkpoint.npz"
Content = str | Callable[[Path], object]
"""A file's text, or a function that writes it to the path that it is given."""


class Run:
    """One run folder.

    Args:
        folder: It.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def path(self, name: str) -> Path:
        """The file or folder `name` of this run."""
        return self.folder / name

    @property
    def record(self) -> RunRecord:
        """What `run.json` says now.

        Raises:
            InputError: the folder is no run, or damaged.
        """
        return read_record(self.folder)

    @property
    def config(self) -> TrainConfig:
        """The settings."""
        return read_config(self.path(CONFIG_FILE))

    @property
    def labels(self) -> tuple[str, ...]:
        """The motifs, in output order."""
        return read_labels(self.path(LABELS_FILE))

    @property
    def rows(self) -> tuple[SplitRow, ...]:
        """The split."""
        return read_split(self.path(SPLIT_FILE))

    @property
    def begun(self) -> bool:
        """Whether the folder is a run, which can be resumed or used."""
        return self.path(RUN_FILE).is_file()

    def begin(
        self,
        record: RunRecord,
        *,
        config: TrainConfig,
        labels: Sequence[str],
        rows: Sequence[SplitRow],
        files: Mapping[str, Content],
    ) -> None:
        """Writes what a run is trained from: all that `resume` needs."""
        write_labels(self.path(LABELS_FILE), labels)
        write_split(self.path(SPLIT_FILE), rows)
        self.write({CONFIG_FILE: to_toml(config), **files})
        write_record(self.folder, record)

    def change(self, *, config: TrainConfig | None = None, **facts: Any) -> None:
        """Replaces the settings, or fields of the record."""
        if config is not None:
            self.write({CONFIG_FILE: to_toml(config)})
        if facts:
            write_record(self.folder, dataclasses.replace(self.record, **facts))

    def keep_epoch(self, history: Sequence[Epoch], checkpoint: Content) -> None:
        """Writes the checkpoint of a finished epoch and the history up to it."""
        self.write({CHECKPOINT_FILE: checkpoint, HISTORY_FILE: encode_history(history)})

    def write(self, files: Mapping[str, Content]) -> None:
        """Writes files by name, each whole or not at all."""
        for name, content in files.items():
            if isinstance(content, str):
                atomic.write_text(self.path(name), content)
            else:
                with atomic.replacing(self.path(name)) as temporary:
                    content(temporary)

    def finish(self, **facts: Any) -> None:
        """Calls the run done, with what is now known of it, and removes what only resuming needed."""
        write_record(self.folder, dataclasses.replace(self.record, status=DONE, **facts))
        self.remove_checkpoint()

    def remove_checkpoint(self) -> None:
        """Removes what only resuming needed."""
        for name in (CHECKPOINT_FILE, START_FILE):
            self.path(name).unlink(missing_ok=True)
