"""`batikkit bench`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batikkit.cli.board_table import refuse_with_table, table_of
from batikkit.cli.options import InputRange, JsonFile, Logits, Quiet, RunsDir, Seed, pair

if TYPE_CHECKING:
    from batikkit_benchmarks.budget import Budget, Limits
    from batikkit_benchmarks.plan import Settings
    from batikkit_benchmarks.report import BenchReport
    from batikkit_benchmarks.targets import Selection

PHONE = "A phone"
GATES = "Gates (exit code 1 when one fails)"


def bench(
    places: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN|FOLDER|FILE", help="What to bench.", show_default="the newest run"),
    ] = None,
    runtime: Annotated[
        list[str] | None,
        typer.Option(help="A runtime, several times if you like, or 'all'.", show_default="the first that works"),
    ] = None,
    threads: Annotated[str, typer.Option(help="Thread counts, such as 1,2,4, or 'sweep'.")] = "1",
    processes: Annotated[
        int | None,
        typer.Option(help="Fresh processes for each; p50 gets their spread.", show_default="1, with --official 3"),
    ] = None,
    min_seconds: Annotated[
        float | None,
        typer.Option(help="Measure in each process at least this long.", show_default="5, with --table 1"),
    ] = None,
    min_samples: Annotated[
        int | None,
        typer.Option(help="Time at least this many answers of each.", show_default="100, with --table 40"),
    ] = None,
    warmup: Annotated[int, typer.Option(help="Answers before the timed ones.")] = 10,
    official: Annotated[bool, typer.Option("--official", help="1024 runs and 60 s as MLPerf, 3 processes.")] = False,
    pin: Annotated[str | None, typer.Option(metavar="CPUS", help="Confine to CPUs such as 2,3, or 'auto'.")] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Evaluate on these photographs, not on the parity pack.")
    ] = None,
    input_range: InputRange = None,
    logits: Logits = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Verify, load and run each file once; measure nothing.")
    ] = False,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="PACK", help="Measure the untrained networks of 'batikkit fit --pack' instead, for 'fit --board'."
        ),
    ] = None,
    phone: Annotated[
        bool,
        typer.Option(
            "--phone",
            help="Serve the bench to a phone's browser, by a QR code; ends with Ctrl-C.",
            rich_help_panel=PHONE,
        ),
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[:PORT]",
            help="Where to serve it.",
            show_default="this machine on its network",
            rich_help_panel=PHONE,
        ),
    ] = None,
    litert_js: Annotated[
        Path | None,
        typer.Option(
            "--litert-js",
            metavar="DIR",
            help="The folder @litertjs of a node_modules.",
            show_default="fetched from npm once",
            rich_help_panel=PHONE,
        ),
    ] = None,
    max_p90_ms: Annotated[float | None, typer.Option(help="90th percentile of latency.", rich_help_panel=GATES)] = None,
    max_size_mb: Annotated[float | None, typer.Option(help="File size, 10^6 bytes.", rich_help_panel=GATES)] = None,
    max_rss_mb: Annotated[float | None, typer.Option(help="Peak memory, 10^6 bytes.", rich_help_panel=GATES)] = None,
    max_drop: Annotated[float | None, typer.Option(help="Accuracy lost, points.", rich_help_panel=GATES)] = None,
    max_drop_upper: Annotated[
        float | None, typer.Option(help="What the images must rule out, points.", rich_help_panel=GATES)
    ] = None,
    min_agreement: Annotated[float | None, typer.Option(help="Fraction, 0 to 1.", rich_help_panel=GATES)] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Limits from a .toml file, or: default, low-end-phone, pi-zero-2, pi-3, pi-4, pi-5.",
            rich_help_panel=GATES,
        ),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write the gates as JUnit XML.", rich_help_panel=GATES)
    ] = None,
    seed: Seed = 0,
    json_file: JsonFile = None,
    _quiet: Quiet = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Measure .tflite files on this device: latency, memory, size, accuracy and parity. Needs no TensorFlow.

    Example: batikkit bench export/ --json pi5.json
    """
    from batikkit_benchmarks.budget import Limits
    from batikkit_benchmarks.host import read_host
    from batikkit_benchmarks.plan import (
        OF_A_FILE,
        OF_A_TABLE,
        OFFICIAL_PROCESSES,
        OFFICIAL_RUNS,
        OFFICIAL_SECONDS,
        Settings,
    )
    from batikkit_benchmarks.targets import select

    usable_cores = read_host().usable_cores
    counts = _threads(threads, usable_cores)
    limits = Limits(max_p90_ms, max_size_mb, max_rss_mb, max_drop, max_drop_upper, min_agreement=min_agreement)
    gates, least = budget_of(budget, limits), OF_A_TABLE if table else OF_A_FILE
    settings = Settings(
        runtimes=_runtimes(runtime),
        threads=counts,
        processes=processes if processes is not None else OFFICIAL_PROCESSES if official else 1,
        warmup=warmup,
        min_runs=OFFICIAL_RUNS if official else least.runs if min_samples is None else min_samples,
        min_seconds=OFFICIAL_SECONDS if official else least.seconds if min_seconds is None else min_seconds,
        seed=seed,
        cpus=_cpus(pin, max(counts)),
        data=str(data) if data else None,
        input_range=pair(input_range),
        logits=logits,
    )
    if table:
        refuse_with_table({"--phone": phone, "--dry-run": dry_run, "--data": data, "DIR": places})
        with table_of(table) as selection:
            measure(selection, settings, gates, json_file, junit)
        return
    selection = select(places or [], runs_dir=runs_dir)
    if phone:
        _serve(selection, settings, gates, json_file, address, litert_js)
    elif dry_run:
        _rehearse(selection, settings)
    else:
        measure(selection, settings, gates, json_file, junit)


def _runtimes(named: Sequence[str] | None) -> tuple[str, ...] | None:
    from batikkit.console import note
    from batikkit.errors import InputError
    from batikkit.tflite.interpreters import RUNTIMES, find_runtime

    if not named:
        return None
    if "all" not in named:
        return tuple(dict.fromkeys(find_runtime(name) for name in named))
    from batikkit_benchmarks.doctor import probe_runtimes

    found = probe_runtimes()
    for diagnosis in found:
        if diagnosis.problem is not None:
            note(f"without {diagnosis.runtime}: {diagnosis.problem}; {diagnosis.cure}")
    working = tuple(diagnosis.runtime for diagnosis in found if diagnosis.problem is None)
    if not working:
        raise InputError(f"none of {', '.join(RUNTIMES)} works here: see 'batikkit doctor'")
    return working


def _threads(wanted: str, usable_cores: int) -> tuple[int, ...]:
    if wanted == "sweep":
        return tuple(sorted({count for count in (1, 2, 4, 8, usable_cores) if count <= usable_cores}))
    return _numbers(wanted, "--threads", "sweep")


def _cpus(wanted: str | None, threads: int) -> tuple[int, ...]:
    from batikkit_benchmarks.host import check_cpus, fastest_cpus

    if wanted is None:
        return ()
    return fastest_cpus(threads) if wanted == "auto" else check_cpus(_numbers(wanted, "--pin", "auto"))


def _numbers(wanted: str, option: str, word: str) -> tuple[int, ...]:
    from batikkit.errors import InputError

    try:
        return tuple(dict.fromkeys(int(count) for count in wanted.split(",")))
    except ValueError:
        raise InputError(f"{option} {wanted!r}: write numbers such as 1,2, or {word}") from None


def budget_of(name: str | None, limits: Limits) -> Budget:
    """A named budget, or none, with limits of the command line in their place."""
    from batikkit_benchmarks.budget import Budget, merge, read_budget

    found = read_budget(name) if name else Budget()
    variants = {variant: merge(own, limits) for variant, own in found.variants.items()}
    return Budget(merge(found.everywhere, limits), variants)


def _rehearse(selection: Selection, settings: Settings) -> None:
    """Verifies, loads and runs each file once in a child process."""
    from batikkit.labels import motif_count
    from batikkit.tflite.probe import Prober
    from batikkit_benchmarks.host import read_host
    from batikkit_benchmarks.plan import plan
    from batikkit_benchmarks.tables import megabytes

    configurations = plan(selection, settings, read_host())
    for runtime in dict.fromkeys(wanted.runtime for wanted in configurations):
        with Prober(runtime=runtime, input_range=settings.input_range) as prober:
            for target in selection.targets:
                prober.probe(target.path)
                shape = "x".join(map(str, target.model.inputs[0].shape))
                pack = f"parity on {len(target.pack.labels)} images" if target.pack else "no parity pack: speed only"
                typer.echo(
                    f"{target.variant}: {megabytes(target.model.size_bytes)}, {target.model.inputs[0].dtype} {shape}, "
                    f"{motif_count(target.labels)} motifs, runs under {runtime}, {pack}"
                )
    for refused in selection.refused:
        typer.echo(f"cannot be run: {refused.reason}")
    fresh = "" if settings.processes == 1 else f" in each of {settings.processes} processes"
    typer.echo(
        f"would measure {len(configurations)} configuration(s), each {settings.min_runs} runs and "
        f"{settings.min_seconds:g} s at least{fresh}"
    )
    if selection.refused:
        raise typer.Exit(1)


def measure(
    selection: Selection, settings: Settings, budget: Budget, json_file: Path | None, junit: Path | None
) -> None:
    """Benches, keeps what was measured, shows it; the exit code is 1 where a gate or a file failed."""
    from batikkit.cli.answer import made
    from batikkit.console import note
    from batikkit.errors import InputError
    from batikkit.steps.bench import BenchedFiles, measured
    from batikkit_benchmarks.host import read_host
    from batikkit_benchmarks.record import Records, stamp

    host = read_host()
    records = Records.prepare(selection.run, host, json_file=json_file, junit=junit, created=stamp())
    report: BenchReport | None = None
    try:
        for latest in measured(selection, settings, budget, records=records, host=host):
            report = latest
    except KeyboardInterrupt:
        if report is not None:
            _show(report)
        done = len(report.results) if report else 0
        note(f"stopped: {done} finished result(s), {records.kept}")
        raise typer.Exit(130) from None
    assert report is not None
    _show(report)
    note(records.kept)
    if records.place:
        made(records.place)
    if records.problem:
        raise InputError(f"{records.problem}; the table above is all there is")
    if not BenchedFiles(report, records.place).passed:
        raise typer.Exit(1)


def _serve(
    selection: Selection,
    settings: Settings,
    budget: Budget,
    json_file: Path | None,
    address: str | None,
    litert_js: Path | None,
) -> None:
    """Until Ctrl-C; the exit code is 1 when a phone failed a gate."""
    from batikkit.assets.litert_js import obtain
    from batikkit.console import can_show, note
    from batikkit_benchmarks.phone import phone_server, qr_code
    from batikkit_benchmarks.phone_server import local_address
    from batikkit_benchmarks.phone_site import plan_for

    failed = False

    def shown(report: BenchReport, kept: str) -> None:
        nonlocal failed
        failed |= not all(gate.passed for gate in report.gates)
        _show(report)
        note(kept)

    plan = plan_for(
        selection.targets, min_runs=settings.min_runs, min_seconds=settings.min_seconds, warmup=settings.warmup
    )
    host, _, port = (address or local_address()).partition(":")
    server = phone_server(
        plan, obtain(litert_js, report=note), selection, budget=budget, json_file=json_file,
        address=(host, _port(port)), shown=shown,
    )  # fmt: skip
    code = qr_code(server.url)
    if can_show(code):
        note(code)
    typer.echo(server.url)
    note("open it on a phone in the same network; the app itself is under app/; Ctrl-C ends it")
    try:
        server.serve()
    except KeyboardInterrupt:
        raise typer.Exit(1 if failed else 0) from None


def _port(wanted: str) -> int:
    from batikkit.errors import InputError

    if not wanted.isdecimal() and wanted:
        raise InputError(f"--address with port {wanted!r}: write HOST or HOST:PORT")
    return int(wanted or 0)


def _show(report: BenchReport) -> None:
    from rich.console import Console

    from batikkit_benchmarks.tables import renderables

    console = Console()
    if not console.is_terminal:
        console.width = 150
    for part in renderables(report):
        console.print(part)
