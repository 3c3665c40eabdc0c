"""`batikkit data check|split|synth`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batikkit.cli.grammar import Command
from batikkit.cli.options import Folds, GroupBy, JsonFile, LookWeights, Quiet, Seed, Strict, Unit
from batikkit.errors import InputError, VerificationError

if TYPE_CHECKING:
    from batikkit.data.check_report import CheckReport
    from batikkit.data.prepared import PreparedData

data = typer.Typer(no_args_is_help=True, help="Check a set of photographs, split it without leaks, or draw one.")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="One subfolder of photographs per motif.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Look at every file again and keep no fingerprints.")]
_LISTED = 10


@data.command(cls=Command)
def check(
    folder: Folder,
    no_leaks: Annotated[bool, typer.Option("--no-leaks", help="Exit with 1 when something would leak.")] = False,
    unit: Unit = "cloth",
    group_by: GroupBy = None,
    weights: LookWeights = "imagenet",
    labels: Annotated[
        bool, typer.Option("--wrong-labels", help="Also list photographs whose label the others contradict.")
    ] = False,
    learning: Annotated[
        bool, typer.Option("--learning", help="Also tell what more photographs would bring, and of which motif most.")
    ] = False,
    split_file: Annotated[
        Path | None, typer.Option("--split", metavar="FILE", help="Check this split.csv for leaks.")
    ] = None,
    json_file: JsonFile = None,
    html: Annotated[Path | None, typer.Option(metavar="PATH", help="Write a page with thumbnails.")] = None,
    sheets: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a contact sheet per group into a new folder.")
    ] = None,
    no_cache: NoCache = False,
) -> None:
    """Look at every image: what is odd, which are copies or show one cloth, what would leak, and what to do.

    Example: batikkit data check photos/ --html check.html
    """
    from batikkit import atomic
    from batikkit.console import note, progress
    from batikkit.data.check import Closer, check_folder
    from batikkit.data.check_report import write_report
    from batikkit.data.prepared import Grouping
    from batikkit.network.frozen import best_describer
    from batikkit.network.texture import best_texture

    for file in filter(None, (html, sheets and sheets / "sheet.png")):
        atomic.try_out(file)
    grouping = Grouping(unit, group_by, best_texture(weights))
    closer = Closer(labels, learning, best_describer(weights) if labels or learning else None)
    with progress("check images") as advance:
        report = check_folder(
            folder, grouping, closer=closer, split_file=split_file, cache=not no_cache, advance=advance
        )
    _print_report(report)
    if json_file:
        write_report(json_file, report)
    if html or sheets:
        from batikkit.data.check_page import write_page, write_sheets

        if html:
            write_page(html, folder, report)
            note(f"wrote {html}")
        if sheets:
            note(f"wrote {write_sheets(sheets, folder, report)} contact sheets into {sheets}")
    if no_leaks and any(finding.kind == "split-missing" for finding in report.findings):
        raise VerificationError(f"--no-leaks: some images of {split_file} are not here, so nobody can tell what leaks")
    if no_leaks and report.would_leak:
        raise VerificationError(f"--no-leaks: {report.verdict[-1]}")


@data.command(cls=Command)
def split(
    folder: Folder,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file, or with --folds the new folder.")] = Path(
        "split.csv"
    ),
    ratios: Annotated[str, typer.Option(help="Shares of train, validation and test.")] = "70,20,10",
    folds: Folds = 0,
    unit: Unit = "cloth",
    group_by: GroupBy = None,
    weights: LookWeights = "imagenet",
    strict: Strict = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    no_cache: NoCache = False,
    seed: Seed = 0,
    json_file: JsonFile = None,
    _quiet: Quiet = False,
) -> None:
    """Split a set so that no cloth crosses, nor any copy; the file goes into train --split.

    Example: batikkit data split photos/ --ratios 70,20,10 --seed 1 -o split.csv
    """
    from batikkit import atomic
    from batikkit.cli.answer import made
    from batikkit.console import note, progress, warn
    from batikkit.data.prepared import Grouping, load_dataset
    from batikkit.data.split import SPLITS, fold_rows, write_split
    from batikkit.network.texture import best_texture

    shares = parse_ratios(ratios)
    target = out / "fold1.csv" if folds else out
    if target.exists() and not force:
        raise InputError(f"{target} exists: name another with --out, or replace it with --force")
    atomic.try_out(target)
    grouping = Grouping(unit, group_by, best_texture(weights), max(folds, len(SPLITS)))
    with progress("check images") as advance:
        prepared = load_dataset(
            folder, grouping=grouping, strict=strict, ratios=shares, seed=seed, cache=not no_cache, advance=advance
        )
    samples = prepared.dataset.samples
    splits = [fold_rows(samples, folds=folds, fold=fold, ratios=shares, seed=seed) for fold in range(folds)]
    for line in prepared.notes_on(*(splits or [prepared.rows])):
        warn(line)
    if not folds:
        write_split(out, prepared.rows)
        _print_split(prepared, shares)
        counts = {name: sum(row.split == name for row in prepared.rows) for name in SPLITS}
        made(out, json_file=json_file, answer={"images": counts, "files": [str(out)]})
        note(f"next: batikkit train {folder} --split {out}")
        return
    for number, rows in enumerate(splits, 1):
        write_split(out / f"fold{number}.csv", rows)
    for stale in set(out.glob("fold*.csv")) - {out / f"fold{number}.csv" for number in range(1, folds + 1)}:
        stale.unlink()  # of another number of folds, which --force replaces
    typer.echo(f"{folds} splits; every image is tested once")
    written = [str(out / f"fold{number}.csv") for number in range(1, folds + 1)]
    made(out, json_file=json_file, answer={"files": written})
    note(f"next: batikkit train {folder} --split {written[0]}")


@data.command(cls=Command)
def synth(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make; must not exist or be empty.")],
    motifs: Annotated[
        str | None, typer.Option(help="Names, separated by commas.", show_default="all that are drawn")
    ] = None,
    per_class: Annotated[int, typer.Option(help="Images per motif.")] = 60,
    size: Annotated[int, typer.Option(help="Side in pixels.")] = 288,
    variety: Annotated[float, typer.Option(help="How far turn and scale vary, 0 to 1.")] = 1.0,
    sheet: Annotated[Path | None, typer.Option(metavar="PATH", help="Also write a contact sheet (PNG).")] = None,
    seed: Seed = 0,
    json_file: JsonFile = None,
    _quiet: Quiet = False,
) -> None:
    """Draw batik motifs from their geometry; the same seed gives the same bytes.

    Example: batikkit data synth synthetic/ --motifs kawung,parang --per-class 40 --size 192 --seed 1
    """
    from batikkit import atomic
    from batikkit.cli.answer import made
    from batikkit.console import note, progress
    from batikkit.data.contact_sheet import contact_sheet
    from batikkit.data.synth import MOTIFS, write_synthetic_set
    from batikkit.images import load_pixels

    names = list(MOTIFS) if motifs is None else [name.strip() for name in motifs.split(",") if name.strip()]
    with progress("draw motifs") as advance:
        written = write_synthetic_set(
            out, motifs=names, per_class=per_class, size=size, seed=seed, variety=variety, progress=advance
        )  # fmt: skip
    typer.echo(f"drew {len(written)} images of {len(names)} motifs")
    if sheet:
        columns = min(per_class, 6)
        shown = [path for index, path in enumerate(written) if index % per_class < columns]
        labels = [path.parent.name if index % columns == 0 else "" for index, path in enumerate(shown)]
        with atomic.replacing(sheet) as temporary:
            contact_sheet([load_pixels(path, 160) for path in shown], columns=columns, labels=labels).save(
                temporary, format="PNG"
            )
        note(f"wrote {sheet}")
    made(out, json_file=json_file, answer={"images": len(written), "motifs": names})


def parse_ratios(text: str) -> tuple[float, float, float]:
    """`70,20,10` or `0.7,0.2,0.1` as fractions that sum to 1.

    Raises:
        InputError: not three positive numbers.
    """
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if len(shares) != 3 or not all(0 < share < float("inf") for share in shares):
        raise InputError(f"--ratios {text!r}: give three positive numbers for train, validation and test: 70,20,10")
    train, validation, test = (share / sum(shares) for share in shares)
    return train, validation, test


def _print_report(report: CheckReport) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from batikkit.data.learning import told

    console = Console(highlight=False)
    for line in report.understood:
        console.print(Text.assemble(("understood  ", "bold"), printable(line)), soft_wrap=True)
    figures = ("images", "independent", "cloths", "shortest px", "median px")
    table = Table("class", *(Column(name, justify="right") for name in figures), "formats")
    for facts in report.classes:
        formats = ", ".join(f"{name} {count}" for name, count in facts.formats.items())
        cells = (facts.images, facts.groups, facts.cloths, facts.shortest_px, facts.median_px)
        table.add_row(Text(printable(facts.label)), *(str(cell) for cell in cells), formats)
    groups, cloths = (sum(getattr(facts, name) for facts in report.classes) for name in ("groups", "cloths"))
    table.add_section()
    table.add_row("all", str(report.images), str(groups), str(cloths))
    console.print(table)
    console.print("pixels: " + ", ".join(f"{mode} {count}" for mode, count in report.modes.items()), markup=False)
    colours = {"error": "red", "leak": "red", "warning": "yellow", "info": "dim"}
    for finding in report.findings:
        console.print(
            Text.assemble((f"{finding.severity:>7}  ", colours[finding.severity]), printable(finding.message)),
            soft_wrap=True,
        )
        console.print(Text(f"         -> {printable(finding.advice)}", style="dim"), soft_wrap=True)
        for path in finding.paths[:_LISTED]:
            console.print(Text(f"         {printable(path)}"), soft_wrap=True)
        if len(finding.paths) > _LISTED:
            console.print(Text(f"         and {len(finding.paths) - _LISTED} more (--json or --html names them all)"))
    for line in told(report.learning) if report.learning else ():
        console.print(Text.assemble(("learning  ", "bold"), printable(line)), soft_wrap=True)
    for line in report.verdict:
        console.print(Text.assemble(("verdict  ", "bold"), printable(line)), soft_wrap=True)


def _print_split(prepared: PreparedData, shares: Sequence[float]) -> None:
    from collections import Counter

    from batikkit.data.split import SPLITS

    counts = Counter(row.split for row in prepared.rows)
    parts = (
        f"{name} {counts[name]} ({counts[name] / len(prepared.rows):.1%} of {share:.0%} wanted)"
        for name, share in zip(SPLITS, shares, strict=True)
    )
    typer.echo(", ".join(parts))


def printable(text: str) -> str:
    """File names may hold line breaks and terminal commands: shows them as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
