from __future__ import annotations

import dataclasses
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sample_report import make_report, make_result

from batikkit import atomic
from batikkit.cli import main
from batikkit.errors import DiskFullError, InputError, VerificationError
from batikkit.tflite.interpreters import RUNTIMES
from batikkit_benchmarks import accuracy, bench, record, worker
from batikkit_benchmarks.bench import run_bench
from batikkit_benchmarks.budget import Budget, Limits
from batikkit_benchmarks.host import fastest_cpus, read_host
from batikkit_benchmarks.plan import Settings, plan
from batikkit_benchmarks.report import read_report
from batikkit_benchmarks.tables import footnotes
from batikkit_benchmarks.targets import select
from run_folders import write_run

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
    """Two busy loops confined to the very CPU that is measured on take two turns of three.

    Each has a session of its own: Linux shares turns out among sessions first, and the loops would get little of this
    one's where the machine is busy with its other programs.
    """
    (cpu,) = fastest_cpus(1)
    loop = f"import os\nos.sched_setaffinity(0, [{cpu}])\nprint(flush=True)\nwhile True: pass"
    neighbours = [
        subprocess.Popen([sys.executable, "-c", loop], stdout=subprocess.PIPE, start_new_session=True) for _ in range(2)
    ]
    try:
        for neighbour in neighbours:
            assert neighbour.stdout
            neighbour.stdout.readline()  # it is busy from now on
        pinned = dataclasses.replace(QUICK, cpus=(cpu,), min_seconds=1.0)
        *_, report = run_bench(select([shared_export / "float32.tflite"], runs_dir=Path("runs")), pinned)
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.communicate()
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
    write_run(run)
    export.rename(run / "export")
    answer = tmp_path / "answer.json"
    code = run_cli(
        "bench", "--runs-dir", str(run.parent), "--json", str(answer), "--min-seconds", "0", "--min-samples", "10"
    )
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
    quick = ("--min-seconds", "0", "--min-samples", "10", "--json", str(answer))
    assert run_cli("bench", str(shared_export / "float32.tflite"), *quick, "--runtime", "all") == 0
    measured = [result.runtime for result in read_report(answer).results]
    assert {"ai-edge-litert", "litert-compiled"} <= set(measured)
    complaint = capsys.readouterr().err
    assert [name for name in RUNTIMES if f"without {name}: not installed; " not in complaint] == measured
    assert all(result.parity and result.parity.agreement == 1.0 for result in read_report(answer).results)


def test_a_sweep_ends_at_the_usable_cpus(shared_export: Path, tmp_path: Path) -> None:
    answer = tmp_path / "sweep.json"
    quick = ("--min-seconds", "0", "--min-samples", "10", "--json", str(answer))
    assert run_cli("bench", str(shared_export / "int8.tflite"), *quick, "--threads", "sweep") == 0
    counts = [result.threads for result in read_report(answer).results]
    assert (counts[0], counts[-1]) == (1, read_host().usable_cores)
    assert counts == sorted(set(counts))


def test_a_failed_gate_is_exit_code_1_in_json_and_junit(shared_export: Path, tmp_path: Path) -> None:
    answer, junit = tmp_path / "answer.json", tmp_path / "gates.xml"
    quick = ("--min-seconds", "0", "--min-samples", "10", "--json", str(answer), "--junit", str(junit))
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


def test_one_damaged_file_does_not_cost_the_others(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (export / "int8.tflite").write_bytes(b"TFL3 no more")
    *_, report = run_bench(select([export], runs_dir=Path("runs")), QUICK)
    assert [result.variant for result in report.results] == ["float32", "float16"]
    (failure,) = report.failures
    assert "int8.tflite: not a TFLite file" in failure.reason
    assert run_cli("bench", str(export), "--min-seconds", "0", "--min-samples", "10") == 1
    assert "failed: int8: " in capsys.readouterr().out
    assert run_cli("bench", "--dry-run", str(export)) == 1
    assert run_cli("bench", str(export / "int8.tflite")) == 2  # asked for by name


def test_rows_of_one_variant_are_told_apart(export: Path, tmp_path: Path) -> None:
    for run in ("run-a", "run-b"):
        shutil.copytree(export, tmp_path / run / "export")
    selection = select([tmp_path / "run-a", tmp_path / "run-b"], runs_dir=tmp_path)
    assert sorted(target.title for target in selection.targets) == [
        "float16 (run-a)", "float16 (run-b)", "float32 (run-a)", "float32 (run-b)", "int8 (run-a)", "int8 (run-b)",
    ]  # fmt: skip
    files = [tmp_path / name / "model.tflite" for name in ("x", "y", "z/deep")]
    for file in files:
        file.parent.mkdir(parents=True)
        shutil.copy(export / "int8.tflite", file)
    assert [t.title for t in select(files, runs_dir=tmp_path).targets] == ["model (x)", "model (y)", "model (z/deep)"]
    inside = tmp_path / "x" / "more" / "model.tflite"
    inside.parent.mkdir()
    shutil.copy(export / "int8.tflite", inside)
    assert [t.title for t in select([files[0], inside], runs_dir=tmp_path).targets] == ["model (x)", "model (more)"]
    assert [t.title for t in select([export], runs_dir=tmp_path).targets] == ["float32", "float16", "int8"]


def test_two_runs_keep_their_own_gates_and_results(export: Path, tmp_path: Path) -> None:
    for run in ("run-a", "run-b"):
        (tmp_path / run / "export").mkdir(parents=True)
        for name in ("int8.tflite", "int8.json", "labels.txt", "parity.npz"):
            shutil.copy(export / name, tmp_path / run / "export" / name)
    selection = select([tmp_path / "run-a", tmp_path / "run-b"], runs_dir=tmp_path)
    *_, report = run_bench(selection, QUICK, budget=Budget(Limits(max_size_mb=1)))
    assert len({gate.configuration for gate in report.gates}) == len({result.name for result in report.results}) == 2


def test_processes_are_counted_and_kept_apart(shared_export: Path) -> None:
    several = dataclasses.replace(QUICK, processes=3, threads=(1, 2) if read_host().usable_cores > 1 else (1,))
    selection = select([shared_export / "int8.tflite"], runs_dir=Path("runs"))
    seen: list[str] = []
    *_, report = run_bench(selection, several, started=lambda wanted, *_: seen.append(wanted.name))
    rounds = [seen[i : i + len(several.threads)] for i in range(0, len(seen), len(several.threads))]
    assert len(rounds) == 3
    assert all(sorted(turn) == sorted(rounds[0]) for turn in rounds)
    for result in report.results:
        assert len(result.process_runs) == 3
        assert sum(result.process_runs) == len(result.latency_ms.samples)
        low, high = result.p50_range_ms
        assert low <= result.latency_ms.p50 <= high
        assert result.parity is not None


def test_the_pack_is_evaluated_once_per_runtime_and_file(shared_export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[dict[str, object]] = []
    real, evaluated = bench.run_worker, accuracy.evaluate
    calls: list[object] = []
    monkeypatch.setattr(bench, "run_worker", lambda job, **more: jobs.append(job) or real(job, **more))
    monkeypatch.setattr(accuracy, "evaluate", lambda *a, **k: calls.append(a) or evaluated(*a, **k))
    host = dataclasses.replace(read_host(), usable_cores=2)
    chosen = dataclasses.replace(QUICK, threads=(1, 2), processes=2)
    files = [shared_export / "float32.tflite", shared_export / "int8.tflite"]
    *_, report = run_bench(select(files, runs_dir=Path("runs")), chosen, host=host)
    assert len(jobs) == 8
    assert sorted(str(job["model"]) for job in jobs if job["evaluate"]) == sorted(map(str, files))
    assert len(calls) == 2
    assert all(result.parity and result.parity.n == 90 for result in report.results)


def test_a_slow_warm_up_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten runs of twenty seconds are no silence of two hundred."""
    said = io.BytesIO()
    clock = iter(range(0, 10**18, 2 * worker.REPORT_EVERY_NS))
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(clock))
    model = SimpleNamespace(
        run=lambda _image: None,
        invoke=lambda: None,
        prepare=lambda image: image,
        write=lambda _: None,
        scores=lambda: None,
    )
    job = worker.Job("m", "r", 1, 5, 10, 0.0, None, [], None, 1, "", [], [])
    worker.measure(model, np.zeros((1, 2, 2, 3), np.uint8), job, said)  # type: ignore[arg-type]
    steps = [json.loads(line)["progress"] for line in said.getvalue().splitlines()]
    assert [[n, 5] for n in range(1, 6)] == steps[:5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--threads", "0"), "--threads 0: a network needs at least one"),
        (("--min-samples", "5"), "--min-samples 5: it must be at least 10"),
        (("--processes", "0"), "--processes 0: it must be at least 1"),
        (("--warmup", "-1"), "--warmup -1: it must be at least 0"),
        (("--input-range", "1"), "--input-range '1': write what black and white become"),
    ],
)
def test_an_option_is_named_as_it_is_typed(
    shared_export: Path, options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli("bench", str(shared_export / "int8.tflite"), *options) == 2
    assert message in capsys.readouterr().err


FAST = ("--min-seconds", "0", "--min-samples", "10")


@pytest.mark.parametrize("option", ["--json", "--junit"])
def test_what_cannot_be_written_is_known_before_anything_is_measured(
    shared_export: Path,
    tmp_path: Path,
    option: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "run_worker", lambda *_, **__: pytest.fail("it measured"))
    blocked = tmp_path / "file"
    blocked.touch()
    assert run_cli("bench", str(shared_export), *FAST, option, str(blocked / "report")) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "cannot write" in line


def test_a_full_disk_is_no_failed_gate_and_costs_no_table(
    shared_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = tmp_path / "answer.json"

    def full(_path: Path, _report: object) -> None:
        raise DiskFullError("no room")

    monkeypatch.setattr(record, "write_report", full)
    assert run_cli("bench", str(shared_export / "int8.tflite"), *FAST, "--json", str(answer)) == 2
    shown = capsys.readouterr()
    assert "int8" in shown.out
    assert "no room; the table above is all there is" in shown.err
    monkeypatch.setattr(atomic, "to_disk", lambda _path: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    monkeypatch.setattr(bench, "run_worker", lambda *_, **__: pytest.fail("it measured"))
    assert run_cli("bench", str(shared_export / "int8.tflite"), *FAST, "--json", str(answer)) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_cannot_be_written_is_benched_all_the_same(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    export.rename(run / "export")
    (run / "bench").touch()  # as good as a read-only folder, for root as well
    assert run_cli("bench", str(run), *FAST) == 2
    assert "or keep the report elsewhere with --json FILE" in capsys.readouterr().err
    assert run_cli("bench", str(run), *FAST, "--json", str(tmp_path / "a.json")) == 0
    assert "the run keeps no report" in capsys.readouterr().err
    assert read_report(tmp_path / "a.json").complete


def test_a_board_that_holds_an_export_alone_needs_no_run(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = tmp_path / "board"
    board.mkdir()
    shutil.copytree(export, board / "export")
    monkeypatch.chdir(board)
    assert run_cli("bench", *FAST) == 0
    (kept,) = (board / "bench").glob("*.json")
    assert read_report(kept).results
    assert run_cli("report", "--out", "page.html") == 0
    assert "int8" in (board / "page.html").read_text()
    shutil.copytree(board, tmp_path / "runs" / "r1")
    assert run_cli("report", "r1", "--runs-dir", str(tmp_path / "runs"), "--out", "again.html") == 0
    assert run_cli("bench", "--dry-run", "--runs-dir", str(tmp_path / "runs")) == 0


def test_no_temporary_folder_is_one_line(shared_export: Path, tmp_path: Path) -> None:
    code = (
        "import tempfile\n"
        "def nowhere(*_):\n    raise FileNotFoundError(2, \"No usable temporary directory found in ['/tmp']\")\n"
        "tempfile._get_default_tempdir = nowhere\n"
        "from batikkit.cli import main; main()"
    )
    for command in (
        ["bench", str(shared_export), *FAST],
        ["bench", "--json", "-", str(shared_export)],
        ["doctor", str(shared_export / "int8.tflite")],
    ):
        done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=120)
        assert done.returncode == 2, done.stderr
        assert "set TMPDIR to a folder that can be written" in done.stderr
        assert "Traceback" not in done.stderr


def test_every_reason_and_every_note_is_shown() -> None:
    doubtful = make_result(notes=("contended: a", "noisy: b"), valid=False)
    sound = make_result(variant="float32", notes=("hot: 81 °C",), valid=True)
    lines = footnotes(make_report(doubtful, sound))
    assert any("contended: a; noisy: b" in line for line in lines)
    assert any(line.startswith("float32") and "hot: 81 °C" in line for line in lines)


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
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            deadline = time.monotonic() + 240
            while not answer.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.5)
            child.send_signal(signal.SIGINT)
            table, complaint = child.communicate(timeout=240)
        finally:
            child.kill()  # where it has ended this does nothing
    assert "p50 ms" in table
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
        [*COMMAND, "bench", str(shared_export), "--json", str(answer), "--min-seconds", "0", "--min-samples", "10"],
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
    write_run(run)
    assert run_cli("bench", str(run)) == 2
    assert "run 'batikkit export' first" in capsys.readouterr().err


def test_statistics_are_derived_from_the_samples(shared_export: Path) -> None:
    *_, report = run_bench(select([shared_export / "int8.tflite"], runs_dir=Path("runs")), QUICK)
    latency = report.results[0].latency_ms
    assert latency.p50 == float(np.median(latency.samples))
