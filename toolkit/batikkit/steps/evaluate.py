"""`batikkit.evaluate`: one model's answers on photographs that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batikkit.errors import InputError
from batikkit.evaluation.charts import confusion_chart, motif_chart
from batikkit.evaluation.comparison import Comparison
from batikkit.evaluation.held_out import HeldOut
from batikkit.evaluation.metrics_file import Evaluation
from batikkit.evaluation.predictions import Predictions
from batikkit.evaluation.text import confusion_table, motif_table, system_table
from batikkit.nearest import choices
from batikkit.steps.photographs import existing_weights, known_unit
from batikkit.steps.shown import Picture, Pictures, Shown, Table

if TYPE_CHECKING:
    from batikkit.data.prepared import Grouping
    from batikkit.evaluation.subject import Subject

PARTS = ("test", "validation", "train")


@dataclass(frozen=True, repr=False)
class EvaluatedModel(Shown):
    """What a model's answers are worth.

    Attributes:
        comparison: Figures, confusions and mistakes, as `batikkit evaluate` writes them.
        predictions: The answer to every photograph.
        held: The photographs, and what of them was left out.
    """

    comparison: Comparison
    predictions: Predictions
    held: HeldOut

    @property
    def evaluation(self) -> Evaluation:
        """The figures."""
        return self.comparison.systems[0].evaluation

    def tables(self) -> tuple[Table, ...]:
        """The figures, every motif's, and the worst confusions."""
        found = self.comparison
        first = Table(f"{found.title}, {found.n} images", *system_table(found), found.notes)
        confused = confusion_table(found)
        return (
            first,
            Table("per motif", *motif_table(found)),
            *((Table("most confused", *confused),) if confused[1] else ()),
        )

    def plot(self) -> Pictures:
        """Confusion matrix, and the accuracy of every motif."""
        return Pictures((
            Picture.of_svg("confusion.svg", confusion_chart(self.comparison.systems[0])),
            Picture.of_svg("motifs.svg", motif_chart(self.comparison)),
        ))  # fmt: skip

    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Writes the page, the figures as JSON and Markdown, and a line per photograph; returns their paths.

        Raises:
            InputError: the folder cannot be written.
        """
        from batikkit.evaluation.predictions import PREDICTIONS_FILE, write_predictions
        from batikkit.evaluation.reports import write_reports

        written = write_reports(Path(folder), self.comparison, name="evaluation")
        write_predictions(Path(folder, PREDICTIONS_FILE), self.predictions)
        return (*written, Path(folder, PREDICTIONS_FILE))


def evaluate_held_out(
    subject: Subject,
    grouping: Grouping,
    *,
    data: Path | None = None,
    part: str = "test",
    split_file: Path | None = None,
    labels: Path | None = None,
    runtime: str | None = None,
) -> EvaluatedModel:
    """Asks a model about photographs; what it trained on or was chosen with is left out and counted.

    Raises:
        InputError: no photographs, or the model cannot be used.
    """
    from batikkit.console import progress, warn
    from batikkit.evaluation.held_out import hold_out
    from batikkit.evaluation.subject import evaluate_subject

    knowledge = subject.knowledge()
    root = data or knowledge.root
    if root is None:
        raise InputError(f"{subject.model} belongs to no run: name photographs to test on with --data DIR")
    with progress("check images") as advance:
        held = hold_out(
            root, subject.labels, knowledge, part=part, split_file=split_file, grouping=grouping, advance=advance
        )
    for line in held.notes:
        warn(line)
    with progress("evaluate") as advance:
        found, predictions = evaluate_subject(subject, held, part=part, runtime=runtime, labels=labels, advance=advance)
    return EvaluatedModel(found, predictions, held)


def known_part(part: str) -> str:
    """A part of a run's photographs.

    Raises:
        InputError: there is no such part.
    """
    if part not in PARTS:
        raise InputError(f"--part {part!r}: {choices(part, PARTS)}")
    return part


def evaluate(
    model: str | Path | None = None,
    *,
    data: str | Path | None = None,
    part: str = "test",
    split: str | Path | None = None,
    unit: str = "cloth",
    group_by: str | None = None,
    weights: str = "imagenet",
    labels: str | Path | None = None,
    runtime: str | None = None,
    runs_dir: str | Path = "runs",
) -> EvaluatedModel:
    """Judges a run's model, or a `.tflite` file, on photographs that it has not seen, as `batikkit evaluate` does.

    Args:
        model: A run or a `.tflite` file, which needs no TensorFlow; the newest run when None.
        data: Photographs, one subfolder per motif; the run's own when None.
        part: Which of the run's: `test`, `validation` or `train`.
        split: Take only this `split.csv`'s images of that part.
        unit: What counts as seen: photographs of a `cloth`, or copies (`copy`).
        group_by: Regular expression on paths; photographs of a motif that match alike show one cloth.
        weights: The network that tells cloths apart: `imagenet`, if Keras has it already, `none`, or a file.
        labels: Label file of a `.tflite` file; the one beside it when None.
        runtime: Runtime of a `.tflite` file; the first that works when None.
        runs_dir: Where runs lie.

    Raises:
        InputError: no model, no photographs, or they do not go together.
        VerificationError: the labels are another model's.
    """
    from batikkit.data.prepared import Grouping
    from batikkit.evaluation.subject import find_subject
    from batikkit.network.texture import best_texture

    known_part(part)
    names = Path(labels) if labels else None
    subject = find_subject(Path(model) if model else None, runs_dir=Path(runs_dir), labels=names)
    grouping = Grouping(known_unit(unit), group_by, best_texture(existing_weights(weights)))
    return evaluate_held_out(
        subject, grouping, data=Path(data) if data else None, part=part,
        split_file=Path(split) if split else None, labels=names, runtime=runtime,
    )  # fmt: skip
