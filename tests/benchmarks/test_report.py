from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sample_report import make_report

from batikkit.errors import InputError
from batikkit.paired import drop_resolution, paired_drop_interval
from batikkit_benchmarks.report import read_report, write_report


def test_a_report_survives_writing_and_reading(tmp_path: Path) -> None:
    report = make_report()
    write_report(tmp_path / "r.json", report)
    assert read_report(tmp_path / "r.json") == report


def test_the_file_holds_what_the_contract_promises(tmp_path: Path) -> None:
    write_report(tmp_path / "r.json", make_report())
    raw = json.loads((tmp_path / "r.json").read_text())
    assert raw["schema_version"] == 3
    result = raw["results"][0]
    assert {
        "variant",
        "file",
        "sha256",
        "runtime",
        "runtime_version",
        "threads",
        "size_bytes",
        "init_ms",
        "first_ms",
    } <= set(result)
    assert {"peak_rss_bytes", "valid", "notes"} <= set(result)
    assert set(result["latency_ms"]) == {"samples", "p50", "p90", "p99", "mean", "min", "max", "process_p50"}
    assert result["latency_ms"]["p50"] == 14.5
    assert {"n", "top1", "reference_top1", "drop_pp", "drop_ci95_pp", "agreement", "max_abs_diff", "flipped"} <= set(
        result["parity"]
    )
    assert {"groups", "cautions", "resolution_pp"} <= set(result["parity"])
    assert set(raw["gates"][0]) >= {"name", "limit", "value", "passed", "reason"}


def test_a_report_of_version_1_gets_intervals_that_cover(tmp_path: Path) -> None:
    """Its bootstrap said (0, 75) for one flip of four images, and (0, 0) for none."""
    write_report(tmp_path / "r.json", make_report())
    raw = json.loads((tmp_path / "r.json").read_text())
    raw["schema_version"] = 1
    for result in raw["results"]:
        if result["parity"]:
            for new in ("groups", "cautions", "resolution_pp"):
                del result["parity"][new]
            for motif in result["parity"]["per_motif"].values():
                del motif["groups"]
    for gate in raw["gates"]:
        del gate["reason"]
    (tmp_path / "r.json").write_text(json.dumps(raw))
    report = read_report(tmp_path / "r.json")
    parity = report.results[0].parity
    assert parity is not None
    assert parity.drop_ci95_pp == paired_drop_interval(np.ones(4, bool), np.array([False, True, True, True]))
    assert (parity.groups, parity.resolution_pp) == (None, drop_resolution(4))
    assert "every image counts on its own" in parity.cautions[0]
    assert report.results[1] == make_report().results[1]
    write_report(tmp_path / "again.json", report)
    assert read_report(tmp_path / "again.json") == report


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a bench report"),
        ('{"schema_version": 99}', "schema_version 99"),
        ('{"schema_version": 1}', "is not a bench report"),
        ("[]", "is not a bench report"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_report(tmp_path / "r.json")
    assert "\n" not in str(caught.value)


def test_a_wrong_type_inside_is_found(tmp_path: Path) -> None:
    write_report(tmp_path / "r.json", make_report())
    raw = json.loads((tmp_path / "r.json").read_text())
    raw["results"][0]["threads"] = "two"
    (tmp_path / "r.json").write_text(json.dumps(raw))
    with pytest.raises(InputError, match="expected int, found 'two'"):
        read_report(tmp_path / "r.json")
