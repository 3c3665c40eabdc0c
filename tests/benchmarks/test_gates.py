from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest
from sample_report import make_report, make_result

from batikkit.errors import InputError
from batikkit_benchmarks.gates import Budget, Limits, budget_names, check, read_budget
from batikkit_benchmarks.junit import to_junit
from batikkit_benchmarks.report import MotifDrop


def verdicts(limits: Limits, **changes: object) -> dict[str, tuple[float | None, bool]]:
    return {gate.name: (gate.value, gate.passed) for gate in check([make_result(**changes)], Budget(limits))}


def test_each_limit_holds_its_figure() -> None:
    assert verdicts(Limits(max_p90_ms=18.1, max_size_mb=2.6, max_rss_mb=8.9)) == {
        "max_p90_ms": (18.1, True),
        "max_size_mb": (2.6, True),
        "max_rss_mb": (9.0, False),
    }
    assert verdicts(Limits(max_drop=24, max_drop_upper=80, min_agreement=0.75, min_top1=0.8)) == {
        "max_drop": (25.0, False),
        "max_drop_upper": (75.0, True),
        "min_agreement": (0.75, True),
        "min_top1": (0.75, False),
    }


def test_what_was_not_measured_fails() -> None:
    assert verdicts(Limits(max_drop=5, min_agreement=0.9), parity=None) == {
        "max_drop": (None, False),
        "min_agreement": (None, False),
    }


def test_small_motifs_are_not_gated() -> None:
    parity = make_result().parity
    assert parity is not None
    assert verdicts(Limits(max_motif_drop=5)) == {"max_motif_drop": (0.0, True)}
    larger = dataclasses.replace(parity, per_motif={"kawung": MotifDrop(30, 0.8, 0.9, 10.0)})
    assert verdicts(Limits(max_motif_drop=5), parity=larger) == {"max_motif_drop": (10.0, False)}


def test_every_shipped_budget_reads() -> None:
    assert set(budget_names()) == {"default", "low-end-phone", "pi-zero-2", "pi-3", "pi-4", "pi-5"}
    for name in budget_names():
        budget = read_budget(name)
        assert budget.variants or budget.everywhere.max_p90_ms
    assert read_budget("default").limits("int8").max_drop == 1.0
    assert read_budget("default").limits("float32") == Limits()


def test_a_variant_overrides_the_general_limit(tmp_path: Path) -> None:
    file = tmp_path / "budget.toml"
    file.write_text('title = "mine"\nmax_p90_ms = 50\nmax_size_mb = 9\n[int8]\nmax_p90_ms = 20\n')
    budget = read_budget(str(file))
    assert (budget.limits("float32").max_p90_ms, budget.limits("int8").max_p90_ms) == (50, 20)
    assert budget.limits("int8").max_size_mb == 9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("max_p90 = 1", "unknown limit 'max_p90'"),
        ("max_p90_ms = '20'", "must be a number"),
        ("min_agreement = 97", "give a fraction"),
        ("max_p90_ms =", "is not TOML"),
    ],
)
def test_a_wrong_budget_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "budget.toml"
    file.write_text(content)
    with pytest.raises(InputError, match=message):
        read_budget(str(file))


def test_an_unknown_budget_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="choose default, low-end-phone"):
        read_budget("pi-6")


def test_junit_shows_failures_and_errors() -> None:
    gates = check([make_result()], Budget(Limits(max_p90_ms=1, max_size_mb=9)))
    root = xml.fromstring(to_junit(make_report(gates=gates)))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases["max_p90_ms"].find("failure").get("message") == "max_p90_ms is 18.1, limit 1"  # type: ignore[union-attr]
    assert cases["max_size_mb"].find("failure") is None
    assert cases["measured"].find("error").get("message") == "crashed"  # type: ignore[union-attr]
