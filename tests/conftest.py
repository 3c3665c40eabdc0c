"""Fixtures every test package shares: where real photographs and weights lie, and images made on the spot."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHARED = Path(os.environ.get("BATIKKIT_DATA", Path(__file__).resolve().parents[2] / "shared"))


def _shared(relative: str) -> Path:
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"no {relative} under {SHARED}: set BATIKKIT_DATA to the folder that holds it")
    return path


@pytest.fixture(scope="session")
def batik10() -> Path:
    return _shared("data/batik10")


@pytest.fixture(scope="session")
def nitik20() -> Path:
    return _shared("data/nitik20")


@pytest.fixture(scope="session")
def messy() -> Path:
    return _shared("data/messy")


@pytest.fixture(scope="session")
def weights_035() -> Path:
    return _shared("weights/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5")


@pytest.fixture(scope="session")
def weights_100() -> Path:
    return _shared("weights/mobilenet_v2_1.0_224_no_top_tfslim_raw.h5")


@pytest.fixture
def stripes(tmp_path: Path) -> Path:
    """A data set of 3 classes x 12 images, 64 px: stripes of three directions with noise."""
    folder = tmp_path / "stripes"
    write_stripes(folder)
    return folder


def write_stripes(folder: Path, *, per_class: int = 12, size: int = 64) -> None:
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:size, :size]
    for name, phase in {"across": y, "diagonal": x + y, "upright": x}.items():
        (folder / name).mkdir(parents=True)
        for index in range(per_class):
            wave = 127 + 90 * np.sin(phase / rng.uniform(2, 4) + rng.uniform(0, 6))
            pixels = wave[..., None] * rng.uniform(0.5, 1, 3) + rng.normal(0, 12, (size, size, 3))
            image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            image.save(folder / name / f"{name}_{index:02d}.png")
