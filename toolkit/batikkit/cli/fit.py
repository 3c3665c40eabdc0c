"""`batikkit fit`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batikkit.cli.options import SETTINGS_PANEL, SPLIT_PANEL, GroupBy, JsonFile, Quiet, RunsDir, Seed, Unit, was_given

if TYPE_CHECKING:
    from batikkit.fit.outcome import Outcome

LIMITS, ONWARDS = "Budget", "What else to do"
_HERE = "host.json"
"""The table of this machine, in the search's folder, where no board's was given."""


def fit(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(metavar="DIR", help="One subfolder of photographs per motif.")],
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Limits from a .toml file, or: low-end-phone, pi-zero-2, pi-3, pi-4, pi-5.",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    max_p90_ms: Annotated[
        float | None, typer.Option(help="90th percentile of latency.", rich_help_panel=LIMITS)
    ] = None,
    max_size_mb: Annotated[float | None, typer.Option(help="File size, 10^6 bytes.", rich_help_panel=LIMITS)] = None,
    max_rss_mb: Annotated[float | None, typer.Option(help="Peak memory, 10^6 bytes.", rich_help_panel=LIMITS)] = None,
    board: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What 'bench --table PACK --json FILE' measured on the board.",
            show_default="this machine, measured first",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    pack: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Only write the pack for 'bench --table' on a board.", rich_help_panel=ONWARDS
        ),
    ] = None,
    train_it: Annotated[
        bool, typer.Option("--train", help="Then train, export and bench the choice.", rich_help_panel=ONWARDS)
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The search's folder; several processes that share it search together.",
            show_default="RUNS_DIR/fit-DIR",
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="A pretrained file, several times if you like.",
            show_default="what Keras has downloaded, and the extra lite0",
            rich_help_panel=SETTINGS_PANEL,
        ),
    ] = None,
    fine_tuning: Annotated[
        bool,
        typer.Option(
            "--fine-tuning/--no-fine-tuning", help="Try it on the winner's first fold.", rich_help_panel=SETTINGS_PANEL
        ),
    ] = True,
    folds: Annotated[
        int, typer.Option(metavar="K", min=3, max=20, help="Folds to judge by.", rich_help_panel=SPLIT_PANEL)
    ] = 5,
    unit: Unit = "cloth",
    group_by: GroupBy = None,
    seed: Seed = 0,
    runs_dir: RunsDir = Path("runs"),
    json_file: JsonFile = None,
    _quiet: Quiet = False,
) -> None:
    """Find the most right network within a board's budget: what does not fit is never trained.

    The same command goes on where it was stopped, and several at once share the work.

    Example: batikkit fit photos/ --max-p90-ms 40 --max-size-mb 3 --board board.json
    """
    from batikkit.cli.answer import made
    from batikkit.cli.fitting import Asked, find, going_on_later, show, train_choice, write_the_pack
    from batikkit.console import note
    from batikkit_benchmarks.budget import Limits

    folder = out or runs_dir / f"fit-{data.resolve().name}"
    limits = Limits(max_p90_ms, max_size_mb, max_rss_mb)
    asked = Asked(
        data, folder, board or folder / _HERE, board is None, limits, budget, tuple(weights or ()), fine_tuning, folds,
        unit, group_by, seed, runs_dir, _again(context),
    )  # fmt: skip
    if pack:
        write_the_pack(asked, pack)
        made(pack, json_file=json_file)
        note(f"next, on the board: batikkit bench --table {pack.name} --json board.json")
        return
    with going_on_later():
        outcome, prepared = find(asked)
    show(outcome)
    answer = _answer(outcome)
    if train_it:
        made(train_choice(asked, outcome, prepared), json_file=json_file, answer=answer)
        return
    made(folder / "fit.html", json_file=json_file, answer=answer)
    note(f"next: {outcome.command}")


def _again(context: typer.Context) -> str:
    """The same command, to go on with."""
    words = ["batikkit", "fit"]
    for param in context.command.params:
        name = param.name or ""
        if name in ("json_file", "_quiet", "train_it", "pack") or not was_given(context, name):
            continue
        value = context.params[name]
        if getattr(param, "is_flag", False):
            words.append(param.opts[0] if value else param.secondary_opts[0])
            continue
        for one in value if isinstance(value, list) else [value]:
            words += ([param.opts[0]] if param.opts[0].startswith("-") else []) + [str(one)]
    return shlex.join([*words, "--train"])


def _answer(outcome: Outcome) -> dict[str, object]:
    chosen = outcome.chosen
    return {
        "network": chosen.candidate.network, "alpha": chosen.candidate.alpha, "image_size": chosen.candidate.image_size,
        "variant": chosen.variant, "predicted_p90_ms": round(chosen.p90_ms, 3), "size_bytes": chosen.size_bytes,
        "rss_bytes": chosen.rss_bytes, "accuracy": outcome.honest.accuracy, "accuracy_ci95": outcome.honest.interval,
        "fine_tuned": outcome.tuned, "command": outcome.command,
        "front": [
            {"name": p.row.title, "p90_ms": round(p.row.p90_ms, 3), "size_bytes": p.row.size_bytes,
             "rss_bytes": p.row.rss_bytes, "scout": p.scout.accuracy if p.scout else None}
            for p in outcome.front
        ],
        "next_steps": [step.text for step in outcome.steps],
    }  # fmt: skip
