"""Settings of Keras that a user made for other programs change nothing here, however wild they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from batikkit.processors import worker_count

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
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script finds under each environment; its start is what takes time, so several start at once."""

    def found(name: str) -> Any:
        folder = tmp_path_factory.mktemp("facts")
        surroundings = environment(folder / "home", *HOSTILE.get(name, (None, {})))
        if name == "KERAS_HOME":
            surroundings["KERAS_HOME"] = str(folder / "home" / ".keras")
            surroundings["HOME"] = str(folder)
        answer = json.loads(run([sys.executable, str(SCRIPT), str(folder)], surroundings))
        return answer, sorted(path.name for path in (folder / "home" / ".keras").iterdir())

    names = ["undisturbed", *HOSTILE]
    with ThreadPoolExecutor(worker_count()) as pool:
        return dict(zip(names, pool.map(found, names), strict=True))


def test_a_home_without_settings_gets_none(facts: dict[str, Any]) -> None:
    found, left = facts["undisturbed"]
    assert found["settings"] == [["channels_last", "float32", 1e-7]] * 2
    assert found["backend of Keras 3"] == "tensorflow"
    assert left == []


@pytest.mark.parametrize("name", HOSTILE)
def test_networks_are_the_same_under_any_settings(facts: dict[str, Any], name: str) -> None:
    assert facts[name][0] == facts["undisturbed"][0]


def test_train_and_export_run_under_them(tmp_path: Path, stripes: Path) -> None:
    surroundings = environment(tmp_path / "home", ODD, {"KERAS_BACKEND": "torch"})
    runs = ["--runs-dir", str(tmp_path / "runs")]
    batikkit = [sys.executable, "-c", "from batikkit.cli import main; main()"]
    sizes = ["network=plain-cnn", "frozen_layers=-1", "phase1_epochs=0", "phase2_epochs=1", "image_size=32", "views=1"]
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
