"""`batikkit doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batikkit.cli.options import JsonFile
from batikkit.network.weight_file import at_hand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batikkit_benchmarks.doctor import Diagnosis
    from batikkit_benchmarks.host import Host


def doctor(
    model: Annotated[Path | None, typer.Argument(metavar="FILE", help="Also try this .tflite file.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Say which runtimes work on this machine, how to cure the others, and which pretrained weights are at hand.

    Example: batikkit doctor export/int8.tflite
    """
    from batikkit_benchmarks.doctor import probe_file, probe_runtimes
    from batikkit_benchmarks.host import read_host

    host = read_host()
    runtimes = probe_runtimes()
    working = [diagnosis.runtime for diagnosis in runtimes if diagnosis.problem is None]
    with_file = probe_file(model, working) if model else ()
    _show(host, runtimes, model, with_file)
    if json_file:
        import dataclasses

        from batikkit import atomic

        answer = {
            "schema_version": 1,
            "host": dataclasses.asdict(host),
            "weights": at_hand(),
            "runtimes": [dataclasses.asdict(diagnosis) for diagnosis in runtimes],
            "file": str(model) if model else None,
            "file_runtimes": [dataclasses.asdict(diagnosis) for diagnosis in with_file],
        }
        atomic.write_json(json_file, answer)
    if not working or (model and all(diagnosis.problem for diagnosis in with_file)):
        raise typer.Exit(1)


def _show(host: Host, runtimes: Sequence[Diagnosis], model: Path | None, with_file: Sequence[Diagnosis]) -> None:
    memory = f"{host.memory_bytes / 1e9:.1f} GB" if host.memory_bytes else "unknown"
    typer.echo(
        f"machine   {host.title}{f' ({host.soc})' if host.soc else ''}, {host.architecture}, {host.bits}-bit Python"
    )
    typer.echo(f"cores     {host.usable_cores} of {host.cores} usable, memory {memory}")
    typer.echo(f"system    {host.os}, {host.python}, NumPy {host.libraries.get('numpy', '?')}")
    for name, value in (("container", host.container), ("emulated", host.emulation), ("virtual", host.virtual_machine)):
        if value:
            typer.echo(f"{name:<9} {value}")
    for name, where in at_hand().items():
        typer.echo(f"weights   {name}: {where}")
    _list(runtimes)
    if model:
        typer.echo(f"\n{model}")
        _list(with_file)


def _list(found: Sequence[Diagnosis]) -> None:
    for diagnosis in found:
        name = f"{diagnosis.runtime} {diagnosis.version or ''}".strip()
        if diagnosis.problem is None:
            typer.secho(f"works     {name}", fg="green")
        else:
            typer.secho(f"fails     {name}: {diagnosis.problem}", fg="red")
            typer.echo(f"  cure    {diagnosis.cure}")
