"""`batikkit.train`: photographs to a tested run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batikkit.evaluation.metrics_file import Evaluation
from batikkit.evaluation.text import percent, with_interval
from batikkit.runs.run import PLOTS_FOLDER
from batikkit.steps.photographs import existing_weights, grouping_of, known_unit, prepare
from batikkit.steps.shown import Picture, Pictures, Shown, Table


@dataclass(frozen=True, repr=False)
class TrainedRun(Shown):
    """A finished training.

    Attributes:
        folder: The run; `export`, `evaluate` and `bench` take it.
        evaluation: Its figures on test images, which it was neither trained nor chosen with.
        epochs: How many it took.
        seconds: The time of these.
    """

    folder: Path
    evaluation: Evaluation
    epochs: int
    seconds: float

    def tables(self) -> tuple[Table, ...]:
        """The test's figures, and every motif's."""
        report, labels = self.evaluation.report, self.evaluation.labels
        figures = (
            percent(report.accuracy), f"{100 * report.accuracy_ci95[0]:.1f} to {100 * report.accuracy_ci95[1]:.1f}",
            f"{report.macro_precision:.3f}", f"{report.macro_recall:.3f}", f"{report.macro_f1:.3f}", str(report.n),
            str(report.groups), str(self.epochs), f"{self.seconds:.0f}",
        )  # fmt: skip
        headings = (
            "accuracy", "95 % interval", "precision", "recall", "F1", "test images", "independent", "epochs", "seconds",
        )  # fmt: skip
        caution = (self.evaluation.caution,) if self.evaluation.caution else ()
        motifs = [
            (label, str(own.support), with_interval(own.recall, own.recall_ci95) if own.recall_ci95 else "-")
            for label, own in zip(labels, report.per_class, strict=True)
        ]
        return (
            Table(f"{self.folder.name}, on its test images", headings, [figures], caution),
            Table("per motif", ("motif", "test images", "accuracy (95 % interval)"), motifs),
        )

    def plot(self) -> Pictures:
        """Learning curves, confusion matrix and accuracy of every motif, as they lie in the run."""
        folder = self.folder / PLOTS_FOLDER
        return Pictures(
            tuple(Picture(f"{name}.png", (folder / f"{name}.png").read_bytes()) for name in _DRAWN)
        )  # fmt: skip


_DRAWN = ("history", "confusion", "per_class")


def train(
    photographs: str | Path,
    *,
    preset: str = "paper",
    settings: Mapping[str, object] | None = None,
    weights: str = "imagenet",
    others: str | Path | None = None,
    teachers: Sequence[str | Path] = (),
    unlabelled: str | Path | None = None,
    split: str | Path | None = None,
    unit: str = "cloth",
    group_by: str | None = None,
    runs_dir: str | Path = "runs",
) -> TrainedRun:
    """Trains a network on a folder of photographs and tests it, as `batikkit train` does.

    Args:
        photographs: One subfolder per motif.
        preset: Its name, or a `.toml` file.
        settings: What is to differ from it, such as `{"image_size": 224}`; `batikkit presets best` lists all.
        weights: `imagenet`, `none` or a file.
        others: Folder of pictures of what is none of the motifs, for the answer "other"; none are needed.
        teachers: Finished runs on the same split, whose answers are learned beside the labels.
        unlabelled: Folder of more photographs, which the teachers name.
        split: A `split.csv` to take instead of making one.
        unit: What stays on one side of the split: `cloth` or `copy`.
        group_by: Regular expression on paths; photographs of a motif that match alike show one cloth.
        runs_dir: Parent of the run's folder.

    Raises:
        InputError: the photographs, a setting or the weights cannot be used.
        MissingExtraError: TensorFlow is not installed.
        BatikkitError: the training was stopped, or diverged, or found no room; its message says how to go on.
    """
    from batikkit.config import load_config
    from batikkit.console import progress
    from batikkit.runs import resolve_run

    config = load_config(preset, changes={**(settings or {}), **({"other": True} if others else {})})
    grouping = grouping_of(known_unit(unit), group_by, existing_weights(weights))
    from batikkit.training import session  # before the photographs are looked at: it may be missing

    beginning = session.Beginning(
        Path(runs_dir), Path(preset).stem, weights, Path(others) if others else None,
        teachers=tuple(resolve_run(Path(teacher), Path(runs_dir)) for teacher in teachers),
        unlabelled=Path(unlabelled) if unlabelled else None,
    )  # fmt: skip
    beginning.check()
    prepared = prepare(Path(photographs), config, grouping, split_file=Path(split) if split else None)
    done = session.train(prepared, config, beginning, session.Means(progress))
    return TrainedRun(done.run, done.evaluation, done.epochs, done.seconds)
