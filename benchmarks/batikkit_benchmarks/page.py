"""The report page: one self-contained HTML file that shows several benches side by side and never averages them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from batikkit.svg import marker
from batikkit.web_page import html_table, web_page
from batikkit_benchmarks.collection import unlike_files
from batikkit_benchmarks.conditions import Snapshot, name_flags
from batikkit_benchmarks.facts import host_facts
from batikkit_benchmarks.page_parity import parity_section, variant_cell
from batikkit_benchmarks.plots import colour_class, front, latency_plot, pareto_plot
from batikkit_benchmarks.report import BenchReport, Gate, Result
from batikkit_benchmarks.tables import cautions, drop, image_count, interval, megabytes, percent
from batikkit_benchmarks.validity import RULES


def to_html(reports: Sequence[BenchReport], *, title: str) -> str:
    """The whole page.

    Args:
        reports: At least one; each keeps its own section, since unlike hosts cannot be averaged.
        title: What was benched.
    """
    variants = list(dict.fromkeys(result.variant for report in reports for result in report.results))
    unlike = [f'<div class="warn">{escape(sentence)}</div>' for sentence in unlike_files(reports)]
    body = [_heading(reports, title), *unlike, *_overview(reports, variants)]
    for number, report in enumerate(reports):
        body += _section(report, number, variants)
    body += [_hosts(reports), _method(reports)]
    return web_page(f"{title}: bench report", body)


def report_name(report: BenchReport) -> str:
    """A bench's host and time: what distinguishes it on the page."""
    runtimes = dict.fromkeys(result.runtime for result in report.results)
    created = report.created.replace("T", " ").replace("Z", " UTC")
    return " · ".join((report.host.title, *([next(iter(runtimes))] if len(runtimes) == 1 else []), created))


def _heading(reports: Sequence[BenchReport], title: str) -> str:
    hosts = list(dict.fromkeys(report.host.title for report in reports))
    return f'<h1>{escape(title)}</h1>\n<p class="soft">Measured on {escape(", ".join(hosts))} · batikkit bench</p>'


def _overview(reports: Sequence[BenchReport], variants: Sequence[str]) -> list[str]:
    judged = [report for report in reports if any(result.parity for result in report.results)]
    cards = "".join(_card(caption, figure, note) for caption, figure, note in _highlights(reports))
    parts = [f'<div class="cards">{cards}</div>']
    if judged:
        parts += [
            "<h2>Accuracy against latency and size</h2>",
            '<p class="soft">Better is up and to the left. Filled markers are on the front of their own host: nothing '
            "else measured there is as fast, as small and as accurate. Whiskers are 95 % intervals.</p>",
            f'<div class="card">{_legend(judged, variants)}<figure>{pareto_plot(judged, variants)}</figure></div>',
        ]
    return parts


def _highlights(reports: Sequence[BenchReport]) -> Iterable[tuple[str, str, str]]:
    results = [(report, result) for report in reports for result in report.results]
    valid = [(report, result) for report, result in results if result.valid] or results
    if not valid:
        return
    report, fastest = min(valid, key=lambda pair: pair[1].latency_ms.p50)
    doubt = "" if fastest.valid else " (!) not valid"
    yield "fastest, p50", f"{fastest.latency_ms.p50:.2f} ms", f"{fastest.name}, {report.host.title}{doubt}"
    _, smallest = min(results, key=lambda pair: pair[1].size_bytes)
    yield "smallest file", megabytes(smallest.size_bytes), smallest.variant
    judged = [(report, result) for report, result in results if result.parity]
    if judged:
        report, best = max(judged, key=lambda pair: pair[1].parity.top1 if pair[1].parity else 0.0)
        assert best.parity is not None
        yield "most accurate", percent(best.parity.top1), f"{best.name}, {image_count(best.parity)}"
    gates = [gate for report in reports for gate in report.gates]
    if gates:
        passed = sum(gate.passed for gate in gates)
        yield "gates passed", f"{passed} of {len(gates)}", "all" if passed == len(gates) else "see below"


def _card(caption: str, figure: str, note: str) -> str:
    return (
        f'<div class="card"><div class="soft">{escape(caption)}</div><div class="big">{escape(figure)}</div>'
        f'<div class="soft">{escape(note)}</div></div>'
    )


def _legend(reports: Sequence[BenchReport], variants: Sequence[str]) -> str:
    colours = [f'<span><span class="dot {colour_class(v, variants)}"></span>{escape(v)}</span>' for v in variants]
    shapes = [
        f'<span><svg viewBox="0 0 16 16">{marker(number, 8.0, 8.0, 5.5, class_="neutral")}</svg>'
        f"{escape(report_name(report))}</span>"
        for number, report in enumerate(reports)
    ]
    return f'<div class="legend">{"".join(colours)}{"".join(shapes) if len(shapes) > 1 else ""}</div>'


def _section(report: BenchReport, number: int, variants: Sequence[str]) -> list[str]:
    parts = [f'<h2 id="bench-{number}">{escape(report_name(report))}</h2>']
    parts.append(f'<p class="soft">{escape(", ".join(_facts_line(report)))}</p>')
    if not report.complete:
        parts.append(
            '<div class="warn">This bench was stopped before its end: not everything asked for was measured.</div>'
        )
    parts += [f'<div class="warn">{escape(line)}</div>' for line in cautions(report)]
    if report.results:
        parts.append(f'<div class="card">{_result_table(report, variants)}</div>')
        parts.append(_doubts(report))
        parts.append(
            f'<h3>Latency distribution</h3><div class="card"><figure>{latency_plot(report, variants)}<figcaption>'
            "Thickness: how many runs took that long. Long mark p50, middle p90, short p99; figures are p50 / p90."
            "</figcaption></figure></div>"
        )
        parts.append(_steps(report, variants))
    parts += [
        f'<div class="warn">Failed: {escape(f"{f.variant} · {f.runtime}: {f.reason}")}</div>' for f in report.failures
    ]
    if report.gates:
        parts.append(_gates(report))
    return parts + parity_section(report.results, variants)


def _facts_line(report: BenchReport) -> list[str]:
    host, settings = report.host, report.settings
    runtimes = dict.fromkeys(f"{result.runtime} {result.runtime_version}" for result in report.results)
    facts = [host.cpu or host.architecture, host.os, *runtimes]
    if "min_runs" in settings and "min_seconds" in settings:
        facts.append(f"at least {settings['min_runs']} runs and {settings['min_seconds']:g} s each")
    return [fact for fact in facts if fact]


HEADINGS = (
    "variant", "runtime", "threads", "size", "p50 ms", "p90 ms", "p99 ms", "memory", "top-1 (95 %)",
    "drop, points (95 %)", "agreement",
)  # fmt: skip


def _result_table(report: BenchReport, variants: Sequence[str]) -> str:
    best = front(report.results)
    rows = [_result_row(result, colour_class(result.variant, variants), result in best) for result in report.results]
    note = "◆ on this host's front · memory is the peak above the runtime's own · (!) latency not valid"
    return html_table(HEADINGS, rows) + f'<p class="soft">{note}</p>'


def _result_row(result: Result, colour: str, on_front: bool) -> list[str]:
    latency, parity = result.latency_ms, result.parity
    measured = [
        variant_cell(result, colour)
        + (" ◆" if on_front else "")
        + ("" if result.valid else ' <span class="bad">(!)</span>'),
        escape(result.runtime),
        str(result.threads),
        megabytes(result.size_bytes),
        f"<b>{latency.p50:.2f}</b>",
        f"{latency.p90:.2f}",
        f"{latency.p99:.2f}",
        megabytes(result.peak_rss_bytes),
    ]
    if parity is None:
        return [*measured, "-", "-", "-"]
    return [*measured, interval(parity), drop(parity), percent(parity.agreement)]


STEPS = (
    "variant",
    "runtime",
    "threads",
    "load",
    "first run",
    "pre",
    "network, p50",
    "post",
    "runs",
    "in line for a CPU",
    "runtime's memory",
)


def _steps(report: BenchReport, variants: Sequence[str]) -> str:
    rows = [
        [
            variant_cell(result, colour_class(result.variant, variants)),
            f"{escape(result.runtime)} {escape(result.runtime_version)}",
            str(result.threads),
            f"{result.init_ms:.1f} ms",
            f"{result.first_ms:.1f} ms",
            f"{result.pre_ms:.3f} ms",
            f"{result.latency_ms.p50:.3f} ms",
            f"{result.post_ms:.3f} ms",
            str(len(result.latency_ms.samples)),
            percent(result.cpu_wait_share),
            megabytes(result.baseline_rss_bytes),
        ]
        for result in report.results
    ]
    return f'<details><summary>Steps of one image</summary><div class="card">{html_table(STEPS, rows)}</div></details>'


def _doubts(report: BenchReport) -> str:
    """Doubtful latencies, then what is to be known of all of them, as one box."""
    doubtful = [f"(!) {result.name}: {result.notes[0]}" for result in report.results if not result.valid]
    shown = {result.notes[0] for result in report.results if not result.valid}
    common = set.intersection(*(set(result.notes) for result in report.results)) - shown
    lines = [*doubtful, *([f"Note: {'; '.join(sorted(common))}"] if common else [])]
    return f'<div class="warn">{"<br>".join(map(escape, lines))}</div>' if lines else ""


def _gates(report: BenchReport) -> str:
    """One row per configuration, one column per limit."""
    names = list(dict.fromkeys(gate.name for gate in report.gates))
    held = {(gate.configuration, gate.name): gate for gate in report.gates}
    rows = [
        [escape(configuration), *(_gate_cell(held.get((configuration, name))) for name in names)]
        for configuration in dict.fromkeys(gate.configuration for gate in report.gates)
    ]
    return f'<h3>Gates</h3><div class="card">{html_table(("configuration", *names), rows)}</div>'


def _gate_cell(gate: Gate | None) -> str:
    if gate is None:
        return "-"
    value = "not measured" if gate.value is None else f"{gate.value:.4g}"
    verdict = f'<span class="good">{value} ✓</span>' if gate.passed else f'<span class="bad">{value} FAIL</span>'
    limit = f'<span class="soft">{"≥" if gate.name.startswith("min") else "≤"} {gate.limit:g}</span>'
    return f"{verdict} {limit}" + (f'<br><span class="soft">{escape(gate.reason)}</span>' if gate.reason else "")


def _hosts(reports: Sequence[BenchReport]) -> str:
    columns = [{**host_facts(report.host), **_climate(report)} for report in reports]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [[escape(name), *(escape(column.get(name, "-")) for column in columns)] for name in names]
    headings = ("", *(report_name(report) for report in reports))
    return f'<h2>Hosts</h2><div class="card">{html_table(headings, rows, text=True)}</div>'


def _climate(report: BenchReport) -> dict[str, str]:
    """What the machine went through over the whole bench."""
    seen = [result.conditions for result in report.results]
    facts = {}
    peaks = [c.peak_temperature_c for c in seen if c.peak_temperature_c is not None]
    if peaks and seen[0].before.temperature_c is not None:
        facts["temperature"] = f"{min(_temperatures([c.before for c in seen])):.0f} °C before, peak {max(peaks):.0f} °C"
    slowest = [c.lowest_frequency_mhz for c in seen if c.lowest_frequency_mhz is not None]
    if slowest:
        facts["lowest frequency"] = f"{min(slowest)} MHz under load"
    flags = [c.throttle_flags_seen for c in seen if c.throttle_flags_seen is not None]
    if flags:
        facts["throttling"] = name_flags(max(flags)) or "none"
    return facts


def _temperatures(snapshots: Iterable[Snapshot]) -> list[float]:
    return [s.temperature_c for s in snapshots if s.temperature_c is not None]


def _method(reports: Sequence[BenchReport]) -> str:
    warmup = reports[0].settings.get("warmup", 10)
    return (
        "<h2>How this was measured</h2><ul>"
        "<li>Every file, runtime and thread count in a fresh process, in shuffled order, "
        f"after {warmup} warm-up runs.</li>"
        "<li>Latency is the network alone, batch 1, on real images unless said otherwise; pre is writing the pixels "
        "into the input, post reading and dequantizing the output.</li>"
        f"<li>A latency is {escape(RULES)}.</li>"
        "<li>Drop: accuracy lost against the reference on the very same images, with Tango's score interval; "
        "McNemar's exact test asks whether it could be chance.</li>"
        "<li>Where images depend on each other (copies, or one cloth), intervals and tests count their groups.</li>"
        "<li>Hosts are shown side by side and never averaged.</li></ul>"
    )
