"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from batikkit.cli.answer import answer_file
from batikkit.errors import InputError

RunsDir = Annotated[
    Path, typer.Option("--runs-dir", help="Folder of run folders; a command given no run takes the newest one in it.")
]
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="PATH|-",
        callback=answer_file,
        help="Write the answer as JSON to PATH, or to standard output.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Seeds everything that chance decides.")]

# What the user says of a .tflite file that nobody else tells.
InputRange = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH",
        help="What black and white become in the input, such as -1,1.",
        show_default="what manifest, metadata or quantization say, else 0,255",
    ),
]
Logits = Annotated[bool, typer.Option("--logits", help="The file leaves out the softmax: apply it.")]


def pair(wanted: str | None) -> tuple[float, float] | None:
    """Reads `LOW,HIGH`."""
    if wanted is None:
        return None
    try:
        low, high = map(float, wanted.split(","))
    except ValueError:
        raise InputError(f"--input-range {wanted!r}: write what black and white become, such as -1,1") from None
    return low, high


# Settings of a training, for every command that trains.
Preset = Annotated[str, typer.Option(help="Settings: a preset's name or a .toml file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
]


def _existing_weights(weights: str) -> str:
    """Before minutes go into looking at photographs."""
    if weights not in ("imagenet", "none") and not Path(weights).is_file():
        raise InputError(f"no weight file {weights}: name a MobileNetV2 no-top .h5 file with --weights PATH")
    return weights


Weights = Annotated[
    str,
    typer.Option(
        callback=_existing_weights, help="Backbone to start from: imagenet (downloaded), none, or a no-top .h5 file."
    ),
]
ImageSize = Annotated[int | None, typer.Option(help="Side of the input in pixels, a multiple of 32.")]
BackboneAlpha = Annotated[float | None, typer.Option(help="Width multiplier of MobileNetV2.")]
TrainSeed = Annotated[int | None, typer.Option("--seed", help="Seeds split, weights, order, augmentation and dropout.")]
SplitFile = Annotated[
    Path | None, typer.Option("--split", metavar="FILE", help="Use this split.csv; it is checked for leaks.")
]
GroupBy = Annotated[
    str | None, typer.Option(metavar="REGEX", help="Images whose relative paths match alike stay in one split.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse unreadable images instead of skipping them.")]
EngineName = Annotated[str, typer.Option("--engine", help="cached, keras, or auto (keras on a GPU).")]
CacheGb = Annotated[float, typer.Option(help="Largest feature cache on disk, in GB.")]
