from __future__ import annotations

import dataclasses
import sys
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree as xml

import numpy as np
import pytest
from sample_report import make_report, make_result

from batikkit.errors import InputError
from batikkit_benchmarks.budget import Budget, Limits, budget_names, read_budget
from batikkit_benchmarks.gates import check
from batikkit_benchmarks.junit import to_junit
from batikkit_benchmarks.parity import evaluate
from batikkit_benchmarks.report import Gate, Parity

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LABELS = ("kawung", "parang")


def test_every_shipped_budget_says_where_its_numbers_come_from() -> None:
    for name in budget_names():
        text = (resources.files("batikkit_benchmarks") / "budgets" / f"{name}.toml").read_text(encoding="utf-8")
        assert len(tomllib.loads(text)["source"]) > 40, name
        assert read_budget(name) != Budget()


def evaluated(n: int, *, lost: int = 0, per_group: int | None = 1, share: float = 0.5) -> Parity:
    """A file that names the first `lost` of n images otherwise than the reference, which is always right."""
    truth = (np.arange(n) >= n * share).astype(np.int64)
    reference, scores = (np.eye(2, dtype=np.float32)[truth] for _ in range(2))
    scores[:lost] = scores[:lost, ::-1]
    names = [f"{index}.png" for index in range(n)]
    groups = None if per_group is None else [f"cloth {index // per_group}" for index in range(n)]
    return evaluate(
        scores,
        truth,
        labels=LABELS,
        images=names,
        source="s",
        groups=groups,
        reference=reference,
        reference_name="keras",
    )


def gates(limits: Limits, **changes: object) -> dict[str, Gate]:
    return {gate.name: gate for gate in check([make_result(**{"valid": True, **changes})], Budget(limits))}


def test_each_limit_holds_its_figure() -> None:
    found = gates(Limits(max_p90_ms=18.1, max_size_mb=2.6, max_rss_mb=8.9))
    assert {name: (gate.value, gate.passed, gate.reason) for name, gate in found.items()} == {
        "max_p90_ms": (18.1, True, ""),
        "max_size_mb": (2.6, True, ""),
        "max_rss_mb": (9.0, False, ""),
    }
    limits = Limits(max_drop=1, max_drop_upper=2, max_motif_drop=5, min_agreement=0.99, min_top1=0.999)
    found = gates(limits, parity=evaluated(400, lost=2))
    assert {name: (gate.passed, gate.reason) for name, gate in found.items() if name != "min_top1"} == {
        "max_drop": (True, ""),
        "max_drop_upper": (True, ""),
        "max_motif_drop": (True, ""),
        "min_agreement": (True, ""),
    }
    assert not gates(Limits(min_top1=0.997), parity=evaluated(400, lost=2))["min_top1"].passed


def test_a_latency_that_is_not_valid_passes_nothing() -> None:
    gate = gates(Limits(max_p90_ms=1000), valid=False)["max_p90_ms"]
    assert (gate.value, gate.passed, gate.reason) == (18.1, False, "not valid: throttled: under-voltage")


def test_what_was_not_measured_fails_and_says_what_lacks() -> None:
    limits = Limits(max_drop=5, max_drop_upper=5, max_motif_drop=5, min_agreement=0.9, min_top1=0.5)
    for gate in gates(limits, parity=None).values():
        assert (gate.value, gate.passed) == (None, False)
        assert gate.reason.startswith("not measured: no test images")
    alone = dataclasses.replace(
        evaluated(400), reference=None, drop_pp=None, drop_ci95_pp=None, resolution_pp=None, agreement=None
    )
    found = gates(limits, parity=alone)
    assert found.pop("min_top1").passed
    assert {(gate.passed, gate.reason) for gate in found.values()} == {
        (False, "not measured: no reference; bench the float32 file with it")
    }


@pytest.mark.parametrize(
    ("n", "lost", "limit", "passed", "reason"),
    [
        (8, 0, 2, False, "8 images without one flip would still leave up to 32.4 points; 189 independent images"),
        (188, 0, 2, False, "would still leave up to 2.0 points; 189 independent images are needed"),
        (189, 0, 2, True, ""),
        (189, 1, 2, False, "the interval, -1.5 to +2.9, holds the limit"),
        (8, 8, 2, False, ""),  # eight of eight are enough to see that it fails
        (400, 40, 2, False, ""),
        (400, 0, 0, False, "no number of images rules out every loss"),
    ],
)
def test_too_few_images_never_pass_a_bound(n: int, lost: int, limit: float, passed: bool, reason: str) -> None:
    gate = gates(Limits(max_drop_upper=limit), parity=evaluated(n, lost=lost))["max_drop_upper"]
    assert gate.passed == passed
    assert gate.reason.startswith("too few images to tell: ") == bool(reason)
    assert reason in gate.reason


def test_the_images_must_rule_out_what_the_budget_says() -> None:
    """A measured drop is judged where the images can bound it: by `max_drop_upper`, else by its own limit."""
    one_of_52 = evaluated(52, lost=1)
    gate = gates(Limits(max_drop=1), parity=one_of_52)["max_drop"]
    assert not gate.passed
    assert "381 independent images are needed" in gate.reason
    alone, bounded = Limits(max_drop=1), Limits(max_drop=1, max_drop_upper=5)
    assert not gates(alone, parity=evaluated(120, lost=1))["max_drop"].passed
    assert all(gate.passed for gate in gates(bounded, parity=evaluated(120, lost=1)).values())
    assert gates(bounded, parity=evaluated(90, lost=1))["max_drop"].reason == (
        "too few images to tell: the interval, -3.0 to +6.0, holds the limit"
    )


def test_cloths_count_not_their_photographs() -> None:
    gate = gates(Limits(max_drop_upper=2), parity=evaluated(400, per_group=4))["max_drop_upper"]
    assert not gate.passed
    assert "400 images in 100 groups without one flip" in gate.reason
    assert "191 independent groups are needed" in gate.reason
    assert gates(Limits(max_drop_upper=2), parity=evaluated(800, per_group=4))["max_drop_upper"].passed
    assert not gates(Limits(max_motif_drop=5), parity=evaluated(200, per_group=4))["max_motif_drop"].passed


@pytest.mark.parametrize(
    ("n", "lost", "limit", "passed", "few"),
    [
        (8, 0, 0.97, False, True),
        (33, 0, 0.97, False, True),
        (34, 0, 0.97, True, False),
        (34, 2, 0.97, False, False),
        (8, 4, 0.97, False, False),
        (8, 0, 1.0, True, False),  # every image is asked for, and every image was
        (8, 1, 1.0, False, False),
    ],
)
def test_one_image_does_not_decide_a_fraction(n: int, lost: int, limit: float, passed: bool, few: bool) -> None:
    gate = gates(Limits(min_agreement=limit), parity=evaluated(n, lost=lost))["min_agreement"]
    assert (gate.passed, gate.reason.startswith("too few images to tell: one of ")) == (passed, few)


def test_motifs_without_enough_images_invent_no_drop() -> None:
    gate = gates(Limits(max_motif_drop=5), parity=evaluated(40))["max_motif_drop"]
    assert (gate.value, gate.passed) == (None, False)
    assert gate.reason == "too few images to tell: no motif has 30 independent ones"
    gate = gates(Limits(max_motif_drop=5), parity=evaluated(50, share=0.2))["max_motif_drop"]
    assert (gate.value, gate.passed) == (0.0, True)
    assert gate.reason == "1 of 2 motifs judged: the others have under 30 independent images"
    assert gates(Limits(max_motif_drop=5), parity=evaluated(80, lost=4))["max_motif_drop"].value == 10.0
    assert "no motif has 100" in gates(Limits(max_motif_drop=1), parity=evaluated(100))["max_motif_drop"].reason


@pytest.mark.parametrize("budget", budget_names())
def test_no_shipped_budget_passes_on_eight_images_or_in_an_emulator(budget: str) -> None:
    found = check([make_result(valid=False, parity=evaluated(8), variant="int8")], read_budget(budget))
    for gate in found:
        assert gate.passed == (gate.name in ("max_size_mb", "max_rss_mb")), gate


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
    found = check([make_result()], Budget(Limits(max_p90_ms=1, max_size_mb=9)))
    root = xml.fromstring(to_junit(make_report(gates=found)))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    cases = {case.get("name"): case for case in root.iter("testcase")}
    told = cases["max_p90_ms"].find("failure").get("message")  # type: ignore[union-attr]
    assert told == "max_p90_ms is 18.1, limit 1: not valid: throttled: under-voltage"
    assert cases["max_size_mb"].find("failure") is None
    assert cases["measured"].find("error").get("message") == "crashed"  # type: ignore[union-attr]
