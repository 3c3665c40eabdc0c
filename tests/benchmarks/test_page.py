from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import boards
import numpy as np
import pytest
from sample_report import make_report, make_result

from batikkit.cli import main
from batikkit.errors import InputError
from batikkit_benchmarks.collection import collect, unlike_files
from batikkit_benchmarks.conditions import Conditions, Snapshot
from batikkit_benchmarks.delegates import Prediction
from batikkit_benchmarks.delegation import Delegation
from batikkit_benchmarks.host import Host, read_host
from batikkit_benchmarks.junit import to_junit
from batikkit_benchmarks.markdown import to_markdown
from batikkit_benchmarks.page import to_html
from batikkit_benchmarks.plots import front, latency_plot
from batikkit_benchmarks.report import (
    BenchReport,
    Failure,
    Flip,
    Gate,
    Latency,
    MotifDrop,
    Parity,
    Result,
    read_report,
    to_json,
    write_report,
)
from batikkit_benchmarks.tables import footnotes, median
from run_folders import write_run
from web_pages import assert_whole, screenshot

RAN = Delegation("XNNPACK", 28, 26, {"QUANTIZE": 1, "SOFTMAX": 1}, 1)
RECORDS = (BenchReport, Conditions, Delegation, Failure, Flip, Gate, Host, Latency, MotifDrop, Parity, Prediction,
           Result, Snapshot)  # fmt: skip


def two_boards(tmp_path: Path) -> tuple[BenchReport, BenchReport]:
    """Made-up figures on two boards' recorded facts."""
    rng = np.random.default_rng(3)
    reports = []
    for name, tree, speed in (("pi4", boards.PI_4_THROTTLED, 60.0), ("pi5", boards.PI_5, 18.0)):
        host = read_host(boards.lay_out(tmp_path / name, tree), architecture="aarch64")
        results = [
            make_result(
                variant=variant,
                threads=threads,
                size_bytes=size,
                valid=name == "pi5",
                latency_ms=Latency(tuple(speed / threads**0.6 * factor * rng.gamma(400, 1 / 400, 200))),
            )
            for variant, size, factor in (("float32", 8_900_000, 1.0), ("int8", 2_670_000, 0.5))
            for threads in (1, 4)
        ]
        reports.append(make_report(*results, host=host))
    return reports[0], reports[1]


def test_the_page_is_whole_and_fetches_nothing(tmp_path: Path) -> None:
    page = to_html(two_boards(tmp_path), title="batik")
    assert_whole(page)


def test_hosts_stand_side_by_side_and_nothing_is_averaged(tmp_path: Path) -> None:
    reports = two_boards(tmp_path)
    page = to_html(reports, title="batik")
    for report in reports:
        assert page.count(f'<h2 id="bench-{reports.index(report)}">{report.host.title}') == 1
        for result in report.results:
            assert f"<b>{result.latency_ms.p50:.2f}</b>" in page
    assert "brcm,bcm2711" in page
    assert "brcm,bcm2712" in page


def test_two_boards_of_one_name_do_not_hide_each_other(tmp_path: Path) -> None:
    """Every Raspberry Pi is called raspberrypi until somebody renames it."""
    run = tmp_path / "board"
    serials = ("10000000a1b2c3d4", "10000000a1b2c3d5", "10000000a1b2c3d4")
    for day, serial in enumerate(serials, start=1):
        tree = {**boards.PI_5, "proc/sys/kernel/hostname": "raspberrypi\n", "proc/device-tree/serial-number": serial}
        host = read_host(boards.lay_out(tmp_path / f"tree{day}", tree), architecture="aarch64")
        assert serial not in str(host)
        write_report(
            run / "bench" / f"raspberrypi-2026010{day}T000000Z.json",
            make_report(created=f"2026-01-0{day}T00:00:00Z", host=host),
        )
    found = collect([run], runs_dir=tmp_path)  # a board that holds no run.json
    assert sorted(report.created[:10] for report in found.reports) == ["2026-01-02", "2026-01-03"]
    assert len({report.host.machine for report in found.reports}) == 2
    assert [file.name for file in found.omitted] == ["raspberrypi-20260101T000000Z.json"]


POISON = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


def poisoned(value: object) -> object:
    """Every text of a report, keys of its tables included, as an attacker would write it."""
    if isinstance(value, str):
        return POISON + value
    if isinstance(value, dict):
        return {(key if key in FIELDS else POISON + str(key)): poisoned(entry) for key, entry in value.items()}
    return [poisoned(entry) for entry in value] if isinstance(value, list) else value


FIELDS: set[str] = set()


def test_no_text_of_a_report_becomes_markup(tmp_path: Path) -> None:
    """Reports come from other people's boards; even their settings may say anything."""
    raw = to_json(make_report(make_result(predictions={"GPU": Prediction(3, {"MEAN: no": 1}, 2)}, delegation=RAN)))
    FIELDS.update(f.name for kind in RECORDS for f in dataclasses.fields(kind))
    raw["settings"] = {"warmup": 10, "min_runs": 100, "min_seconds": 5.0}
    poison = poisoned(raw)
    poison["settings"] = dict.fromkeys(raw["settings"], POISON)  # type: ignore[index]
    (tmp_path / "r.json").write_text(json.dumps(poison))
    report = read_report(tmp_path / "r.json")
    page = to_html([report], title=POISON)
    assert "alert(1)" in page
    assert "<script" not in page
    assert "<img" not in page
    assert_whole(page)


def test_a_tie_keeps_nobody_off_the_front() -> None:
    """Two medians that the next process may turn round are equals; a clear lead is one."""

    def timed(*medians: float, size_bytes: int = 100) -> Result:
        samples = tuple(value for median in medians for value in (median,) * 10)
        return make_result(
            latency_ms=Latency(samples), process_runs=(10,) * len(medians), valid=True, size_bytes=size_bytes
        )

    quick, alike, slow = timed(10.0, 10.4, 10.2), timed(10.3, 10.6, 10.5), timed(11.0, 11.2, 11.1)
    assert front([quick, alike, slow]) == (quick, alike)
    assert front([timed(10.2), timed(10.5)]) == (timed(10.2),)  # one process has no spread to tie by
    smaller = timed(10.3, 10.6, 10.5, size_bytes=90)
    assert front([quick, smaller]) == (smaller,)  # as fast as far as is known, and smaller
    assert median(quick) == "10.20 (10.00-10.40)"
    assert median(timed(10.2)) == "10.20"


def test_a_name_that_means_two_files_is_told(tmp_path: Path) -> None:
    pi4, pi5 = two_boards(tmp_path)
    assert unlike_files([pi4, pi5]) == ()
    other = tuple(dataclasses.replace(result, sha256="cd" * 32) for result in pi5.results)
    unlike = [pi4, dataclasses.replace(pi5, results=other)]
    expected = (
        "int8 is not one file: abababab on Raspberry Pi 4 Model B Rev 1.4, cdcdcdcd on Raspberry Pi 5 Model B Rev 1.0"
    )
    assert expected in unlike_files(unlike)[1]
    assert expected in to_html(unlike, title="t")
    assert expected in to_markdown(unlike, title="t")


def test_names_cannot_inject_markup() -> None:
    parity = make_result().parity
    assert parity is not None
    evil = '<script>alert("x")</script>'
    flips = (dataclasses.replace(parity.flipped[0], image=evil, answer=evil),)
    result = make_result(variant=evil, parity=dataclasses.replace(parity, flipped=flips, source=evil), notes=(evil,))
    page = to_html([make_report(result)], title=evil)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_reports_without_accuracy_or_without_results_still_give_a_page() -> None:
    speed_only = make_report(make_result(parity=None))
    nothing = dataclasses.replace(make_report(), results=(), gates=(), complete=False)
    for reports in ([speed_only], [nothing], [speed_only, nothing]):
        assert_whole(to_html(reports, title="t"))
        assert to_markdown(reports, title="t")


def test_the_front_holds_what_nothing_dominates() -> None:
    fast = make_result(variant="fast", latency_ms=Latency((1.0,)), size_bytes=5)
    small = make_result(variant="small", latency_ms=Latency((2.0,)), size_bytes=3)
    worse = make_result(variant="worse", latency_ms=Latency((2.5,)), size_bytes=5)
    assert [result.variant for result in front([fast, small, worse])] == ["fast", "small"]
    believed = [dataclasses.replace(result, valid=result is not fast) for result in (fast, small, worse)]
    assert [result.variant for result in front(believed)] == ["small"]


def test_cautions_groups_and_reasons_are_shown_everywhere() -> None:
    gate = Gate("max_drop", "int8 · ai-edge-litert · 1 thread", 1, 25.0, False, "too few images to tell: <4> images")
    report = make_report(gates=(gate,))
    texts = ("test cloths were seen in training", "4 images in 3 groups", "too few images to tell: ")
    shown = {
        "page": to_html([report], title="t"),
        "markdown": to_markdown([report], title="t"),
        "terminal": "\n".join(footnotes(report)),
    }
    for place, written in shown.items():
        assert [text for text in texts if text not in written] == [], place
        assert written.count(texts[0]) == 1, place
    assert "<4>" not in shown["page"]
    assert gate.reason.encode() not in to_junit(report)
    assert b"too few images to tell: &lt;4&gt; images" in to_junit(report)
    silent = make_report(make_result(parity=None))
    assert texts[0] not in to_html([silent], title="t")


def test_every_gate_has_its_cell() -> None:
    gates = (
        Gate("max_p90_ms", "int8 · ai-edge-litert · 1 thread", 20, 18.5, True),
        Gate("min_agreement", "int8 · ai-edge-litert · 1 thread", 0.97, None, False),
        Gate("max_p90_ms", "float32 · ai-edge-litert · 1 thread", 33, 38.58, False),
    )
    page = to_html([make_report(gates=gates)], title="t")
    assert "18.5 ✓</span>" in page
    assert "38.58 FAIL</span>" in page
    assert "not measured FAIL</span>" in page
    assert "≥ 0.97" in page
    assert page.count("<td>float32 · ai-edge-litert · 1 thread</td>") == 1


def test_the_ribbon_is_thickest_where_most_runs_fell() -> None:
    rng = np.random.default_rng(0)
    samples = (*rng.normal(10, 0.1, 300), *rng.normal(20, 0.1, 100))
    plot = latency_plot(make_report(make_result(latency_ms=Latency(tuple(map(float, samples))))), ["int8"])
    outline = re.search(r'<path d="([^"]+)"', plot)
    assert outline is not None
    points = [tuple(map(float, point.split())) for point in re.findall(r"[\d.]+ [\d.]+", outline.group(1))]
    middle = np.mean([y for _, y in points])
    half = {x: abs(y - middle) for x, y in points}
    near_10, near_20 = max(half, key=lambda x: half[x]), max(half)
    left, right = (max(v for x, v in half.items() if abs(x - at) < 30) for at in (near_10, near_20))
    assert left > 2 * right > 2
    assert outline.group(1).count("M") == 2, "two clusters far apart are two pieces"


def test_markdown_tables_are_well_formed(tmp_path: Path) -> None:
    text = to_markdown(two_boards(tmp_path), title="batik")
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert len(tables) >= 6
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "## Raspberry Pi 5 Model B Rev 1.0" in text
    assert text.count("| int8 (!) |") == text.count("| int8 |") == 2, "the throttled board's rows are marked"


def test_a_runs_newest_bench_of_each_host_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "runs" / "20260101T000000Z-demo"
    run.mkdir(parents=True)
    write_run(run)
    for name in ("pi4-20260101T000000Z", "pi4-20260102T000000Z", "pi5-20260101T000000Z"):
        host = dataclasses.replace(read_host(), name=name[:3])
        write_report(run / "bench" / f"{name}.json", make_report(created=name[-16:], host=host))
    found = collect([], runs_dir=run.parent)
    assert [report.created for report in found.reports] == ["20260102T000000Z", "20260101T000000Z"]
    assert [path.name for path in found.omitted] == ["pi4-20260101T000000Z.json"]
    with pytest.raises(SystemExit) as caught:
        main(["report", "--runs-dir", str(run.parent)])
    assert caught.value.code == 0
    assert (run / "report.html").is_file()
    assert (run / "report.md").is_file()
    assert "left out" in capsys.readouterr().err


def test_a_run_that_was_not_benched_says_so(tmp_path: Path) -> None:
    run = tmp_path / "r"
    run.mkdir()
    write_run(run)
    with pytest.raises(InputError, match="was not benched yet"):
        collect([run], runs_dir=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
def test_chromium_draws_the_page(tmp_path: Path, dark: bool) -> None:
    pixels = screenshot(to_html(two_boards(tmp_path), title="batik"), tmp_path, dark=dark)
    blue = (pixels[..., 2] - pixels[..., 0]) > 60
    assert blue.sum() > 1000, "the first variant's colour is missing from the plots"
