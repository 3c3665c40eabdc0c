"""`bench --phone`: waits for phones, and turns what each posts into a report of its own."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from batikkit.assets.litert_js import Files
from batikkit.errors import InputError
from batikkit_benchmarks.budget import Budget
from batikkit_benchmarks.phone_report import read_posted
from batikkit_benchmarks.phone_server import PhoneServer
from batikkit_benchmarks.phone_site import PhonePlan, Site
from batikkit_benchmarks.record import Records, stamp
from batikkit_benchmarks.report import BenchReport
from batikkit_benchmarks.targets import Selection

Shown = Callable[[BenchReport, str], None]
"""Called with each report and where it was kept."""


def phone_server(
    plan: PhonePlan,
    engine: Files,
    selection: Selection,
    *,
    budget: Budget,
    json_file: Path | None,
    address: tuple[str, int],
    shown: Shown,
) -> PhoneServer:
    """A server that keeps every phone's report: in the run, in `json_file`, or else in the current folder."""
    count = 0

    def received(body: bytes) -> None:
        nonlocal count
        report = read_posted(body, plan, source=selection.source, budget=budget)
        count += 1
        wanted = _numbered(json_file, count)
        if wanted is None and selection.run is None:
            wanted = _numbered(Path(f"phone-{stamp()}.json"), count)
        records = Records.prepare(selection.run, report.host, json_file=wanted, junit=None, created=stamp())
        records.write(report)
        shown(report, records.kept)
        if records.problem:
            raise InputError(records.problem)

    return PhoneServer(Site(plan, engine), received, address=address[0], port=address[1])


def _numbered(file: Path | None, count: int) -> Path | None:
    """The second phone's file does not replace the first one's."""
    return file if file is None or count == 1 else file.with_stem(f"{file.stem}-{count}")


def qr_code(text: str) -> str:
    """A QR code in block letters, for a dark terminal; on a light one it is inverted, which most phones read too."""
    import segno

    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out, compact=True, border=2)
    return out.getvalue()
