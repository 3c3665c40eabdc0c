from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from batikkit.cli import main
from batikkit.errors import InputError, VerificationError
from batikkit.runs import write_run
from batikkit.tflite.interpreters import RUNTIMES
from batikkit_benchmarks.bench import run_bench
from batikkit_benchmarks.host import fastest_cpus, read_host
from batikkit_benchmarks.plan import Settings, plan
from batikkit_benchmarks.report import read_report
from batikkit_benchmarks.targets import select

COMMAND = (sys.executable, "-c", "from batikkit.cli import main; main()")
QUICK = Settings(min_runs=20, min_seconds=0.1, warmup=2)


def run_cli(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*arguments])
    return int(caught.value.code or 0)


def test_the_bench_measures_every_file_of_a_folder(shared_export: Path) -> None:
    selection = select([shared_export], runs_dir=Path("runs"))
    *_, report = run_bench(selection, QUICK)
    assert [result.variant for result in report.results] == ["float32", "float16", "int8"]
    assert report.complete
    assert not report.failures
    for result in report.results:
        assert len(result.latency_ms.samples) >= 20
        assert 0 < min(result.latency_ms.samples) <= result.latency_ms.p50 <= result.latency_ms.p90
        assert result.init_ms > 0
        assert result.peak_rss_bytes > 0
        assert result.parity is not None
        assert result.parity.n == 90
    float32, _, int8 = (result.parity for result in report.results)
    assert float32 is not None
    assert int8 is not None
    assert float32.agreement == 1.0
    assert float32.max_abs_diff is not None
    assert float32.max_abs_diff < 1e-3
    assert int8.max_abs_diff is not None
    assert int8.max_abs_diff > float32.max_abs_diff
    assert len(int8.flipped) == round(90 * (1 - (int8.agreement or 0)))


def test_a_large_model_costs_more_memory_than_its_file(shared_export: Path) -> None:
    *_, report = run_bench(select([shared_export / "float32.tflite"], runs_dir=Path("runs")), QUICK)
    # The tensors alone of a 96 px network are a few hundred kilobytes.
    assert 200_000 < report.results[0].peak_rss_bytes < 100_000_000


def test_a_neighbour_on_the_same_cpu_is_noticed(shared_export: Path) -> None:
    """Two busy loops confined to the very CPU that is measured on take two turns of three."""
    (cpu,) = fastest_cpus(1)
    loop = f"import os\nos.sched_setaffinity(0, [{cpu}])\nwhile True: pass"
    neighbours = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(2)]
    try:
        pinned = dataclasses.replace(QUICK, cpus=(cpu,), min_seconds=1.0)
        *_, report = run_bench(select([shared_export / "float32.tflite"], runs_dir=Path("runs")), pinned)
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()
    (result,) = report.results
    if result.cpu_wait_share is None:
        pytest.skip("this kernel does not count waiting (no /proc/self/task/*/schedstat)")
    assert 0.3 < result.cpu_wait_share <= 1.0
    assert not result.valid
    assert any(note.startswith("contended: waited for a CPU") for note in result.notes)
    assert result.pinned_cpus == (cpu,)


def test_the_order_is_shuffled_by_the_seed(shared_export: Path) -> None:
    selection = select([shared_export], runs_dir=Path("runs"))
    host = dataclasses.replace(read_host(), usable_cores=4)
    many = dataclasses.replace(QUICK, threads=(1, 2, 3, 4))
    orders = [
        [wanted.name for wanted in plan(selection, dataclasses.replace(many, seed=seed), host)] for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])
    assert len(orders[0]) == 12


def test_oversubscription_is_refused(shared_export: Path) -> None:
    host = dataclasses.replace(read_host(), usable_cores=2)
    selection = select([shared_export], runs_dir=Path("runs"))
    with pytest.raises(InputError, match=r"3 threads on 2 usable CPU\(s\)"):
        plan(selection, dataclasses.replace(QUICK, threads=(1, 3)), host)
    with pytest.raises(InputError, match=r"2 threads on 1 usable CPU\(s\)"):
        plan(selection, dataclasses.replace(QUICK, threads=(2,), cpus=(0,)), host)


def test_a_run_is_benched_by_default_and_keeps_its_report(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "runs" / "20260101T000000Z-stripes"
    run.mkdir(parents=True)
    write_run(run, {"state": "trained"})
    export.rename(run / "export")
    answer = tmp_path / "answer.json"
    code = run_cli("bench", "--runs-dir", str(run.parent), "--json", str(answer), "--min-seconds", "0", "--runs", "10")
    assert code == 0
    (kept,) = (run / "bench").glob("*.json")
    assert read_report(kept) == read_report(answer)
    assert kept.name.startswith(read_host().name)
    shown = capsys.readouterr().out
    assert "int8" in shown
    assert "90 images of parity.npz" in shown


def test_official_means_1024_runs_and_60_seconds(shared_export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli("bench", str(shared_export / "int8.tflite"), "--official", "--dry-run") == 0
    assert "would measure 1 configuration(s), each 1024 runs and 60 s at least" in capsys.readouterr().out


def test_both_limits_hold_runs_and_seconds(shared_export: Path) -> None:
    """The longer one decides: 0.4 s of a sub-millisecond network is far more than 20 runs, 300 runs more than 0 s."""
    for settings, at_least in (({"min_seconds": 0.4}, 200), ({"min_seconds": 0.0, "min_runs": 300}, 300)):
        chosen = dataclasses.replace(QUICK, **settings)  # type: ignore[arg-type]
        *_, report = run_bench(select([shared_export / "int8.tflite"], runs_dir=Path("runs")), chosen)
        assert len(report.results[0].latency_ms.samples) >= at_least


def test_all_means_every_runtime_that_works(
    shared_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = tmp_path / "all.json"
    quick = ("--min-seconds", "0", "--runs", "10", "--json", str(answer))
    assert run_cli("bench", str(shared_export / "float32.tflite"), *quick, "--runtime", "all") == 0
    measured = [result.runtime for result in read_report(answer).results]
    assert {"ai-edge-litert", "litert-compiled"} <= set(measured)
    complaint = capsys.readouterr().err
    assert [name for name in RUNTIMES if f"without {name}: not installed; " not in complaint] == measured
    assert all(result.parity and result.parity.agreement == 1.0 for result in read_report(answer).results)


def test_a_sweep_ends_at_the_usable_cpus(shared_export: Path, tmp_path: Path) -> None:
    answer = tmp_path / "sweep.json"
    quick = ("--min-seconds", "0", "--runs", "10", "--json", str(answer))
    assert run_cli("bench", str(shared_export / "int8.tflite"), *quick, "--threads", "sweep") == 0
    counts = [result.threads for result in read_report(answer).results]
    assert (counts[0], counts[-1]) == (1, read_host().usable_cores)
    assert counts == sorted(set(counts))


def test_a_failed_gate_is_exit_code_1_in_json_and_junit(shared_export: Path, tmp_path: Path) -> None:
    answer, junit = tmp_path / "answer.json", tmp_path / "gates.xml"
    quick = ("--min-seconds", "0", "--runs", "10", "--json", str(answer), "--junit", str(junit))
    int8 = str(shared_export / "int8.tflite")
    assert run_cli("bench", int8, *quick, "--max-size-mb", "10", "--min-agreement", "0.5") == 0
    assert run_cli("bench", int8, *quick, "--max-size-mb", "0.01", "--max-rss-mb", "500") == 1
    gates = {gate.name: gate.passed for gate in read_report(answer).gates}
    assert gates == {"max_size_mb": False, "max_rss_mb": True}
    assert 'tests="2" failures="1"' in junit.read_text()


def test_dry_run_verifies_and_measures_nothing(
    shared_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli("bench", str(shared_export / "int8.tflite"), "--dry-run", "--json", str(tmp_path / "no.json")) == 0
    shown = capsys.readouterr().out
    assert "uint8 1x96x96x3, 3 motifs" in shown
    assert "would measure 1 configuration(s)" in shown
    assert not (tmp_path / "no.json").exists()


@pytest.mark.parametrize(
    ("damage", "message", "code"),
    [
        (lambda folder: [f.write_bytes(b"") for f in folder.glob("*.tflite")], "float32.tflite: the file is empty", 2),
        (lambda folder: (folder / "labels.txt").write_text("a\nb\n"), "2 labels, float32.tflite answers 3", 2),
        (lambda folder: (folder / "int8.tflite").write_bytes((folder / "float32.tflite").read_bytes()), "SHA-256", 1),
        (lambda folder: [file.unlink() for file in folder.glob("*.tflite")], "no .tflite files in", 2),
        (lambda folder: (folder / "parity.npz").write_bytes(b"PK"), "parity.npz is damaged", 2),
    ],
)
def test_bad_input_is_one_line(
    export: Path, damage: object, message: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(export)  # type: ignore[operator]
    assert run_cli("bench", str(export)) == code
    complaint = capsys.readouterr().err
    assert message in complaint
    assert len(complaint.strip().splitlines()) == 1


def test_nothing_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli("bench", str(tmp_path / "absent")) == 2
    assert "no such run, folder or file" in capsys.readouterr().err
    assert run_cli("bench", "--runs-dir", str(tmp_path)) == 2
    assert "no runs under" in capsys.readouterr().err


def test_a_file_alone_gets_speed_but_no_accuracy(export: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.tflite"
    (export / "int8.tflite").rename(alone)
    *_, report = run_bench(select([alone], runs_dir=tmp_path), QUICK)
    assert report.results[0].variant == "alone"
    assert report.results[0].parity is None
    assert report.results[0].pixels == "noise"


def test_the_drop_in_folder_is_timed_on_its_golden_pictures() -> None:
    assets = Path(__file__).parents[2] / "android_demo_assets"
    selection = select([assets], runs_dir=Path("runs"))
    assert [target.variant for target in selection.targets] == ["float16", "int8"]
    assert len(selection.targets[0].labels) == selection.targets[0].model.outputs[0].shape[-1]
    *_, report = run_bench(selection, QUICK)
    assert [result.pixels for result in report.results] == ["golden pictures"] * 2
    assert not report.failures


def test_a_changed_file_is_not_taken_for_its_manifest(export: Path) -> None:
    (export / "int8.tflite").write_bytes((export / "float16.tflite").read_bytes())
    with pytest.raises(VerificationError):
        select([export], runs_dir=Path("runs"))


def test_ctrl_c_leaves_finished_results_on_disk(shared_export: Path, tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    # A test run in the background of a shell has Ctrl-C ignored, and its children would inherit that.
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); " + COMMAND[2]
    child = subprocess.Popen(
        [*COMMAND[:2], listening, "bench", str(shared_export), "--json", str(answer), "--min-seconds", "2"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not answer.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, complaint = child.communicate(timeout=20)
    assert child.returncode == 130
    assert f"stopped: 1 finished result(s), written: {answer}" in complaint
    assert "Traceback" not in complaint
    report = read_report(answer)
    assert len(report.results) == 1
    assert not report.complete


def test_bench_runs_where_heavy_packages_do_not_exist(shared_export: Path, tmp_path: Path) -> None:
    """A stand-in package of each heavy name that fails to import, ahead of the real one."""
    for name in ("tensorflow", "tf_keras", "keras", "matplotlib", "scipy", "sklearn", "imagehash", "mediapipe"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise ImportError('the light path imported {name}')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    answer = tmp_path / "answer.json"
    done = subprocess.run(
        [*COMMAND, "bench", str(shared_export), "--json", str(answer), "--min-seconds", "0", "--runs", "10"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(answer.read_text())["results"]) == 3


def test_a_run_without_an_export_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "runs" / "r"
    run.mkdir(parents=True)
    write_run(run, {})
    assert run_cli("bench", str(run)) == 2
    assert "run 'batikkit export' first" in capsys.readouterr().err


def test_statistics_are_derived_from_the_samples(shared_export: Path) -> None:
    *_, report = run_bench(select([shared_export / "int8.tflite"], runs_dir=Path("runs")), QUICK)
    latency = report.results[0].latency_ms
    assert latency.p50 == float(np.median(latency.samples))
