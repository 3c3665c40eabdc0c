"""Settings of Keras that a user made for other programs change nothing here, however wild they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).resolve().parents[1] / "keras_facts.py"
ODD = {"floatx": "float16", "image_data_format": "channels_first", "epsilon": 0.5, "backend": "torch"}
HOSTILE: dict[str, tuple[Any, dict[str, str]]] = {
    "keras.json": (ODD, {}),
    "keras.json of nonsense": (["floatx"], {"KERAS_BACKEND": "jax"}),
    "KERAS_BACKEND": (None, {"KERAS_BACKEND": "torch", "KERAS_NNX_ENABLED": "true", "KERAS_MAX_EPOCHS": "many"}),
    "KERAS_HOME": ({**ODD, "floatx": "int8"}, {"TF_USE_LEGACY_KERAS": "1", "KERAS_BACKEND": "openvino"}),
}


def environment(home: Path, settings: Any, variables: dict[str, str]) -> dict[str, str]:
    """A real home folder with a real keras.json, and none of this process's settings."""
    (home / ".keras").mkdir(parents=True)
    if settings is not None:
        (home / ".keras" / "keras.json").write_text(json.dumps(settings))
    own = {name: value for name, value in os.environ.items() if not name.startswith(("KERAS_", "TF_"))}
    return {**own, "HOME": str(home), **variables}


def run(command: list[str], surroundings: dict[str, str]) -> str:
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("undisturbed")
    surroundings = environment(folder / "home", None, {})
    found: dict[str, Any] = json.loads(run([sys.executable, str(SCRIPT), str(folder)], surroundings))
    assert found["settings"] == [["channels_last", "float32", 1e-7]] * 2
    assert found["backend of Keras 3"] == "tensorflow"
    assert list((folder / "home" / ".keras").iterdir()) == []  # nor does batikkit leave settings behind
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_networks_are_the_same_under_any_settings(tmp_path: Path, undisturbed: dict[str, Any], name: str) -> None:
    surroundings = environment(tmp_path / "home", *HOSTILE[name])
    if name == "KERAS_HOME":
        surroundings["KERAS_HOME"] = str(tmp_path / "home" / ".keras")
        surroundings["HOME"] = str(tmp_path)
    assert json.loads(run([sys.executable, str(SCRIPT), str(tmp_path)], surroundings)) == undisturbed


def test_train_and_export_run_under_them(tmp_path: Path, stripes: Path) -> None:
    surroundings = environment(tmp_path / "home", ODD, {"KERAS_BACKEND": "torch"})
    runs = ["--runs-dir", str(tmp_path / "runs")]
    batikkit = [sys.executable, "-c", "from batikkit.cli import main; main()"]
    sizes = ["phase1_epochs=1", "phase2_epochs=1", "image_size=32", "views=1"]
    settings = [word for size in sizes for word in ("--set", size)]
    run([*batikkit, "train", str(stripes), "--preset", "smoke", "--weights", "none", *runs, *settings], surroundings)
    run([*batikkit, "export", *runs, "--float16"], surroundings)
    assert list(tmp_path.glob("runs/*/export/float16.tflite"))


def test_tensorflow_uses_no_more_threads_than_the_job_was_given(tmp_path: Path) -> None:
    surroundings = environment(tmp_path, None, {"SLURM_CPUS_PER_TASK": "1"})
    ask = "from batikkit.network.keras_backend import tf; print(tf.config.threading.get_intra_op_parallelism_threads())"
    granted = run([sys.executable, "-c", ask], surroundings)
    free = run([sys.executable, "-c", ask], {**surroundings, "SLURM_CPUS_PER_TASK": "100000"})
    if len(os.sched_getaffinity(0)) > 1:
        assert (granted, free) == ("1\n", "0\n")  # 0: TensorFlow's own choice
