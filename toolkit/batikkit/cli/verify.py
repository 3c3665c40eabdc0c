"""`batikkit verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batikkit.cli.options import JsonFile
from batikkit.errors import InputError

if TYPE_CHECKING:
    from batikkit.assets.explain import Explanation, Verdict


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder written by 'batikkit assets'.")],
    scores: Annotated[
        Path | None,
        typer.Option("--explain", metavar="SCORES.json", help="Scores of a phone; names the mistake behind them."),
    ] = None,
    android: Annotated[
        Path | None,
        typer.Option(metavar="APP", help="An .apk, .aab or Gradle project: lists what a release is refused for."),
    ] = None,
    runtime: Annotated[str | None, typer.Option(help="A runtime.", show_default="the first that works")] = None,
    json_file: JsonFile = None,
) -> None:
    """Check a folder of assets on this machine, or explain a phone's scores. Exit code 1 when something differs.

    Example: batikkit verify android_demo_assets --explain scores.json
    """
    if scores is not None and android is not None:
        raise InputError("--explain and --android answer two questions: give one at a time")
    if scores is not None:
        _explain(folder, scores, runtime, json_file)
        return
    if android is not None:
        _check_app(folder, android, json_file)
        return
    import dataclasses

    from batikkit import atomic
    from batikkit.assets.verify import verify_folder

    passed = []
    for done in verify_folder(folder, runtime=runtime):
        difference = "" if done.largest_difference is None else f", largest difference {done.largest_difference:.2g}"
        typer.echo(f"ok  {done.what}{difference}")
        passed.append(dataclasses.asdict(done))
    if json_file:
        atomic.write_json(json_file, {"schema_version": 1, "folder": str(folder), "passed": passed})


def _check_app(folder: Path, app: Path, json_file: Path | None) -> None:
    import dataclasses

    from batikkit import atomic
    from batikkit.assets.android import check_android
    from batikkit.assets.manifest import read_assets_manifest
    from batikkit.assets.pins import CHECKED

    findings = check_android(app, read_assets_manifest(folder))
    refused = [finding for finding in findings if finding.problem]
    for finding in findings:
        typer.echo(f"refused  {finding.what} {finding.problem}" if finding.problem else f"ok  {finding.what}")
    typer.echo(f"{len(refused)} of {len(findings)} would be refused, by the rules and versions of {CHECKED}")
    if json_file:
        found = [dataclasses.asdict(finding) for finding in findings]
        atomic.write_json(json_file, {"schema_version": 1, "app": str(app), "checked": CHECKED, "findings": found})
    if refused:
        raise typer.Exit(1)


def _explain(folder: Path, scores: Path, runtime: str | None, json_file: Path | None) -> None:
    from batikkit import atomic
    from batikkit.assets.explain import explain, read_observations
    from batikkit.assets.golden import EXPECTED_FILE, GOLDEN_FOLDER, read_expected
    from batikkit.assets.manifest import read_assets_manifest
    from batikkit.assets.verify import open_variant

    manifest = read_assets_manifest(folder)
    images = [vector.file for vector in read_expected(folder / GOLDEN_FOLDER / EXPECTED_FILE)]
    observations = read_observations(scores, manifest, images)
    verdict = explain(
        folder, manifest, observations, lambda name: open_variant(folder, manifest, name, runtime=runtime)
    )  # fmt: skip
    _print_verdict(verdict)
    if json_file:
        ranking = [_plain(explanation) for explanation in verdict.ranking]
        answer = {"explained": verdict.explained, "scale": verdict.scale and verdict.scale.name, "ranking": ranking}
        atomic.write_json(json_file, {"schema_version": 1, **answer})
    if not verdict.right:
        raise typer.Exit(1)


def _plain(explanation: Explanation) -> dict[str, object]:
    return {
        "fault": explanation.name,
        "resizes": list(explanation.resizes),
        "distance": explanation.distance,
        "largest_difference": explanation.largest_difference,
        "within_tolerance": explanation.within,
    }


def _print_verdict(verdict: Verdict) -> None:
    best = verdict.best
    if verdict.scale:
        typer.echo(f"{verdict.scale.name}: the app {verdict.scale.what}\ncure: {verdict.scale.cure}")
    beside = "beside that, " if verdict.scale else ""
    if not verdict.explained:
        nearest = "feeds the model correctly" if best.fault is None else best.fault.what
        typer.echo(f"{beside}no single known mistake explains these scores; those of an app that {nearest} are nearest")
    elif best.fault is None:
        typer.echo(f"{beside or 'none: '}the app feeds the model correctly (resize: {' or '.join(best.resizes)})")
    else:
        typer.echo(f"{best.name}: {beside}the app {best.fault.what}\ncure: {best.fault.cure}")
    typer.echo(f"distance {best.distance:.4f}, largest difference of a score {best.largest_difference:.4f}")
    if verdict.rivals:
        names = ", ".join(rival.name for rival in verdict.rivals)
        typer.echo(f"not told apart from it by these images: {names}; add the scores of other golden images")
    for other in [e for e in verdict.ranking if e is not best][:3]:
        typer.echo(f"  next best: {other.name}, distance {other.distance:.4f}")
