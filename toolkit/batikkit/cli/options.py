"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from batikkit.cli.answer import answer_file, hushed
from batikkit.errors import InputError
from batikkit.nearest import choices
from batikkit.settings import ENGINES, meaning
from batikkit.steps.photographs import UNITS, existing_weights, known_unit

SETTINGS_PANEL, SPLIT_PANEL, MACHINE_PANEL = "Settings", "Photographs and splits", "Machines"

RunsDir = Annotated[
    Path,
    typer.Option("--runs-dir", help="Folder of run folders; a command given no run takes the newest finished one."),
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
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=hushed, is_eager=True, help="Print nothing but the place of what was made."),
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


def was_given(context: typer.Context, name: str) -> bool:
    """Whether the user wrote the option or argument of that parameter, or left it out."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


# Settings of a training, for every command that trains.
Preset = Annotated[str, typer.Option(help="Settings: a preset's name or a .toml file.", rich_help_panel=SETTINGS_PANEL)]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.", rich_help_panel=SETTINGS_PANEL
    ),
]


Weights = Annotated[
    str,
    typer.Option(
        callback=existing_weights,
        help="Weights to start from: imagenet (MobileNetV2's are downloaded, EfficientNet-Lite0's come with the extra "
        "lite0), none, or a file.",
        rich_help_panel=SETTINGS_PANEL,
    ),
]
ImageSize = Annotated[int | None, typer.Option(help=meaning("image_size"), rich_help_panel=SETTINGS_PANEL)]
BackboneName = Annotated[
    str | None, typer.Option("--backbone", help=meaning("network"), rich_help_panel=SETTINGS_PANEL)
]
BackboneAlpha = Annotated[float | None, typer.Option(help=meaning("alpha"), rich_help_panel=SETTINGS_PANEL)]
TrainSeed = Annotated[int | None, typer.Option("--seed", help=meaning("seed"), rich_help_panel=SETTINGS_PANEL)]
Precision = Annotated[
    str | None,
    typer.Option(metavar="auto|float32|bfloat16", help=meaning("precision"), rich_help_panel=SETTINGS_PANEL),
]
SplitFile = Annotated[
    Path | None,
    typer.Option(
        "--split", metavar="FILE", help="Use this split.csv; it is checked for leaks.", rich_help_panel=SPLIT_PANEL
    ),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Images of a class whose relative paths match alike show one cloth.",
        rich_help_panel=SPLIT_PANEL,
    ),
]


def _enough_folds(folds: int) -> int:
    if folds and folds < 2:
        raise InputError(f"--folds {folds}: cross-validation needs at least 2")
    return folds


Folds = Annotated[
    int,
    typer.Option(
        metavar="K",
        callback=_enough_folds,
        help="K grouped folds, every image tested once (0: one split).",
        rich_help_panel=SPLIT_PANEL,
    ),
]
Unit = Annotated[
    str,
    typer.Option(
        metavar="|".join(UNITS),
        callback=known_unit,
        help="What stays in one split: photographs of one cloth, or only copies of one photograph.",
        rich_help_panel=SPLIT_PANEL,
    ),
]
LookWeights = Annotated[
    str,
    typer.Option(
        "--weights",
        callback=existing_weights,
        help="Network that tells cloths apart: imagenet (if Keras has it already), none, or a no-top .h5 file.",
        rich_help_panel=SPLIT_PANEL,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse unreadable images instead of skipping them, and a split that leaks.",
        rich_help_panel=SPLIT_PANEL,
    ),
]


def _known_engine(engine: str) -> str:
    if engine not in ENGINES:
        raise InputError(f"--engine {engine!r}: {choices(engine, ENGINES)}")
    return engine


def _room(gigabytes: float) -> float:
    if not 0 <= gigabytes < float("inf"):
        raise InputError(f"--cache-gb {gigabytes:g}: give a number of gigabytes, 0 for no cache")
    return gigabytes


EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        callback=_known_engine,
        help="cached, keras, or auto (keras on a GPU; a resumed run keeps its own). It decides which views are seen.",
        rich_help_panel=MACHINE_PANEL,
    ),
]
CacheGb = Annotated[
    float, typer.Option(callback=_room, help="Largest feature cache on disk, in GB.", rich_help_panel=MACHINE_PANEL)
]
