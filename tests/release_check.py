"""Installs each extra from the wheel alone into a fresh environment and lets it do its work: `make release-check`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "android_demo_assets"
DRAWN = "from batikkit.cli import main; main(['data', 'synth', 'drawn', '--per-class', '1', '--size', '32'])"
WORK = {
    "pi": [
        ["batikkit", "verify", str(ASSETS)],
        ["batikkit", "predict", str(ASSETS), str(ASSETS / "golden" / "01-as-is.png")],
        ["batikkit", "bench", str(ASSETS), "--min-seconds", "0", "--min-samples", "10", "--json", "board.json"],
        ["batikkit", "report", "board.json", "--out", "boards.html"],
        ["python", "-c", f"from batikkit import bench; bench({str(ASSETS)!r}, min_seconds=0, min_samples=10).plot()"],
    ],
    "pi-legacy": [["batikkit", "bench", str(ASSETS), "--runtime", "tflite-runtime", "--dry-run"]],
    "train": [["python", "-c", "from batikkit.training import session; from batikkit_exporters.export import run"]],
    "qat": [["python", "-c", "import tensorflow_model_optimization"]],
    "heic": [["python", "-c", "from batikkit.image_kinds import unread_kinds; assert not unread_kinds()"]],
    "lite0": [["batikkit", "doctor"]],
    "demo": [["batikkit", "demo", "--help"], ["python", "-c", "import gradio"]],
}
"""What each extra is for, at its smallest."""


def main(folder: Path, extras: list[str]) -> None:
    """Stops at the first extra that does not install or work."""
    (wheel,) = folder.resolve().glob("*.whl")
    for extra in extras:
        with tempfile.TemporaryDirectory() as place:
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
            programs = Path(place) / "bin"
            install = [programs / "python", "-m", "pip", "install", "--quiet", f"batikkit[{extra}] @ {wheel.as_uri()}"]
            subprocess.run(install, check=True)
            for command in (["batikkit", "--version"], ["python", "-c", DRAWN], *WORK[extra]):
                subprocess.run([programs / command[0], *command[1:]], check=True, cwd=place, stdout=subprocess.DEVNULL)
            (packages,) = (Path(place) / "lib").glob("python3.*/site-packages")
            sizes = {
                part.name: _size_mb(part) for part in packages.iterdir() if not part.name.startswith(("pip", "set"))
            }
            largest = sorted(sizes, key=lambda name: -sizes[name])[:6]
            print(
                f"{extra}: works; {sum(sizes.values()):.0f} MB, of which "
                + ", ".join(f"{n} {sizes[n]:.0f}" for n in largest)
            )


def _size_mb(part: Path) -> float:
    files = part.rglob("*") if part.is_dir() else [part]
    return sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc") / 1e6


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
