"""`batikkit predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batikkit.cli.options import InputRange, JsonFile, Logits, RunsDir, pair

if TYPE_CHECKING:
    from batikkit.assets.classifier import Answer


def predict(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL|IMAGE",
            help="A .tflite file, folder of assets or run (the newest run when left out); photographs, folders, globs.",
        ),
    ],
    top: Annotated[int, typer.Option(help="How many motifs to name.")] = 3,
    labels: Annotated[Path | None, typer.Option(help="Label file.", show_default="labels.txt beside the model")] = None,
    runtime: Annotated[str | None, typer.Option(help="A runtime.", show_default="the first that works")] = None,
    input_range: InputRange = None,
    logits: Logits = False,
    json_file: JsonFile = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Name the motif on photographs, or say "not sure", with an exported model. Needs no TensorFlow.

    Example: batikkit predict android_demo_assets photos/ --top 3
    """
    from batikkit.assets.classifier import Classifier
    from batikkit.assets.pictures import read_pictures, split_model
    from batikkit.console import note, warn
    from batikkit.errors import InputError

    if top < 1:
        raise InputError(f"--top {top}: ask for at least one motif")
    model, wanted = split_model(places, runs_dir=runs_dir)
    classifier = Classifier(model, labels=labels, runtime=runtime, input_range=pair(input_range), logits=logits)
    if classifier.caution:
        note(f"note: {classifier.caution}")
    answers: list[dict[str, object]] = []
    unread: list[dict[str, str]] = []
    for image, pixels in read_pictures(wanted, classifier.pixels):
        if isinstance(pixels, InputError):
            warn(str(pixels))
            unread.append({"image": str(image), "problem": str(pixels)})
        else:
            answer = classifier.classify(pixels)
            typer.echo(_line(image, answer, top))
            answers.append(_record(image, answer, top))
    if json_file:
        from batikkit import atomic

        content = {"schema_version": 1, "caution": classifier.caution, "answers": answers, "unread": unread}
        atomic.write_json(json_file, content)
    if unread:
        note(f"{len(answers)} of {len(answers) + len(unread)} answered")
        raise typer.Exit(1)


def _record(image: Path, answer: Answer, top: int) -> dict[str, object]:
    guesses = [{"label": label, "probability": score} for label, score in list(answer.scores.items())[:top]]
    return {
        "image": str(image),
        "label": answer.label,
        "other": answer.other,
        "probability": answer.probability,
        "guesses": guesses,
    }


def _line(image: Path, answer: Answer, top: int) -> str:
    best = list(answer.scores.items())[:top]
    ranked = ", ".join(f"{label} {probability:.1%}" for label, probability in best)
    if answer.label:
        return f"{image}: {ranked}"
    return f"{image}: {'none of the motifs' if answer.other else 'not sure'} ({ranked})"
