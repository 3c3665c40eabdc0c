from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_report import make_report

from batikkit.errors import InputError
from batikkit_benchmarks.report import read_report, write_report


def test_a_report_survives_writing_and_reading(tmp_path: Path) -> None:
    report = make_report()
    write_report(tmp_path / "r.json", report)
    assert read_report(tmp_path / "r.json") == report


def test_the_file_holds_what_the_contract_promises(tmp_path: Path) -> None:
    write_report(tmp_path / "r.json", make_report())
    raw = json.loads((tmp_path / "r.json").read_text())
    assert raw["schema_version"] == 1
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
    assert set(result["latency_ms"]) == {"samples", "p50", "p90", "p99", "mean", "min", "max"}
    assert result["latency_ms"]["p50"] == 14.5
    assert {"n", "top1", "reference_top1", "drop_pp", "drop_ci95_pp", "agreement", "max_abs_diff", "flipped"} <= set(
        result["parity"]
    )
    assert set(raw["gates"][0]) >= {"name", "limit", "value", "passed"}


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
