"""`batikkit quickstart`: the whole way on drawn motifs, to see that everything works and what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from batikkit.cli.options import Seed

PER_CLASS = 200
VARIETY = 0.06
"""Some turn and scale, yet few enough looks for a network from scratch to learn within two minutes."""
VARIANTS = ("float16", "int8")


def quickstart(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything goes; a new or empty folder.")] = Path(
        "quickstart"
    ),
    per_class: Annotated[int, typer.Option(help="Images to draw per motif.")] = PER_CLASS,
    seed: Seed = 0,
) -> None:
    """Draw a synthetic batik set, train a small model from scratch, export float16 and int8, and bench them.

    Example: batikkit quickstart --out first-try
    """
    from batikkit.cli.bench import bench
    from batikkit.cli.train import prepare
    from batikkit.config import load_config
    from batikkit.console import note, progress
    from batikkit.data.prepared import Grouping
    from batikkit.data.synth import MOTIFS, write_synthetic_set
    from batikkit.evaluation.metrics_file import sentence

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
    bench([trained.run], min_seconds=1.0)
    typer.echo("")
    typer.echo(f"images     {pictures}")
    typer.echo(f"run        {trained.run}")
    typer.echo(f"plots      {trained.run / 'plots'}")
    for done in exported:
        typer.echo(f"{done.manifest.variant:<10} {done.path}")
    image = next(pictures.glob("kawung/*.png"))
    typer.echo(f"try it:    batikkit predict {exported[-1].path} {image}")
