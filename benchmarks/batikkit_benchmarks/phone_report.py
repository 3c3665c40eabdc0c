"""What a phone posts, read with suspicion, becomes a bench report like that of a board."""

from __future__ import annotations

import hashlib
import json
import math
import re
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

import batikkit
from batikkit.assets.litert_js import VERSION
from batikkit.assets.manifest import find_variant
from batikkit.assets.verify import ROUNDS
from batikkit.errors import InputError
from batikkit_benchmarks.bench import predict_delegates
from batikkit_benchmarks.budget import Budget
from batikkit_benchmarks.conditions import Conditions, Snapshot
from batikkit_benchmarks.gates import check
from batikkit_benchmarks.host import Host
from batikkit_benchmarks.parity import evaluate
from batikkit_benchmarks.phone_site import MAX_RUNS, PhonePlan
from batikkit_benchmarks.report import BenchReport, Gate, Latency, Parity, Result

RUNTIME = "browser, WebAssembly"
MAX_POST_BYTES = 32_000_000
_NOWHERE = Snapshot(None, None, None, None, None, None)
_NO_MEMORY = "a page cannot tell how much memory it took"


def read_posted(body: bytes, plan: PhonePlan, *, source: str, budget: Budget) -> BenchReport:
    """The report of one phone.

    Args:
        body: What was posted.
        plan: What it was asked to measure.
        source: What was benched, for the report.
        budget: Limits to hold the results against.

    Raises:
        InputError: not the figures of this plan.
    """
    try:
        raw = json.loads(body.decode("utf-8"))
        if raw["schema_version"] != 1:
            raise ValueError(f"schema_version {raw['schema_version']!r}")
        host = _host(raw["device"])
        if [entry["number"] for entry in raw["models"]] != list(range(len(plan.targets))):
            raise ValueError("not one entry for each model")
        notes = _notes(raw["device"])
        results = tuple(_result(entry, plan, notes) for entry in raw["models"])
        golden = tuple(gate for entry in raw["models"] for gate in _golden(entry, plan, results))
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise InputError(f"a phone posted no bench of this page ({error}): open the page's address again") from error
    return BenchReport(
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        batikkit_version=batikkit.__version__,
        source=source,
        settings={"phone": True, "min_runs": plan.min_runs, "min_seconds": plan.min_seconds, "warmup": plan.warmup},
        host=host,
        results=results,
        gates=(*golden, *check(results, budget)),
    )


def _host(device: dict[str, Any]) -> Host:
    agent, model = _words(device["user_agent"], 400), _words(device["model"], 80)
    cores, memory = _number(device["cores"], most=4096), _number(device["memory_gb"], most=4096)
    name = model or _from_agent(agent)
    browser = _browser(agent)
    identity = hashlib.sha256(f"{agent}|{model}|{cores}|{memory}".encode()).hexdigest()[:16]
    return Host(
        name=f"{name} ({browser})", model=f"{name}, {browser}", soc=None, cpu=RUNTIME, architecture="wasm32", bits=32,
        cores=int(cores), usable_cores=1, governors=(), max_frequency_mhz=(),
        memory_bytes=int(memory * 2**30) or None, swap_bytes=None, os=agent, kernel="", python="",
        libraries={"@litertjs/core": VERSION}, container=None, emulation=None, virtual_machine=None, identity=identity,
    )  # fmt: skip


def _from_agent(agent: str) -> str:
    """`Android 15; Pixel 8` of `Mozilla/5.0 (Linux; Android 15; Pixel 8) ...`."""
    inside = re.search(r"\(([^)]*)\)", agent)
    parts = [part.strip() for part in (inside[1] if inside else "").split(";")]
    return "; ".join(part for part in parts if part not in ("Linux", "U", "X11", "K", "")) or "a browser"


def _browser(agent: str) -> str:
    for name, pattern in (
        ("Firefox", r"Firefox/(\d+)"), ("Edge", r"Edg\w*/(\d+)"), ("Samsung Internet", r"SamsungBrowser/(\d+)"),
        ("Chrome", r"(?:Headless)?Chrome/(\d+)"), ("Safari", r"Version/(\d+).*Safari"),
    ):  # fmt: skip
        if found := re.search(pattern, agent):
            return f"{name} {found[1]}"
    return "unknown browser"


def _notes(device: dict[str, Any]) -> tuple[str, ...]:
    step = _number(device["clock_step_ms"], most=1e4)
    if not isinstance(device["hidden"], bool):
        raise ValueError("hidden is no yes or no")
    reasons = ["the page was in the background for a while"] if device["hidden"] else []
    return (*reasons, _NO_MEMORY, f"the browser's clock goes in steps of {step:.3g} ms")


def _result(entry: dict[str, Any], plan: PhonePlan, notes: tuple[str, ...]) -> Result:
    target = plan.targets[entry["number"]]
    samples = tuple(_number(value, most=1e7) for value in _list(entry["samples"], most=MAX_RUNS))
    if len(samples) < plan.min_runs:
        raise ValueError(f"{len(samples)} of {plan.min_runs} runs")
    figures = [_number(entry[name], most=1e7) for name in ("init_ms", "first_ms", "pre_ms", "post_ms")]
    step = float(notes[-1].split()[-2])
    coarse = () if np.median(samples) >= 5 * step else ("too fast for the browser's clock",)
    return Result(
        variant=target.variant, file=str(target.path), sha256=target.model.sha256, runtime=RUNTIME,
        runtime_version=f"LiteRT.js {VERSION}", threads=1, size_bytes=target.model.size_bytes,
        init_ms=figures[0], first_ms=figures[1], pre_ms=figures[2], post_ms=figures[3],
        latency_ms=Latency(samples), peak_rss_bytes=0, baseline_rss_bytes=0,
        pixels="parity.npz" if target.pack else "golden pictures" if entry["number"] in plan.vectors else "noise",
        parity=_parity(entry, plan), valid=not coarse and notes[0] == _NO_MEMORY, notes=(*coarse, *notes),
        conditions=Conditions(_NOWHERE, _NOWHERE, None, None, None), process_runs=(len(samples),),
        predictions=predict_delegates(target), origin=target.origin,
    )  # fmt: skip


def _parity(entry: dict[str, Any], plan: PhonePlan) -> Parity | None:
    target = plan.targets[entry["number"]]
    given = _list(entry["parity"], most=10_000_000)
    if target.pack is None:
        return None
    pack = target.pack
    if len(given) != len(pack.labels):
        raise ValueError(f"answers to {len(given)} of {len(pack.labels)} test images")
    return evaluate(
        np.stack([_scores(row, len(target.labels)) for row in given]),
        pack.labels,
        labels=target.labels,
        images=pack.names,
        source="parity.npz",
        groups=pack.groups if pack.grouped else None,
        cautions=pack.cautions,
        reference=pack.probabilities,
        reference_name="keras",
    )


def _golden(entry: dict[str, Any], plan: PhonePlan, results: tuple[Result, ...]) -> tuple[Gate, ...]:
    """Every golden picture, as often as it was asked, within the tolerance of the folder."""
    number = entry["number"]
    seen = _list(entry["golden"], most=10_000)
    if number not in plan.vectors:
        return ()
    target = plan.targets[number]
    wanted = {vector.file: vector.scores[target.variant]["antialias"] for vector in plan.vectors[number]}
    names = sorted(str(once["image"]) for once in seen)
    if names != sorted(list(wanted) * ROUNDS):
        raise ValueError(f"not every golden picture {ROUNDS} times")
    differences = [np.abs(_scores(once["scores"], len(target.labels)) - wanted[once["image"]]).max() for once in seen]
    entry_of = find_variant(target.path)
    assert entry_of is not None
    largest = float(max(differences))
    return (
        Gate("max_golden_difference", results[number].name, entry_of.tolerance, largest, largest <= entry_of.tolerance),
    )


def _scores(row: Any, count: int) -> NDArray[np.float32]:
    values = [_number(value, most=1.01) for value in _list(row, most=count)]
    if len(values) != count:
        raise ValueError(f"{len(values)} scores for {count} motifs")
    return np.array(values, np.float32)


def _list(value: Any, *, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError("not a list, or too long a one")
    return value


def _number(value: Any, *, most: float) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not 0 <= value <= most
    ):
        raise ValueError(f"{str(value)[:20]!r} is no number between 0 and {most:g}")
    return float(value)


def _words(value: Any, most: int) -> str:
    """Printable text, cut: it goes to a terminal and into pages."""
    if not isinstance(value, str):
        raise ValueError("no text")
    return "".join(letter for letter in value[:most] if letter.isprintable()).strip()
