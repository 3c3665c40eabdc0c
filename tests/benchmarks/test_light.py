"""What the owner of a small board gets: `pip install 'batikkit[pi]'` for real, in an environment of its own."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("toolkit/batikkit", "benchmarks/batikkit_benchmarks")
HEAVY = frozenset(
    {
        "tensorflow", "tensorflow-cpu", "tf-keras", "keras", "scipy", "matplotlib", "mediapipe", "scikit-learn",
        "pandas", "imagehash", "opencv-python", "jax", "torch", "h5py",
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def installed() -> Path:
    """The `bin` folder of an environment that holds this very batikkit as a wheel, and nothing but what it needs."""
    default = ROOT / ".venv-pi/bin/python"
    python = Path(os.environ.get("BATIKKIT_PI_PYTHON", default))
    if not python.exists():
        pytest.skip(f"no {python}: make light")
    (site,) = (python.parents[1] / "lib").glob("python3.*/site-packages")
    for source in SOURCES:
        for file in (ROOT / source).rglob("*.py"):
            copy = site / file.relative_to((ROOT / source).parent)
            if copy.exists() and copy.read_bytes() != file.read_bytes():
                pytest.skip(f"{copy} is not the present source: make light")
    return python.parent


def cpu_seconds(*command: object, tries: int = 3) -> float:
    """Processor time of a command and its children, the best of a few: on an idle machine that is how long it takes."""
    found = []
    for _ in range(tries):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=120)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def test_nothing_heavy_comes_along(installed: Path) -> None:
    done = subprocess.run(
        [installed / "python", "-m", "pip", "list", "--format", "json"], check=True, capture_output=True, text=True
    )
    packages = {entry["name"].lower() for entry in json.loads(done.stdout)}
    assert {"batikkit", "numpy", "pillow", "ai-edge-litert"} <= packages
    assert not packages & HEAVY


def test_the_wheel_holds_every_file(installed: Path) -> None:
    """Budgets, the built-in model and the page's style are data, which packaging forgets easily."""
    (site,) = (installed.parent / "lib").glob("python3.*/site-packages")
    for source in SOURCES:
        files = [file for file in (ROOT / source).rglob("*") if file.is_file() and "__pycache__" not in file.parts]
        absent = [file.name for file in files if not (site / file.relative_to((ROOT / source).parent)).exists()]
        assert absent == []


def test_help_comes_at_once(installed: Path) -> None:
    assert cpu_seconds(installed / "batikkit", "--help") < 0.35


def test_a_dry_run_of_one_file_takes_under_two_seconds(installed: Path, shared_export: Path) -> None:
    assert cpu_seconds(installed / "batikkit", "bench", "--dry-run", shared_export / "int8.tflite") < 2.0


def test_the_export_folder_is_all_it_needs(installed: Path, shared_export: Path, tmp_path: Path) -> None:
    """Nothing else on the device: an empty home, another working directory, no environment to lean on."""
    folder, home = tmp_path / "board" / "export", tmp_path / "home"
    home.mkdir()
    shutil.copytree(shared_export, folder)
    done = subprocess.run(
        [
            installed / "batikkit",
            "bench",
            "export",
            "--min-seconds",
            "0",
            "--min-samples",
            "10",
            "--json",
            "board.json",
        ],
        cwd=folder.parent,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((folder.parent / "board.json").read_text())
    assert {result["variant"] for result in report["results"]} == {"float32", "float16", "int8"}
    assert all(result["parity"]["agreement"] > 0.9 for result in report["results"])
    page = [installed / "batikkit", "report", "board.json", "--out", "board.html"]
    subprocess.run(page, cwd=folder.parent, check=True, capture_output=True, timeout=120)
    assert (folder.parent / "board.html").stat().st_size > 10_000
    assert [entry.name for entry in home.iterdir()] == []


def test_so_is_the_drop_in_folder(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "android_demo_assets", tmp_path / "android_demo_assets")
    done = subprocess.run(
        [installed / "batikkit", "bench", "android_demo_assets", "--dry-run"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "int8: " in done.stdout
    assert "runs under ai-edge-litert" in done.stdout
