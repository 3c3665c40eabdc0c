"""`batikkit predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from batikkit.cli.options import InputRange, Logits, pair


def predict(
    model: Annotated[Path, typer.Argument(help="A .tflite file; its labels.txt lies beside it.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photographs.")],
    top: Annotated[int, typer.Option(help="How many motifs to name.")] = 3,
    labels: Annotated[Path | None, typer.Option(help="Label file.", show_default="labels.txt beside the model")] = None,
    runtime: Annotated[str | None, typer.Option(help="A runtime.", show_default="the first that works")] = None,
    input_range: InputRange = None,
    logits: Logits = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per image.")] = False,
) -> None:
    """Name the motif on photographs with an exported model. Needs no TensorFlow.

    Example: batikkit predict export/int8.tflite photo.jpg --top 3
    """
    import dataclasses
    import json

    from batikkit.assets.manifest import find_variant
    from batikkit.console import note
    from batikkit.evaluation.predict import Classifier
    from batikkit.tflite.runtime import Wishes

    classifier = Classifier(model, labels=labels, runtime=runtime, wishes=Wishes(pair(input_range), logits))
    if classifier.model.caution and find_variant(model) is None:
        note(f"note: {classifier.model.caution}")
    for prediction in classifier.predict(images, top=top):
        if as_json:
            guesses = [dataclasses.asdict(guess) for guess in prediction.guesses]
            typer.echo(json.dumps({"image": str(prediction.image), "guesses": guesses}, ensure_ascii=False))
        else:
            ranked = ", ".join(f"{guess.label} {guess.probability:.1%}" for guess in prediction.guesses)
            typer.echo(f"{prediction.image}: {ranked}")
