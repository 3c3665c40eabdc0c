"""Fixtures every test package shares: where real photographs and weights lie, and images made on the spot."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside it

from drawn_stripes import write_stripes
from kept_builders import kept

if TYPE_CHECKING:
    from with_other import Asked

SHARED = Path(os.environ.get("BATIKKIT_DATA", Path(__file__).resolve().parents[2] / "shared"))


def _shared(relative: str) -> Path:
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"no {relative} under {SHARED}: set BATIKKIT_DATA to the folder that holds it")
    return path


@pytest.fixture(scope="session", autouse=True)
def _builders_are_kept() -> Iterator[None]:
    with kept():
        yield


@pytest.fixture(scope="session")
def batik10() -> Path:
    return _shared("data/batik10")


@pytest.fixture(scope="session")
def nitik20() -> Path:
    return _shared("data/nitik20")


@pytest.fixture(scope="session")
def cloths() -> Path:
    return _shared("data/cloths")


@pytest.fixture(scope="session")
def messy() -> Path:
    return _shared("data/messy")


@pytest.fixture(scope="session")
def weights_035() -> Path:
    return _shared("weights/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5")


@pytest.fixture(scope="session")
def weights_or_none() -> str:
    """The alpha 0.35 ImageNet weights where they are, else `none`: for tests that hold either way."""
    path = SHARED / "weights/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    return str(path) if path.exists() else "none"


@pytest.fixture(scope="session")
def weights_100() -> Path:
    return _shared("weights/mobilenet_v2_1.0_224_no_top_tfslim_raw.h5")


@pytest.fixture
def stripes(tmp_path: Path) -> Path:
    """A data set of 3 classes x 12 images, 64 px: stripes of three directions, unevenly dyed, with noise."""
    folder = tmp_path / "stripes"
    write_stripes(folder)
    return folder


@pytest.fixture(scope="session")
def stripes_for_training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "stripes"
    write_stripes(folder)
    return folder


@pytest.fixture(scope="session")
def trained_run(stripes_for_training: Path, weights_035: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the smoke preset on stripes."""
    from batikkit.cli import main
    from batikkit.runs import newest_run

    runs_dir = tmp_path_factory.mktemp("runs")
    command = ["train", str(stripes_for_training), "--preset", "smoke", "--weights", str(weights_035)]
    with pytest.raises(SystemExit) as done:
        main([*command, "--runs-dir", str(runs_dir)])
    assert done.value.code == 0
    return newest_run(runs_dir)


@pytest.fixture(scope="session")
def short_run(stripes_for_training: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a short network of 64 px that has learned the stripes; read only.

    For what is done to runs, where a whole MobileNetV2 would only take longer to load, trace and convert.
    """
    pytest.importorskip("tensorflow")
    from batikkit.runs import newest_run
    from commands import run
    from short_network import TAUGHT, shortened

    runs_dir = tmp_path_factory.mktemp("short-runs")
    with shortened():
        settings = [word for setting in TAUGHT for word in ("--set", setting)]
        begun = ("train", stripes_for_training, "--preset", "smoke", "--weights", "none", "--runs-dir", runs_dir)
        assert run(*begun, *settings) == 0
    return newest_run(runs_dir)


@pytest.fixture
def short_mobilenet() -> Iterator[None]:
    """`mobilenet-v2` without weights is short and quickly built: where what it learns is not what is asked."""
    pytest.importorskip("tensorflow")
    from short_network import shortened

    with shortened():
        yield


@pytest.fixture(scope="session")
def run_with_other(tmp_path_factory: pytest.TempPathFactory, weights_or_none: str) -> tuple[Path, Path]:
    """A run that was shown strangers, exported as float32, and the folder of its photographs and of more strangers."""
    from with_other import train_with_other

    place = tmp_path_factory.mktemp("other")
    return train_with_other(place, weights_or_none), place


@pytest.fixture(scope="session")
def asked_with_other(run_with_other: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Assets of that run and what Python says of pictures; read only."""
    from with_other import ask

    return ask(*run_with_other, tmp_path_factory.mktemp("asked"))


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileNetV2 0.35 in the layout of Keras' weight files; what is in it was drawn by chance."""
    pytest.importorskip("tf_keras")
    from batikkit.network.keras_backend import keras

    keras.utils.set_random_seed(1)
    net = keras.applications.MobileNetV2(alpha=0.35, include_top=False, weights=None, input_shape=(96, 96, 3))
    for layer in net.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.3
    pixels = np.random.default_rng(1).uniform(-1, 1, (8, 6, 6, 3)).repeat(16, axis=1).repeat(16, axis=2)
    for _ in range(6):  # statistics as training would leave them: without them random weights saturate
        net(pixels.astype(np.float32), training=True)
    file = tmp_path_factory.mktemp("weights") / "mobilenet.h5"
    net.save_weights(file)
    return file


@pytest.fixture(scope="session")
def untrained() -> dict[str, bytes]:
    """MobileNetV2 0.35 at 96 px as `fit --pack` makes it for the stripes: variant -> file."""
    pytest.importorskip("tensorflow")
    from batikkit.fit.candidates import Candidate
    from batikkit_exporters.export.untrained import untrained_files

    return untrained_files(Candidate("mobilenet-v2", 0.35, 96), ("across", "diagonal", "upright"))


@pytest.fixture(scope="session")
def tflite_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small classifier as float32, float16, dynamic and int8 .tflite, and others/ with many operators; read only."""
    ready = os.environ.get("BATIKKIT_TEST_TFLITE")
    if ready:
        return Path(ready)
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("building the test models needs batikkit[train]")
    folder = tmp_path_factory.mktemp("tflite") / "models"
    # A child process, so that TensorFlow's warnings and memory stay out of the tests.
    script = Path(__file__).with_name("make_tflite.py")
    done = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder
