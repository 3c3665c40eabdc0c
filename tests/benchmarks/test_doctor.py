from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batikkit.cli import main
from batikkit_benchmarks.bench import run_bench
from batikkit_benchmarks.doctor import Installation, cure, file_cure, probe_file, probe_runtimes
from batikkit_benchmarks.plan import Settings
from batikkit_benchmarks.targets import select

PI_64 = Installation((3, 11), 2, "aarch64", 64)
PI_32 = Installation((3, 11), 1, "armv7l", 32)
PI_64_NEW = Installation((3, 13), 2, "aarch64", 64)
PI_32_ON_64 = Installation((3, 11), 1, "aarch64", 32)
EMULATED = Installation((3, 11), 2, "aarch64", 64, emulated=True)
PI_32_NEW = Installation((3, 13), 2, "armv7l", 32)


@pytest.mark.parametrize(
    ("runtime", "problem", "here", "expected"),
    [
        ("ai-edge-litert", "not installed", PI_64, "pip install 'batikkit[pi]'"),
        ("ai-edge-litert", "not installed", PI_32, "64-bit Raspberry Pi OS, or pip install 'batikkit[pi-legacy]'"),
        ("ai-edge-litert", "not installed", PI_32_NEW, "use Python 3.11"),
        ("tflite-runtime", "not installed", PI_32_NEW, "no wheels for Python 3.13"),
        ("tflite-runtime", "not installed", PI_64_NEW, "pip install 'batikkit[pi]' instead, or use Python 3.11"),
        ("tflite-runtime", "not installed", PI_64, "pip install 'batikkit[pi-legacy]'"),
        ("litert-compiled", "not installed", PI_32_ON_64, "no wheels for 32-bit ARM"),
        ("tflite-runtime", "AttributeError: _ARRAY_API not found", PI_64, "pip install 'numpy<2'"),
        ("tflite-runtime", "SystemError: initialization of _pywrap failed", PI_64, "pip install 'numpy<2'"),
        ("ai-edge-litert", "crashes (killed by SIGILL)", PI_64, "CPU lacks instructions"),
        ("litert-compiled", "crashes (killed by SIGILL)", PI_64, "use ai-edge-litert, the Interpreter"),
        ("litert-compiled", "crashes (killed by SIGILL): compiled with lse enabled", EMULATED, "use ai-edge-litert"),
        ("litert-compiled", "crashes (killed by SIGILL)", EMULATED, "try on the board itself"),
        ("ai-edge-litert", "crashes (killed by SIGSEGV)", PI_64, "pip install --force-reinstall ai-edge-litert"),
        ("ai-edge-litert", "crashes (killed by SIGSEGV)", EMULATED, "try on the board itself"),
        ("ai-edge-litert", "ImportError: version `GLIBC_2.38' not found", PI_64, "bookworm"),
        ("ai-edge-litert", "ImportError: broken", PI_64, "pip install --force-reinstall ai-edge-litert"),
    ],
)
def test_every_failure_has_its_cure(runtime: str, problem: str, here: Installation, expected: str) -> None:
    answer = cure(runtime, problem, here)
    assert expected in answer
    assert "\n" not in answer


def beside(folder: Path) -> dict[str, str]:
    """An environment that finds packages in `folder` first."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


# What LiteRT 2.3.0 says on a Cortex-A72, last.
LSE = (
    "FATAL ERROR: This binary was compiled with lse enabled, but this feature is not available on this processor "
    "(go/sigill-fail-fast)."
)


def test_the_runtimes_own_last_words_are_kept(tmp_path: Path) -> None:
    """A library that needs other instructions says so in its constructor and dies; notes on progress do not count."""
    package = tmp_path / "ai_edge_litert"
    package.mkdir()
    (package / "__init__.py").touch()
    said = "INFO: [gpu_registry.cc:130] Attempting to load GPU accelerator(libLiteRtWebGpuAccelerator.so).\n" + LSE
    said += "\nINFO: going on\n\0qemu: uncaught target signal 4 (Illegal instruction) - core dumped\n"
    (package / "compiled_model.py").write_text(
        f"import os, signal\nos.write(2, {said.encode()!r})\nos.kill(os.getpid(), signal.SIGILL)\n"
    )
    (found,) = probe_runtimes(("litert-compiled",), environment=beside(tmp_path))
    assert found.problem == f"crashes (killed by SIGILL): {LSE}"
    assert "use ai-edge-litert, the Interpreter of the same package" in str(found.cure)
    assert "Raspberry Pi 2" not in str(found.cure)


def test_installed_runtimes_work_here() -> None:
    found = {diagnosis.runtime: diagnosis for diagnosis in probe_runtimes(("ai-edge-litert", "litert-compiled"))}
    for diagnosis in found.values():
        if diagnosis.problem != "not installed":
            assert diagnosis.problem is None
            assert diagnosis.version


def test_a_runtime_that_kills_its_process_is_diagnosed(tmp_path: Path) -> None:
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
    (found,) = probe_runtimes(("tflite-runtime",), environment=beside(tmp_path))
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
    (found,) = probe_runtimes(("tflite-runtime",), environment=beside(tmp_path))
    assert found.problem not in (None, "not installed")
    assert "pip install 'numpy<2'" in str(found.cure)


def too_new(folder: Path) -> Path:
    """The built-in model with its operator at a version that no runtime knows."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    from batikkit.tflite.interpreters import probe_model

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(probe_model()))
    model.operatorCodes[0].version = 99
    builder = flatbuffers.Builder(512)
    builder.Finish(model.Pack(builder), b"TFL3")
    path = folder / "new.tflite"
    path.write_bytes(bytes(builder.Output()))
    return path


def test_an_operator_version_too_new_is_cured(tmp_path: Path) -> None:
    interpreter, compiled = probe_file(too_new(tmp_path), ("ai-edge-litert", "litert-compiled"))
    assert "Didn't find op for builtin opcode 'SOFTMAX' version '99'" in str(interpreter.problem)
    assert str(compiled.problem).endswith("Failed to build TFL interpreter")
    for found in (interpreter, compiled):
        assert "the file needs a newer runtime: export it as float32, float16 or int8" in str(found.cure)


def test_the_bench_says_the_same_of_it(tmp_path: Path) -> None:
    *_, report = run_bench(select([too_new(tmp_path)], runs_dir=tmp_path), Settings())
    (failure,) = report.failures
    assert "version '99'" in failure.reason
    assert "the file needs a newer runtime" in failure.reason


def test_a_file_that_crashes_a_working_runtime_is_no_broken_installation() -> None:
    assert "the runtime itself works" in file_cure("x.tflite crashes the runtime (killed by SIGSEGV)")


def test_tflite_runtime_refuses_what_is_too_new_for_it(legacy_python: Path, tmp_path: Path) -> None:
    doctor = [legacy_python.with_name("batikkit"), "doctor", too_new(tmp_path)]
    done = subprocess.run(doctor, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "works     tflite-runtime 2.14.0" in done.stdout
    assert "Didn't find op for builtin opcode 'SOFTMAX' version '99'" in done.stdout
    assert "cure    the file needs a newer runtime" in done.stdout


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
        [*command, "--json", answer, "--min-seconds", "0", "--min-samples", "10"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(answer.read_text())
    assert [result["runtime_version"] for result in report["results"]] == ["2.14.0"] * 3
    assert report["results"][0]["parity"]["agreement"] == 1.0
    assert report["host"]["libraries"]["numpy"].startswith("1.")


def test_a_numpy_without_its_libraries_is_one_line(tmp_path: Path) -> None:
    """The commonest broken installation on a Pi: a NumPy whose BLAS the system lacks. A stand-in says the same."""
    package = tmp_path / "numpy"
    package.mkdir()
    complaint = "libopenblas.so.0: cannot open shared object file: No such file or directory"
    (package / "__init__.py").write_text(
        f"raise ImportError('IMPORTANT: read this.\\nOriginal error was: {complaint}')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    for command in (["doctor"], ["bench", "x.tflite"], ["predict", "x.tflite", "x.jpg"]):
        code = "from batikkit.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *command], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 2, done.stderr
        (line,) = done.stderr.strip().splitlines()
        assert complaint in line
        assert "sudo apt install libopenblas0" in line
