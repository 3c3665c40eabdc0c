"""The report page: one self-contained HTML file that shows several benches side by side and never averages them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from batikkit.svg import marker
from batikkit.web_page import Html, html_table, web_page
from batikkit_benchmarks.collection import unlike_files
from batikkit_benchmarks.conditions import Snapshot, name_flags
from batikkit_benchmarks.facts import host_facts
from batikkit_benchmarks.page_parity import parity_section, variant_cell
from batikkit_benchmarks.plots import colour_class, front, latency_plot, pareto_plot
from batikkit_benchmarks.report import BenchReport, Gate, Result
from batikkit_benchmarks.tables import (
    cautions,
    drop,
    failure_text,
    image_count,
    interval,
    median,
    megabytes,
    memory,
    notes,
    percent,
    what_ran,
)
from batikkit_benchmarks.validity import RULES

WARNING = Html('<div class="warn">{}</div>')
CARD = Html('<div class="card">{}</div>')
SOFT = Html('<p class="soft">{}</p>')


def to_html(reports: Sequence[BenchReport], *, title: str) -> str:
    """The whole page.

    Args:
        reports: At least one; each keeps its own section, since unlike hosts cannot be averaged.
        title: What was benched.
    """
    variants = list(dict.fromkeys(result.variant for report in reports for result in report.results))
    unlike = [WARNING.format(sentence) for sentence in unlike_files(reports)]
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


def _heading(reports: Sequence[BenchReport], title: str) -> Html:
    hosts = list(dict.fromkeys(report.host.title for report in reports))
    return Html("<h1>{}</h1>\n{}").format(title, SOFT.format(f"Measured on {', '.join(hosts)} · batikkit bench"))


def _overview(reports: Sequence[BenchReport], variants: Sequence[str]) -> list[Html]:
    evaluated = [report for report in reports if any(result.parity for result in report.results)]
    cards = Html("").join(_card(caption, figure, note) for caption, figure, note in _highlights(reports))
    parts = [Html('<div class="cards">{}</div>').format(cards)]
    if evaluated:
        parts += [
            Html("<h2>Accuracy against latency and size</h2>"),
            SOFT.format(
                "Better is up and to the left. Filled markers are on the front of their own host: nothing else "
                "measured there is as fast, as small and as accurate. Latencies tie where the medians of their "
                "processes overlap. Whiskers are 95 % intervals."
            ),
            CARD.format(
                Html("{}<figure>{}</figure>").format(
                    _legend(evaluated, variants), Html(pareto_plot(evaluated, variants))
                )
            ),
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
    evaluated = [(report, result) for report, result in results if result.parity]
    if evaluated:
        report, best = max(evaluated, key=lambda pair: pair[1].parity.top1 if pair[1].parity else 0.0)
        assert best.parity is not None
        yield "most accurate", percent(best.parity.top1), f"{best.name}, {image_count(best.parity)}"
    gates = [gate for report in reports for gate in report.gates]
    if gates:
        passed = sum(gate.passed for gate in gates)
        yield "gates passed", f"{passed} of {len(gates)}", "all" if passed == len(gates) else "see below"


def _card(caption: str, figure: str, note: str) -> Html:
    inside = Html('<div class="soft">{}</div><div class="big">{}</div><div class="soft">{}</div>')
    return CARD.format(inside.format(caption, figure, note))


def _legend(reports: Sequence[BenchReport], variants: Sequence[str]) -> Html:
    colour = Html('<span><span class="dot {}"></span>{}</span>')
    shape = Html('<span><svg viewBox="0 0 16 16">{}</svg>{}</span>')
    entries = [colour.format(colour_class(variant, variants), variant) for variant in variants]
    if len(reports) > 1:
        for number, report in enumerate(reports):
            drawn = Html(marker(number, 8.0, 8.0, 5.5, class_="neutral"))
            entries.append(shape.format(drawn, report_name(report)))
    return Html('<div class="legend">{}</div>').format(Html("").join(entries))


def _section(report: BenchReport, number: int, variants: Sequence[str]) -> list[Html]:
    parts = [Html('<h2 id="bench-{}">{}</h2>').format(number, report_name(report))]
    parts.append(SOFT.format(", ".join(_facts_line(report))))
    if not report.complete:
        parts.append(WARNING.format("This bench was stopped before its end: not everything asked for was measured."))
    parts += [WARNING.format(line) for line in cautions(report)]
    if report.results:
        parts.append(CARD.format(_result_table(report, variants)))
        parts.append(_doubts(report))
        plot = Html("<figure>{}<figcaption>{}</figcaption></figure>").format(
            Html(latency_plot(report, variants)),
            "Thickness: how many runs took that long. Long mark p50, middle p90, short p99; figures are p50 / p90.",
        )
        parts.append(Html("<h3>Latency distribution</h3>{}").format(CARD.format(plot)))
        parts.append(_steps(report, variants))
        parts.append(_what_ran(report))
    parts += [WARNING.format(f"Failed: {failure_text(failure)}") for failure in report.failures]
    if report.gates:
        parts.append(_gates(report))
    return parts + parity_section(report.results, variants)


def _facts_line(report: BenchReport) -> list[str]:
    host, settings = report.host, report.settings
    runtimes = dict.fromkeys(f"{result.runtime} {result.runtime_version}" for result in report.results)
    facts = [host.cpu or host.architecture, host.os, *runtimes]
    if "min_runs" in settings and "min_seconds" in settings:
        facts.append(f"at least {settings['min_runs']} runs and {settings['min_seconds']} s in each process")
    return [fact for fact in facts if fact]


HEADINGS = (
    "variant", "runtime", "threads", "size", "p50 ms", "p90 ms", "p99 ms", "memory", "top-1 (95 %)",
    "drop, points (95 %)", "agreement",
)  # fmt: skip


def _result_table(report: BenchReport, variants: Sequence[str]) -> Html:
    best = front(report.results)
    rows = [_result_row(result, colour_class(result.variant, variants), result in best) for result in report.results]
    note = "◆ on this host's front · memory is the peak above the runtime's own · (!) latency not valid"
    spread = " · p50 (fastest-slowest process)" if any(len(r.process_p50_ms) > 1 for r in report.results) else ""
    return Html("{}{}").format(html_table(HEADINGS, rows), SOFT.format(note + spread))


def _result_row(result: Result, colour: str, on_front: bool) -> list[str]:
    latency, parity = result.latency_ms, result.parity
    measured = [
        Html("{}{}{}").format(
            variant_cell(result, colour),
            " ◆" if on_front else "",
            "" if result.valid else Html(' <span class="bad">(!)</span>'),
        ),
        result.runtime,
        str(result.threads),
        megabytes(result.size_bytes),
        Html("<b>{}</b>").format(median(result)),
        f"{latency.p90:.2f}",
        f"{latency.p99:.2f}",
        memory(result),
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


def _steps(report: BenchReport, variants: Sequence[str]) -> Html:
    rows = [
        [
            variant_cell(result, colour_class(result.variant, variants)),
            f"{result.runtime} {result.runtime_version}",
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
    return DETAILS.format("Steps of one image", CARD.format(html_table(STEPS, rows)))


DETAILS = Html("<details><summary>{}</summary>{}</details>")


def _what_ran(report: BenchReport) -> Html:
    """Which operators a delegate took here, and would take on a phone."""
    lines = what_ran(report, whole=True)
    items = Html("").join(Html("<li>{}</li>").format(line) for line in lines)
    return DETAILS.format("What ran where", CARD.format(Html("<ul>{}</ul>").format(items))) if lines else Html("")


def _doubts(report: BenchReport) -> Html:
    """Doubtful latencies, then what is to be known of all of them, as one box."""
    lines = notes(report)
    return WARNING.format(Html("<br>").join(lines)) if lines else Html("")


def _gates(report: BenchReport) -> Html:
    """One row per configuration, one column per limit."""
    names = list(dict.fromkeys(gate.name for gate in report.gates))
    held = {(gate.configuration, gate.name): gate for gate in report.gates}
    rows = [
        [configuration, *(_gate_cell(held.get((configuration, name))) for name in names)]
        for configuration in dict.fromkeys(gate.configuration for gate in report.gates)
    ]
    return Html("<h3>Gates</h3>{}").format(CARD.format(html_table(("configuration", *names), rows)))


PASS, FAIL = Html('<span class="good">{} ✓</span>'), Html('<span class="bad">{} FAIL</span>')


def _gate_cell(gate: Gate | None) -> str:
    if gate is None:
        return "-"
    value = "not measured" if gate.value is None else f"{gate.value:.4g}"
    verdict = (PASS if gate.passed else FAIL).format(value)
    limit = f"{'≥' if gate.name.startswith('min') else '≤'} {gate.limit:g}"
    reason = Html('<br><span class="soft">{}</span>').format(gate.reason) if gate.reason else ""
    return Html('{} <span class="soft">{}</span>{}').format(verdict, limit, reason)


def _hosts(reports: Sequence[BenchReport]) -> Html:
    columns = [{**host_facts(report.host), **_climate(report)} for report in reports]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [[name, *(column.get(name, "-") for column in columns)] for name in names]
    headings = ("", *(report_name(report) for report in reports))
    return Html("<h2>Hosts</h2>{}").format(CARD.format(html_table(headings, rows, text=True)))


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


def _method(reports: Sequence[BenchReport]) -> Html:
    template = Html(
        "<h2>How this was measured</h2><ul>"
        "<li>Every file, runtime and thread count in a fresh process, in shuffled order, "
        "after {warmup} warm-up runs; the processes of one configuration lie apart.</li>"
        "<li>Latency is the network alone, batch 1, on real images unless said otherwise; pre is writing the pixels "
        "into the input, post reading and dequantizing the output.</li>"
        "<li>A latency is {rules}.</li>"
        "<li>Drop: accuracy lost against the reference on the very same images, with Tango's score interval; "
        "McNemar's exact test asks whether it could be chance.</li>"
        "<li>Where images depend on each other (copies, or one cloth), intervals and tests count their groups.</li>"
        "<li>Hosts are shown side by side and never averaged.</li></ul>"
    )
    return template.format(warmup=reports[0].settings.get("warmup", 10), rules=RULES)
