"""`batikkit bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batikkit.cli.options import JsonFile, RunsDir, Seed

if TYPE_CHECKING:
    from batikkit_benchmarks.bench import Settings
    from batikkit_benchmarks.report import BenchReport
    from batikkit_benchmarks.targets import Selection


def bench(
    places: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUN|FOLDER|FILE]...", help="What to bench.", show_default="the newest run"),
    ] = None,
    runtime: Annotated[
        list[str] | None,
        typer.Option(help="A runtime, several times if you like, or 'all'.", show_default="the first that works"),
    ] = None,
    threads: Annotated[str, typer.Option(help="Thread counts, such as 1,2,4, or 'sweep'.")] = "1",
    min_seconds: Annotated[float, typer.Option(help="Measure each configuration at least this long.")] = 5.0,
    runs: Annotated[int, typer.Option(help="Measure at least this many runs of each.")] = 100,
    warmup: Annotated[int, typer.Option(help="Runs before the measured ones.")] = 10,
    official: Annotated[bool, typer.Option("--official", help="1024 runs and 60 s of each, as MLPerf does.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Verify, load and run each file once; measure nothing.")
    ] = False,
    seed: Seed = 0,
    json_file: JsonFile = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Measure .tflite files on this device: latency, memory, size, accuracy and parity. Needs no TensorFlow.

    Example: batikkit bench export/ --json pi5.json
    """
    from batikkit_benchmarks.bench import OFFICIAL_RUNS, OFFICIAL_SECONDS, Settings
    from batikkit_benchmarks.host import read_host
    from batikkit_benchmarks.targets import select

    host = read_host()
    settings = Settings(
        runtimes=_runtimes(runtime),
        threads=_threads(threads, host.usable_cores),
        warmup=warmup,
        seed=seed,
        min_runs=OFFICIAL_RUNS if official else runs,
        min_seconds=OFFICIAL_SECONDS if official else min_seconds,
    )
    selection = select(places or [], runs_dir=runs_dir)
    if dry_run:
        _rehearse(selection, settings)
    else:
        _measure(selection, settings, json_file)


def _runtimes(named: list[str] | None) -> tuple[str, ...] | None:
    from batikkit.interpreters import RUNTIMES, find_runtime, try_runtime

    if not named:
        return None
    if named == ["all"]:
        return tuple(name for name in RUNTIMES if try_runtime(name) is None)
    return tuple(find_runtime(name) for name in named)


def _threads(wanted: str, usable_cores: int) -> tuple[int, ...]:
    from batikkit.errors import InputError

    if wanted == "sweep":
        return tuple(sorted({count for count in (1, 2, 4, 8, usable_cores) if count <= usable_cores}))
    try:
        return tuple(int(count) for count in wanted.split(","))
    except ValueError:
        raise InputError(f"--threads {wanted!r}: write numbers such as 1,2,4, or sweep") from None


def _rehearse(selection: Selection, settings: Settings) -> None:
    """Verifies, loads and runs each file once in a child process."""
    from batikkit.probe import Prober
    from batikkit_benchmarks.bench import plan
    from batikkit_benchmarks.host import read_host
    from batikkit_benchmarks.tables import megabytes

    configurations = plan(selection, settings, read_host())
    for runtime in dict.fromkeys(wanted.runtime for wanted in configurations):
        with Prober(runtime=runtime) as prober:
            for target in selection.targets:
                prober.check(target.path)
                shape = "x".join(map(str, target.model.inputs[0].shape))
                pack = f"parity on {len(target.pack.labels)} images" if target.pack else "no parity pack: speed only"
                typer.echo(
                    f"{target.variant}: {megabytes(target.model.size_bytes)}, {target.model.inputs[0].dtype} {shape}, "
                    f"{len(target.labels)} motifs, runs under {runtime}, {pack}"
                )
    typer.echo(
        f"would measure {len(configurations)} configuration(s), each {settings.min_runs} runs and "
        f"{settings.min_seconds:g} s at least"
    )


def _measure(selection: Selection, settings: Settings, json_file: Path | None) -> None:
    from rich.console import Console

    from batikkit.console import note, progress
    from batikkit_benchmarks.bench import Configuration, run_bench
    from batikkit_benchmarks.report import write_report
    from batikkit_benchmarks.tables import renderables

    report: BenchReport | None = None
    files: list[Path] = []
    try:
        with progress("bench") as advance:

            def started(wanted: Configuration, number: int, total: int) -> None:
                note(f"[{number}/{total}] {wanted.name}")

            for report in run_bench(selection, settings, started=started, advance=advance):
                files = files or _report_files(selection, report, json_file)
                for file in files:
                    write_report(file, report)
    except KeyboardInterrupt:
        done = len(report.results) if report else 0
        note(f"stopped: {done} finished result(s) kept{' in ' + str(files[0]) if files else ''}")
        raise typer.Exit(130) from None
    if report is None:
        return
    console = Console(width=None if Console().is_terminal else 150)
    for part in renderables(report):
        console.print(part)
    for file in files:
        note(f"written: {file}")
    if report.failures or not all(gate.passed for gate in report.gates):
        raise typer.Exit(1)


def _report_files(selection: Selection, report: BenchReport, json_file: Path | None) -> list[Path]:
    """Where the report goes: the file asked for, and the run's own folder when a run was benched."""
    import re

    from batikkit.runs import BENCH_FOLDER

    files = [json_file] if json_file else []
    if selection.run:
        stamp = re.sub(r"[-:]", "", report.created)
        host = re.sub(r"[^A-Za-z0-9._-]+", "-", report.host.name)
        files.append(selection.run / BENCH_FOLDER / f"{host}-{stamp}.json")
    return files
