"""`batikkit evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batikkit.cli.options import GroupBy, JsonFile, LookWeights, Quiet, RunsDir, Unit

if TYPE_CHECKING:
    from batikkit.evaluation.held_out import HeldOut, Knowledge
    from batikkit.evaluation.predictions import Predictions

_LISTED = 10


def evaluate(
    place: Annotated[
        Path | None,
        typer.Argument(metavar="RUN|MODEL.tflite", help="What to judge.", show_default="the newest run"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Photographs, one subfolder per motif.", show_default="the run's own"),
    ] = None,
    part: Annotated[
        str, typer.Option(help="Which images: test, or validation or train to see what was learned.")
    ] = "test",
    split_file: Annotated[
        Path | None, typer.Option("--split", metavar="FILE", help="Take only this split.csv's images of that part.")
    ] = None,
    unit: Unit = "cloth",
    group_by: GroupBy = None,
    weights: LookWeights = "imagenet",
    labels: Annotated[
        Path | None, typer.Option(help="Label file of a .tflite.", show_default="labels.txt beside it")
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(help="Runtime of a .tflite.", show_default="the first that works")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the report goes.", show_default="RUN/evaluation/MODEL"),
    ] = None,
    why: Annotated[
        bool, typer.Option("--why", help="Name for each mistake the training photographs that speak most for it.")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    json_file: JsonFile = None,
    _quiet: Quiet = False,
) -> None:
    """Judge one model on photographs that it has not seen: accuracy with intervals, motifs, confusions.

    Images that the run trained on or was chosen with, copies of them and new photographs of their cloths are left out
    and counted. A .tflite file needs no TensorFlow.

    Example: batikkit evaluate export/int8.tflite --data photos/
    """
    from batikkit import atomic
    from batikkit.cli.comparison_output import show
    from batikkit.data.prepared import Grouping
    from batikkit.evaluation.subject import find_subject
    from batikkit.evaluation.why import describer_of
    from batikkit.network.texture import best_texture
    from batikkit.steps.evaluate import evaluate_held_out, known_part

    known_part(part)
    subject = find_subject(place, runs_dir=runs_dir, labels=labels)
    if why:
        describer_of(weights, subject.knowledge())  # before minutes go into answers
    name = subject.name if part == "test" else f"{subject.name}-{part}"
    base = subject.run / "evaluation" if subject.run else Path("evaluation")
    folder = out or base / name
    atomic.try_out(folder / "evaluation.html")
    evaluated = evaluate_held_out(
        subject, Grouping(unit, group_by, best_texture(weights)),
        data=data, part=part, split_file=split_file, labels=labels, runtime=runtime,
    )  # fmt: skip
    show(evaluated.comparison, evaluated.save(folder), json_file=json_file)
    if why:
        _explain(folder, evaluated.held, evaluated.predictions, subject.knowledge(), weights)


def _explain(folder: Path, held: HeldOut, predictions: Predictions, knowledge: Knowledge, weights: str) -> None:
    from batikkit.console import note, progress
    from batikkit.evaluation.why import describer_of, find_reasons, write_reasons

    describer = describer_of(weights, knowledge)
    with progress("look for what speaks for mistakes") as advance:
        reasons = find_reasons(held, predictions, knowledge, describer, advance=advance)
    assert knowledge.root is not None
    for one in reasons[:_LISTED]:
        typer.echo(f"{one.path} ({one.truth}) was read as {one.answer}: {', '.join(one.speaking)}")
    write_reasons(folder, reasons, asked=held.root, learned=knowledge.root, described=describer.name)
    note(f"{len(reasons)} mistakes and what speaks for each: {folder / 'why.html'}")
