from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from batikkit.errors import InputError
from batikkit.operating_system import describe_exit
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.tflite import tried
from batikkit.tflite.interpreters import find_runtime, probe_model, quiet_native, try_runtime
from batikkit.tflite.probe import Prober, probe
from batikkit.tflite.runtime import load_verified, open_model
from batikkit.tflite.tried import recall, remember, trial


def make_probe_model() -> bytes:
    """How toolkit/batikkit/tflite/probe.tflite was made: one SOFTMAX over float32 [1, 1, 1, 3]."""
    tensors = []
    for name in ("image", "prediction"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, [1, 1, 1, 3], schema.TensorType.FLOAT32, 0
        tensors.append(tensor)
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    operator.builtinOptionsType, operator.builtinOptions = (
        schema.BuiltinOptions.SoftmaxOptions,
        schema.SoftmaxOptionsT(),
    )
    operator.builtinOptions.beta = 1.0
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.SOFTMAX
    code.version = 1
    graph = schema.SubGraphT()
    graph.name, graph.tensors, graph.inputs, graph.outputs, graph.operators = "main", tensors, [0], [1], [operator]
    model = schema.ModelT()
    model.version, model.description = 3, "batikkit probe"
    model.operatorCodes, model.subgraphs, model.buffers = [code], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(512)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_the_built_in_model_is_what_its_function_makes() -> None:
    assert probe_model() == make_probe_model()


@pytest.mark.parametrize(
    "runtime", ["ai-edge-litert", "litert-compiled", pytest.param("tensorflow", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("variant", ["float32", "float16", "int8"])
def test_every_runtime_gives_the_keras_models_answers(shared_export: Path, runtime: str, variant: str) -> None:
    if try_runtime(runtime) == "not installed":
        pytest.skip(f"{runtime} is not installed")
    pack = read_parity_pack(shared_export / "parity.npz")
    model = open_model(shared_export / f"{variant}.tflite", runtime=runtime)
    scores = model.predict(np.stack(list(iter_images(pack))))
    assert scores.dtype == np.float32
    assert scores.shape == pack.probabilities.shape
    assert model.input.dtype == ("uint8" if variant == "int8" else "float32")
    tolerance = {"float32": 1e-4, "float16": 0.03, "int8": 0.5}[variant]
    assert np.abs(scores - pack.probabilities).max() < tolerance
    assert np.mean(scores.argmax(1) == pack.probabilities.argmax(1)) > 0.9


def test_the_same_image_gives_the_same_answer_alone_and_in_a_batch(shared_export: Path) -> None:
    images = np.stack(list(iter_images(read_parity_pack(shared_export / "parity.npz"))))[:5]
    model = open_model(shared_export / "int8.tflite")
    together = model.predict(images)
    np.testing.assert_array_equal(together[3], model.classify(images[3]))
    assert model.predict(images[:0]).shape == (0, 3)


def test_nothing_is_printed_by_native_code(shared_export: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path; from batikkit.tflite.runtime import open_model\n"
        "open_model(Path(sys.argv[1])).predict(np.zeros((1, 96, 96, 3), np.uint8))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(shared_export / "float32.tflite")], capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""


def test_a_wrong_image_size_and_a_wrong_runtime_name_are_explained(shared_export: Path) -> None:
    with pytest.raises(InputError, match=r"shape \(32, 32, 3\)"):
        open_model(shared_export / "int8.tflite").classify(np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(InputError, match="choose ai-edge-litert"):
        find_runtime("onnx")


def test_a_model_that_answers_per_pixel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"answers \[1, 1, 2, 3\], not one probability"):
        open_model(_two_pixel_model(tmp_path))


def _two_pixel_model(folder: Path) -> Path:
    """The built-in model with its shape changed to [1, 1, 2, 3]: six answers for two pixels."""
    pattern = np.array([1, 1, 1, 3], np.int32).tobytes()
    content = probe_model().replace(pattern, np.array([1, 1, 2, 3], np.int32).tobytes())
    assert content != probe_model()
    path = folder / "two.tflite"
    path.write_bytes(content)
    return path


def test_probe_accepts_a_sound_file_and_refuses_a_damaged_one(shared_export: Path, tmp_path: Path) -> None:
    probe(shared_export / "int8.tflite")
    broken = tmp_path / "half.tflite"
    broken.write_bytes((shared_export / "int8.tflite").read_bytes()[:20_000])
    with pytest.raises(InputError, match=r"half\.tflite"):
        probe(broken)


def test_a_child_that_dies_or_hangs_becomes_one_line(
    shared_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stand-in for a crashing runtime: the child's own runtime package is one that aborts, or sleeps.
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    (package / "interpreter.py").write_text("import os\nos.abort()\n")
    with pytest.raises(InputError, match="SIGABRT"):
        probe(shared_export / "int8.tflite", runtime="tflite-runtime")
    (package / "interpreter.py").write_text("import time\ntime.sleep(60)\n")
    with Prober(runtime="tflite-runtime", time_limit_s=2) as prober:
        for _ in range(2):
            with pytest.raises(InputError, match="within 2 s"):
                prober.probe(shared_export / "int8.tflite")


@pytest.fixture
def forgetful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing was tried yet."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_child_tries_first_and_its_answer_is_remembered(
    export: Path, forgetful: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest proves that a file ran where it was exported, not on this processor."""
    real = sys.executable
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(FileNotFoundError):
        open_model(export / "int8.tflite")
    monkeypatch.setattr(sys, "executable", real)
    open_model(export / "int8.tflite")
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert open_model(export / "int8.tflite").runtime == "ai-edge-litert"
    with pytest.raises(FileNotFoundError):  # another file is another question
        open_model(export / "float16.tflite")
    shutil.rmtree(forgetful)
    with pytest.raises(FileNotFoundError):
        open_model(export / "int8.tflite")


def test_another_processor_or_another_package_is_asked_again(
    forgetful: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tried.runtime_key("ai-edge-litert")
    remember(key, "crashes (killed by SIGILL)")
    assert trial("ai-edge-litert") == "crashes (killed by SIGILL)"
    monkeypatch.setattr(tried, "processor", lambda: "a board that the card was put into")
    assert trial("ai-edge-litert") is None
    monkeypatch.undo()
    assert tried.runtime_key("ai-edge-litert") == key


def test_what_another_user_wrote_is_not_believed(forgetful: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember("k", "crashes")
    assert recall() == {"k": "crashes"}
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    forgetful.chmod(0o755)
    (forgetful / f"batikkit-{os.getuid()}").symlink_to(next(forgetful.glob("batikkit-*")))
    assert recall() == {}


BROKEN = "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n"


@pytest.mark.parametrize("command", [["bench", "{}"], ["bench", "--dry-run", "{}"], ["predict", "{}", "x.png"]])
def test_a_wheel_built_for_another_processor_kills_no_command(
    shared_export: Path, forgetful: Path, tmp_path: Path, command: list[str]
) -> None:
    """The preferred runtime dies of its first instruction: the next one is taken, or the reason is told in one line."""
    site = tmp_path / "site"
    for package in ("ai_edge_litert", "tflite_runtime", "tensorflow"):
        (site / package).mkdir(parents=True)
        (site / package / "__init__.py").write_text(BROKEN)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]),
        "TMPDIR": str(forgetful),
    }
    words = [word.format(shared_export / "int8.tflite") for word in command]
    done = subprocess.run(
        [sys.executable, "-c", "from batikkit.cli import main; main()", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "no working runtime (ai-edge-litert: crashes (killed by SIGILL); " in line


def test_the_first_that_works_falls_back(shared_export: Path, forgetful: Path, tmp_path: Path) -> None:
    """The preferred runtime kills its process; the next one (here the real LiteRT under its name) is taken."""
    site = tmp_path / "site"
    for package in ("ai_edge_litert", "tflite_runtime"):
        (site / package).mkdir(parents=True)
        (site / package / "__init__.py").touch()
    (site / "ai_edge_litert" / "interpreter.py").write_text(BROKEN)
    (site / "tflite_runtime" / "interpreter.py").write_text(
        f"import sys\nsys.path.remove({str(site)!r})\nfrom ai_edge_litert.interpreter import Interpreter\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]),
        "TMPDIR": str(forgetful),
    }
    done = subprocess.run(
        [sys.executable, "-c", "from batikkit.cli import main; main()", "bench", "--dry-run",
         shared_export / "int8.tflite"],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "runs under tflite-runtime" in done.stdout


def test_a_crash_is_blamed_on_the_runtime_where_the_runtime_is_at_fault(
    shared_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(InputError, match=r"does not work here \(crashes \(killed by SIGILL\)\); .* is not to blame"):
        probe(shared_export / "int8.tflite", runtime="tflite-runtime")


@pytest.mark.parametrize("runtime", ["ai-edge-litert", "litert-compiled"])
def test_only_the_runtimes_own_work_is_charged_to_loading(
    shared_export: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading and verifying the file is ours: whatever it takes, `init_ms` knows nothing of it."""
    if try_runtime(runtime) is not None:
        pytest.skip(f"{runtime} does not work here")
    from batikkit.tflite import file, interpreters

    reads: list[Path] = []
    real = file.read_tflite
    monkeypatch.setattr(file, "read_tflite", lambda path: reads.append(path) or real(path))
    engine = interpreters.construct
    inside: list[int] = []

    def counted(*arguments: object, **named: object) -> object:
        before = len(reads)
        made = engine(*arguments, **named)  # type: ignore[arg-type]
        inside.append(len(reads) - before)
        return made

    monkeypatch.setattr("batikkit.tflite.runtime.construct", counted)
    model = real(shared_export / "int8.tflite")
    load_verified(shared_export / "int8.tflite", runtime=runtime, threads=1, model=model)
    assert inside == [0]
    assert reads == []


def test_the_end_of_a_process_is_quiet_too(shared_export: Path) -> None:
    """CompiledModel's environment logs when the process ends."""
    code = (
        "import sys; from pathlib import Path; from batikkit.tflite.runtime import load_verified\n"
        "kept = load_verified(Path(sys.argv[1]), runtime='litert-compiled', threads=1)\n"
    )
    if try_runtime("litert-compiled") is not None:
        pytest.skip("litert-compiled does not work here")
    done = subprocess.run(
        [sys.executable, "-c", code, str(shared_export / "float32.tflite")], capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""


def test_an_exit_status_is_told_in_words() -> None:
    assert describe_exit(-11) == "killed by SIGSEGV"
    assert describe_exit(3) == "exit code 3"


def test_tflite_runtime_214_gives_the_same_answers(legacy_python: Path, shared_export: Path) -> None:
    code = """
import sys, json, numpy as np
from pathlib import Path
from batikkit.tflite.interpreters import try_runtime
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.tflite.runtime import open_model
folder = Path(sys.argv[1])
images = np.stack(list(iter_images(read_parity_pack(folder / "parity.npz"))))
scores = {v: open_model(folder / f"{v}.tflite", runtime="tflite-runtime").predict(images).tolist()
          for v in ("float32", "int8")}
print(json.dumps({"problem": try_runtime("tflite-runtime"), "scores": scores}))
"""
    done = subprocess.run([legacy_python, "-c", code, shared_export], capture_output=True, text=True, check=True)
    import json

    answer = json.loads(done.stdout)
    pack = read_parity_pack(shared_export / "parity.npz")
    assert answer["problem"] is None
    assert np.abs(np.array(answer["scores"]["float32"]) - pack.probabilities).max() < 1e-3
    assert np.mean(np.array(answer["scores"]["int8"]).argmax(1) == pack.probabilities.argmax(1)) > 0.9
    assert done.stderr == ""


def test_two_threads_being_quiet_leave_standard_error_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    filters = list(warnings.filters)
    first, second = quiet_native(), quiet_native()
    first.__enter__()
    with ThreadPoolExecutor(1) as other:  # overlapping, not nested: the first goes out while the second is inside
        other.submit(second.__enter__).result()
        first.__exit__(None, None, None)
        os.write(2, b"not heard")
        other.submit(second.__exit__, None, None, None).result()
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
    assert list(warnings.filters) == filters
