from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batikkit.cli import main
from batikkit_benchmarks.doctor import Installation, cure, examine

PI_64 = Installation((3, 11), 2, "aarch64", 64)
PI_32 = Installation((3, 11), 1, "armv7l", 32)
PI_32_NEW = Installation((3, 13), 2, "armv7l", 32)


@pytest.mark.parametrize(
    ("runtime", "problem", "here", "expected"),
    [
        ("ai-edge-litert", "not installed", PI_64, "pip install 'batikkit[pi]'"),
        ("ai-edge-litert", "not installed", PI_32, "64-bit Raspberry Pi OS, or pip install 'batikkit[pi-legacy]'"),
        ("ai-edge-litert", "not installed", PI_32_NEW, "use Python 3.11"),
        ("tflite-runtime", "not installed", PI_32_NEW, "no wheels for Python 3.13"),
        ("tflite-runtime", "AttributeError: _ARRAY_API not found", PI_64, "pip install 'numpy<2'"),
        ("tflite-runtime", "SystemError: initialization of _pywrap failed", PI_64, "pip install 'numpy<2'"),
        ("ai-edge-litert", "crashes (killed by SIGILL)", PI_64, "CPU lacks instructions"),
        ("ai-edge-litert", "ImportError: version `GLIBC_2.38' not found", PI_64, "bookworm"),
        ("ai-edge-litert", "ImportError: broken", PI_64, "pip install --force-reinstall ai-edge-litert"),
        ("tflite-runtime", "Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'", PI_32, "export it as"),
    ],
)
def test_every_failure_has_its_cure(runtime: str, problem: str, here: Installation, expected: str) -> None:
    answer = cure(runtime, problem, here)
    assert expected in answer
    assert "\n" not in answer


def test_installed_runtimes_work_here() -> None:
    found = {diagnosis.runtime: diagnosis for diagnosis in examine(("ai-edge-litert", "litert-compiled"))}
    for diagnosis in found.values():
        if diagnosis.problem != "not installed":
            assert diagnosis.problem is None
            assert diagnosis.version


def test_a_runtime_that_kills_its_process_is_diagnosed(tmp_path: Path) -> None:
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
    (found,) = examine(("tflite-runtime",), environment={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert found.problem == "crashes (killed by SIGILL)"
    assert "CPU lacks instructions" in str(found.cure)


def test_the_real_failure_under_numpy_2_is_cured(legacy_python: Path, tmp_path: Path) -> None:
    """tflite-runtime's own compiled module under this environment's NumPy 2: it imports, and fails when constructed."""
    import numpy as np

    if np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("needs NumPy 2 in this environment")
    (site,) = (legacy_python.parents[1] / "lib").glob("python3.*/site-packages")
    if site.parent.name != f"python{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip(f"{site.parent.name} modules do not load here")
    (tmp_path / "tflite_runtime").symlink_to(site / "tflite_runtime")
    (found,) = examine(("tflite-runtime",), environment={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert found.problem not in (None, "not installed")
    assert "pip install 'numpy<2'" in str(found.cure)


def test_the_command_lists_runtimes_and_tries_a_file(
    shared_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", str(shared_export / "int8.tflite"), "--json", str(tmp_path / "d.json")])
    assert caught.value.code == 0
    assert "works     ai-edge-litert" in capsys.readouterr().out
    answer = json.loads((tmp_path / "d.json").read_text())
    assert {entry["runtime"] for entry in answer["runtimes"]} >= {"ai-edge-litert", "tflite-runtime", "tensorflow"}
    assert any(entry["problem"] is None for entry in answer["file_runtimes"])


def test_tflite_runtime_benches_in_its_own_environment(
    legacy_python: Path, shared_export: Path, tmp_path: Path
) -> None:
    answer = tmp_path / "legacy.json"
    command = [legacy_python.with_name("batikkit"), "bench", shared_export, "--runtime", "tflite-runtime"]
    done = subprocess.run(
        [*command, "--json", answer, "--min-seconds", "0", "--runs", "10"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(answer.read_text())
    assert [result["runtime_version"] for result in report["results"]] == ["2.14.0"] * 3
    assert report["results"][0]["parity"]["agreement"] == 1.0
    assert report["host"]["libraries"]["numpy"].startswith("1.")
