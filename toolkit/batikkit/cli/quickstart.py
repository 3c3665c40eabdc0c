"""`batikkit quickstart`: the whole way on drawn motifs, to see that everything works and what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from batikkit.cli.options import JsonFile, Quiet, Seed

PER_CLASS = 200
VARIETY = 0.06
"""Some turn and scale, yet few enough looks for a network from scratch to learn within two minutes."""
MISTAKEN = 18
"""Most wrong drawings on one sheet."""
VARIANTS = ("float16", "int8")


def quickstart(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything goes; a new or empty folder.")] = Path(
        "quickstart"
    ),
    per_class: Annotated[int, typer.Option(help="Images to draw per motif.")] = PER_CLASS,
    seed: Seed = 0,
    json_file: JsonFile = None,
    _quiet: Quiet = False,
) -> None:
    """Draw a synthetic batik set, train a small model from scratch, export float16 and int8, and bench them.

    Example: batikkit quickstart --out first-try
    """
    _look_for_training()
    from batikkit.cli.answer import a_part, made
    from batikkit.cli.bench import bench
    from batikkit.cli.report import report
    from batikkit.config import load_config
    from batikkit.console import note, progress
    from batikkit.data.prepared import Grouping
    from batikkit.data.synth import MOTIFS, write_synthetic_set
    from batikkit.evaluation.metrics_file import sentence
    from batikkit.steps.photographs import prepare

    config = load_config("quickstart", seed=seed)
    pictures = out / "synthetic"
    with progress("draw motifs") as advance:
        write_synthetic_set(
            pictures,
            motifs=list(MOTIFS),
            per_class=per_class,
            size=config.image_size,
            seed=seed,
            variety=VARIETY,
            progress=advance,
        )
    # Every drawing is a cloth of its own, however alike two of them look.
    prepared = prepare(pictures, config, Grouping(group_by="(.+)"))
    from batikkit.training.session import Beginning, Means, train
    from batikkit_exporters.export.run import export_run

    trained = train(prepared, config, Beginning(out / "runs", "quickstart", "none"), Means(progress))
    note(f"synthetic test images: {sentence(trained.evaluation)}")
    exported = export_run(trained.run, variants=VARIANTS, report=note)
    with a_part():
        bench([trained.run], min_seconds=1.0)
        report([trained.run])
    typer.echo("")
    typer.echo(f"images     {pictures}")
    typer.echo(f"run        {trained.run}")
    plots = trained.run / "plots"
    typer.echo(f"confusion  {plots / 'confusion.png'}")
    typer.echo(f"mistaken   {_draw_mistaken(plots / 'mistaken.png', pictures, trained.run)}")
    for done in exported:
        typer.echo(f"{done.manifest.variant:<10} {done.path}")
    image = next(pictures.glob("kawung/*.png"))
    page = trained.run / "report.html"
    typer.echo(f"open       {page.resolve().as_uri()}")
    made(out, json_file=json_file, answer={"run": str(trained.run), "page": str(page)})
    note(f"next: batikkit predict {exported[-1].path} {image}")


def _draw_mistaken(sheet: Path, pictures: Path, run: Path) -> str:
    """The test drawings that got a wrong answer, each under what it was taken for."""
    from batikkit import atomic
    from batikkit.data.contact_sheet import contact_sheet
    from batikkit.evaluation.predictions import PREDICTIONS_FILE, read_predictions
    from batikkit.images import load_pixels

    found = read_predictions(run / PREDICTIONS_FILE)
    wrong = [number for number in range(len(found.paths)) if found.predicted[number] != found.truth[number]][:MISTAKEN]
    if not wrong:
        return "none of the test drawings"
    labels = [f"{found.labels[found.truth[i]]}: {found.labels[found.predicted[i]]}" for i in wrong]
    shown = [load_pixels(pictures / found.paths[i], 160) for i in wrong]
    with atomic.replacing(sheet) as temporary:
        contact_sheet(shown, columns=min(6, len(shown)), labels=labels).save(temporary, format="PNG")
    return str(sheet)


def _look_for_training() -> None:
    """Before a thousand motifs are drawn for a training that cannot be.

    Raises:
        MissingExtraError: TensorFlow or tf_keras is not installed.
    """
    from importlib.util import find_spec

    from batikkit.errors import MissingExtraError

    for package in ("tensorflow", "tf_keras"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "train")
