"""A real export folder, built once per test session in a child process and copied for tests that write into it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for boards and sample_report

LEGACY_PYTHON = Path(os.environ.get("BATIKKIT_LEGACY_PYTHON", Path(__file__).parents[2] / ".venv-legacy/bin/python"))


@pytest.fixture(scope="session")
def shared_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """float32, float16 and int8 files, manifests, labels and a parity pack of 90 images; do not write into it."""
    ready = os.environ.get("BATIKKIT_TEST_EXPORT")
    if ready:
        return Path(ready)
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("building the test models needs batikkit[train]")
    folder = tmp_path_factory.mktemp("model") / "export"
    script = Path(__file__).with_name("make_export.py")
    done = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="session")
def foreign_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that other people would make, without manifests, beside a parity pack; do not write into it."""
    ready = os.environ.get("BATIKKIT_TEST_FOREIGN")
    if ready:
        return Path(ready)
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("building the test models needs batikkit[train]")
    folder = tmp_path_factory.mktemp("foreign") / "export"
    script = Path(__file__).with_name("make_foreign.py")
    done = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture
def export(shared_export: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    shutil.copytree(shared_export, folder)
    return folder


@pytest.fixture(scope="session")
def legacy_python() -> Path:
    """Python with tflite-runtime 2.14 and NumPy 1, and batikkit installed."""
    if not LEGACY_PYTHON.exists():
        pytest.skip(f"no {LEGACY_PYTHON}: python3.11 -m venv .venv-legacy; pip install 'batikkit[pi-legacy]' into it")
    return LEGACY_PYTHON
