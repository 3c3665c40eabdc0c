"""A bench report made up for tests of what reads reports."""

from __future__ import annotations

import dataclasses

from batikkit_benchmarks.conditions import Conditions, Snapshot
from batikkit_benchmarks.host import read_host
from batikkit_benchmarks.report import BenchReport, Failure, Flip, Gate, Latency, MotifDrop, Parity, Result

SNAPSHOT = Snapshot(51.5, 2400, 0, None, 12, 0.4)


def make_result(**changes: object) -> Result:
    parity = Parity(
        source="parity.npz",
        n=4,
        top1=0.75,
        top1_ci95=(0.3, 0.95),
        calibration_error=0.1,
        per_motif={"kawung": MotifDrop(2, 0.5, 1.0, 50.0, 2), "parang": MotifDrop(2, 1.0, 1.0, 0.0, 1)},
        reference="keras",
        reference_top1=1.0,
        drop_pp=25.0,
        drop_ci95_pp=(0.0, 75.0),
        mcnemar_p=1.0,
        agreement=0.75,
        max_abs_diff=0.5,
        reference_calibration_error=0.05,
        groups=3,
        cautions=("test cloths were seen in training",),
        resolution_pp=60.0,
        flipped=(Flip("kawung/1.jpg", "kawung", "kawung", "parang", 0.6, 0.7),),
    )
    result = Result(
        variant="int8",
        file="export/int8.tflite",
        sha256="ab" * 32,
        runtime="ai-edge-litert",
        runtime_version="2.3.0",
        threads=1,
        size_bytes=2_600_000,
        init_ms=3.5,
        first_ms=20.25,
        latency_ms=Latency(tuple(float(i) for i in range(10, 20))),
        pre_ms=0.1,
        post_ms=0.01,
        peak_rss_bytes=9_000_000,
        baseline_rss_bytes=40_000_000,
        pixels="parity.npz",
        parity=parity,
        valid=False,
        notes=("throttled: under-voltage",),
        conditions=Conditions(SNAPSHOT, SNAPSHOT, 60.0, 1500, 1),
        pinned_cpus=(3,),
    )
    return dataclasses.replace(result, **changes)  # type: ignore[arg-type]


def make_report(*results: Result, **changes: object) -> BenchReport:
    report = BenchReport(
        created="2026-01-02T03:04:05Z",
        batikkit_version="0.1.0",
        source="export",
        settings={"min_runs": 100},
        host=read_host(),
        results=results or (make_result(), make_result(variant="float32", parity=None, pinned_cpus=())),
        failures=(Failure("int8", "x.tflite", "tensorflow", 2, "crashed"),),
        gates=(Gate("max-p90-ms", "int8 · ai-edge-litert · 1 thread", 20, 18.5, True),),
    )
    return dataclasses.replace(report, **changes)  # type: ignore[arg-type]
