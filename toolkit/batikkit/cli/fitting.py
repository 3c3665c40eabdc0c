"""What `batikkit fit` does: the table, the search, what is told of it, and the choice trained, exported and benched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from batikkit.data.prepared import PreparedData
    from batikkit.fit.budget import Budget, Measured
    from batikkit.fit.folder import SearchFolder
    from batikkit.fit.outcome import Outcome
    from batikkit.fit.pack import Pack
    from batikkit_benchmarks.budget import Limits

_RATIOS = (0.8, 0.1, 0.1)
"""Of `best` and its relatives."""


@dataclass(frozen=True)
class Asked:
    """The command's options."""

    data: Path
    folder: Path
    board: Path
    here: bool
    limits: Limits
    budget: str | None
    weights: tuple[str, ...]
    fine_tuning: bool
    folds: int
    unit: str
    group_by: str | None
    seed: int
    runs_dir: Path
    command: str


def find(asked: Asked) -> tuple[Outcome, PreparedData]:
    """Measures if need be, searches, and writes the page and its figures."""
    from batikkit import atomic
    from batikkit.console import note, warn
    from batikkit.fit.budget import affordable, next_steps
    from batikkit.fit.folder import SearchFolder
    from batikkit.fit.outcome import OUTCOME_FILE, PAGE_FILE, write_outcome
    from batikkit.fit.page import fit_page
    from batikkit.fit.search import Search, photographs
    from batikkit.fit.telling import Told, outcome_of
    from batikkit.fit.trial import SCOUT
    from batikkit.fit.tuning import try_tuning
    from batikkit.fit.weights import missing, weights_at_hand

    budget, weights = ceilings(asked), weights_at_hand(asked.weights)
    lacking = missing(weights)
    if lacking:
        warn(lacking)
    searched = weights
    if not asked.here:  # before the photographs are looked at; sizes are known when their motifs are
        unsized = {variant: replace(ceiling, size_mb=None) for variant, ceiling in budget.items()}
        rows, _ = _table(asked, weights, None)
        affordable(rows, unsized)
        known = {(row.candidate.network, row.candidate.alpha) for row in rows}
        searched = {key: file for key, file in weights.items() if key in known}
    prepared = _prepared(asked, weights)
    photos = photographs(prepared.dataset, folds=asked.folds, ratios=_RATIOS, seed=asked.seed)
    folder = SearchFolder(asked.folder)
    folder.enter(photos.identity)
    own = _own_pack(folder, searched, prepared.dataset.labels)
    if asked.here:
        _measure_here(asked, folder, own)
    rows, host = _table(asked, weights, own)
    fitting = affordable(rows, budget)
    words = " or ".join(dict.fromkeys(ceiling.text for ceiling in budget.values()))
    note(f"{len(fitting)} of {len({row.candidate for row in rows})} networks fit into {words} on {host}")
    search = Search(folder, photos, weights, note)
    found = search.run(list(fitting))
    tuning = try_tuning(search, prepared, found.choice.winner) if asked.fine_tuning else None
    steps = next_steps(rows, budget)
    beyond = search.trials([step.found.candidate for step in steps], SCOUT)
    notes = tuple(filter(None, (*_cautions(asked, rows, prepared), lacking)))
    told = Told(str(asked.data), host, words, asked.command, notes)
    outcome = outcome_of(told, search, found, rows, budget, steps, beyond, tuning)
    write_outcome(folder.path(OUTCOME_FILE), outcome)
    atomic.write_text(folder.path(PAGE_FILE), fit_page(outcome))
    return outcome, prepared


@contextlib.contextmanager
def going_on_later() -> Iterator[None]:
    """Ctrl-C or a batch system's SIGTERM ends the block with one line, also while a network is fine-tuned in it.

    Raises:
        StoppedError: the user stopped the search.
    """
    from batikkit.training.stopping import StoppedError, stoppable

    told = "stopped; finished trials are kept: give the same command to go on"
    with stoppable(told):
        try:
            yield
        except StoppedError as error:
            again = StoppedError(told)
            again.exit_code = error.exit_code
            raise again from None


def ceilings(asked: Asked) -> Budget:
    """The budget of each variant.

    Raises:
        InputError: it limits nothing that a file is measured by.
    """
    from batikkit.cli.bench import budget_of
    from batikkit.errors import InputError
    from batikkit.fit.budget import Ceiling
    from batikkit.fit.candidates import VARIANTS

    wanted = budget_of(asked.budget, asked.limits)
    found = {}
    for variant in VARIANTS:
        limits = wanted.limits(variant)
        found[variant] = Ceiling(limits.max_p90_ms, limits.max_size_mb, limits.max_rss_mb)
    if all(ceiling == Ceiling() for ceiling in found.values()):
        raise InputError("no budget: give --max-p90-ms, --max-size-mb or --max-rss-mb, or a board's with --budget NAME")
    return found


def write_the_pack(asked: Asked, pack: Path) -> None:
    """Makes the untrained networks for a board; their weights need not be at hand."""
    from batikkit import atomic
    from batikkit.console import note
    from batikkit.data.layout import read_layout, refuse_empty
    from batikkit.fit.candidates import all_backbones
    from batikkit.fit.pack import write_pack
    from batikkit_exporters.export.untrained import untrained_pack

    layout = read_layout(asked.data)
    refuse_empty(layout)
    atomic.try_out(pack)
    write_pack(pack, untrained_pack(all_backbones(), tuple(sorted(layout.motifs)), say=note))


def _prepared(asked: Asked, weights: Mapping[tuple[str, float], Path]) -> PreparedData:
    from batikkit.config import load_config
    from batikkit.steps.photographs import grouping_of, prepare

    config = load_config("best", seed=asked.seed)
    widest = max((alpha for network, alpha in weights if network == "mobilenet-v2"), default=None)
    look = str(weights["mobilenet-v2", widest]) if widest else "imagenet"
    return prepare(asked.data, config, grouping_of(asked.unit, asked.group_by, look, folds=asked.folds))


def _own_pack(folder: SearchFolder, weights: Mapping[tuple[str, float], Path], labels: tuple[str, ...]) -> Pack:
    """The untrained networks of this search's motifs, made once: their files are as long as those to be exported."""
    from batikkit.console import note
    from batikkit.errors import InputError
    from batikkit.fit.pack import read_pack, write_pack
    from batikkit_exporters.export.untrained import untrained_pack

    file = folder.path("pack.zip")
    with folder.turn("pack"):
        try:
            pack = read_pack(file)
        except InputError:
            pack = None
        if pack is None or pack.labels != labels or {key[:2] for key in pack.files} != set(weights):
            pack = untrained_pack(weights, labels, say=note)
            write_pack(file, pack)
    return pack


def _measure_here(asked: Asked, folder: SearchFolder, own: Pack) -> None:
    """This machine's table, where it is not there yet."""
    from tempfile import TemporaryDirectory

    from batikkit.console import note, progress
    from batikkit_benchmarks.bench import run_bench
    from batikkit_benchmarks.plan import OF_A_TABLE, Settings
    from batikkit_benchmarks.report import read_report, write_report
    from batikkit_benchmarks.table import table_selection

    with folder.turn("table"):
        if asked.board.is_file() and {r.origin for r in read_report(asked.board).results} >= _names(own):
            return
        note("no board's table was given: this machine is measured instead, which says nothing of another")
        settings = Settings(min_runs=OF_A_TABLE.runs, min_seconds=OF_A_TABLE.seconds, seed=asked.seed)
        with TemporaryDirectory(prefix="batikkit-") as files, progress("table") as advance:
            selection = table_selection(own, Path(files), source="untrained networks")
            report = None
            for number, so_far in enumerate(run_bench(selection, settings, fault=note), start=1):
                report = so_far
                advance(number, len(selection.targets))
            assert report is not None
            write_report(asked.board, report)


def _names(own: Pack) -> set[str]:
    return {candidate.name for candidate in own.candidates()}


def _table(
    asked: Asked, weights: Mapping[tuple[str, float], Path], own: Pack | None
) -> tuple[tuple[Measured, ...], str]:
    """The board's rows of networks whose weights are here, with the sizes of this search's own files; and its name."""
    from batikkit.errors import InputError
    from batikkit_benchmarks.report import read_report
    from batikkit_benchmarks.table import measured

    report = read_report(asked.board)
    rows = tuple(row for row in measured(report) if (row.candidate.network, row.candidate.alpha) in weights)
    if not rows:
        raise InputError(f"{asked.board} measured no network whose weights are here: name them with --weights PATH")
    if own is not None:
        sizes = {key: len(content) for key, content in own.files.items()}
        rows = tuple(
            replace(row, size_bytes=sizes[row.candidate.network, row.candidate.alpha, row.variant]) for row in rows
        )
    return rows, report.host.title


def _cautions(asked: Asked, rows: Sequence[Measured], prepared: PreparedData) -> list[str]:
    """What whoever reads the figures must know."""
    doubtful = sum(not row.valid for row in rows)
    return [
        "Latency was measured on this machine, since no board's table was given: of a board it says nothing."
        if asked.here
        else "",
        f"{doubtful} of {len(rows)} latencies are not valid (their reasons are in {asked.board.name}): measure again "
        "on a board that does nothing else"
        if doubtful
        else "",
        prepared.caution,
    ]


def show(outcome: Outcome) -> None:
    """Prints the front, the choice and what the next step up would bring."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console.width = 150
    table = Table(box=SIMPLE_HEAD, title=f"{outcome.budget}, on {outcome.board}", title_justify="left", pad_edge=False)
    for number, column in enumerate(("front", "file", "p90 ms", "size MB", "RAM MB", "scout (95 %)")):
        table.add_column(column, justify="left" if number < 2 else "right", no_wrap=True)
    for point in outcome.named:
        row = point.row
        table.add_row(
            row.candidate.title, row.variant, f"{row.p90_ms:.2f}" + ("" if row.valid else " (!)"),
            f"{row.size_mb:.2f}", f"{row.rss_mb:.1f}", point.scout.text if point.scout else "-",
            style="bold" if row == outcome.chosen else None,
        )  # fmt: skip
    console.print(table)
    for note in outcome.notes:
        typer.echo(note)
    typer.echo(f"chosen: {outcome.chosen.text}")
    typer.echo(f"names right: {outcome.honest.text}, by folds it was not chosen by ({outcome.photographs} photographs)")
    for step in outcome.steps:
        typer.echo(step.text)
    if outcome.tuning:
        typer.echo(outcome.tuning)


def train_choice(asked: Asked, outcome: Outcome, prepared: PreparedData) -> Path:
    """Trains, exports and benches what was chosen; says how near the prediction came. Returns the run."""
    from batikkit.cli.answer import a_part
    from batikkit.cli.bench import bench
    from batikkit.console import note, progress
    from batikkit.fit.weights import weights_at_hand
    from batikkit.runs import BENCH_FOLDER
    from batikkit.training.session import Beginning, Means, train
    from batikkit_benchmarks.report import read_report
    from batikkit_exporters.export.run import export_run

    chosen = outcome.chosen
    candidate = chosen.candidate
    weights = str(weights_at_hand(asked.weights)[candidate.network, candidate.alpha])
    config = candidate.config(seed=asked.seed, tuned=outcome.tuned)
    trained = train(prepared, config, Beginning(asked.runs_dir, candidate.preset, weights), Means(progress))
    export_run(trained.run, variants=(chosen.variant,), report=note)
    with a_part():
        # A board's runtime and threads may be none that this machine has.
        runtime, threads = ([chosen.runtime], chosen.threads) if asked.here else (None, 1)
        bench([trained.run], runtime=runtime, threads=str(threads), seed=asked.seed)
    (result,) = read_report(max((trained.run / BENCH_FOLDER).glob("*.json"))).results
    p90 = result.latency_ms.p90
    here = "" if asked.here else "; the prediction is of the board, this is not it"
    typer.echo(
        f"predicted {chosen.p90_ms:.2f} ms and {chosen.size_bytes} bytes; benched {p90:.2f} ms "
        f"({100 * (p90 / chosen.p90_ms - 1):+.0f} %) and {result.size_bytes} bytes{here}"
    )
    return trained.run
