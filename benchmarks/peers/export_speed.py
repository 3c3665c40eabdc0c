"""Wall time and peak memory of `batikkit export` against a script that calls the converter once per variant by hand.

    python benchmarks/peers/export_speed.py RUN
    python benchmarks/peers/export_speed.py RUN --rounds 3

Both start from the run's `model.keras`, in a process of their own, and end with a float32, a float16 and an int8 file;
int8 is calibrated on the same photographs. batikkit also runs the test photographs, proves every file and attaches its
metadata, which the plain script does not. Rounds alternate which goes first, so that other programs hit both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

SYSTEMS = ("by hand", "batikkit")
VARIANTS = ("float32", "float16", "int8")
PAGE = os.sysconf("SC_PAGE_SIZE")
SAMPLE_SECONDS = 0.2


def export_by_hand(run: Path, folder: Path) -> None:
    """What the converter's manual shows, once per variant: three files in `folder`."""
    from batikkit.config import read_config
    from batikkit.data.split import read_split
    from batikkit.network.keras_backend import tf
    from batikkit.network.model import load_model
    from batikkit.runs import read_run
    from batikkit_exporters.calibration import draw_calibration

    config, root = read_config(run / "config.toml"), Path(read_run(run)["data"]["root"])
    drawn = draw_calibration(read_split(run / "split.csv"), root=root, image_size=config.image_size)
    net = load_model(run / "model.keras")
    for variant in VARIANTS:
        converter = tf.lite.TFLiteConverter.from_keras_model(net)
        if variant != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if variant == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if variant == "int8":
            converter.representative_dataset = lambda: ([image] for image in drawn.images())
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
        (folder / f"{variant}.tflite").write_bytes(converter.convert())


def measure(command: list[str]) -> dict[str, float]:
    """Wall seconds, processor seconds and peak resident bytes of a command and all its children together."""
    before = os.times()
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            peak[0] = max(peak[0], _resident(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, problem = child.communicate()
    seconds, after = time.perf_counter() - started, os.times()
    ended.set()
    watcher.join()
    if child.returncode:
        sys.exit(f"{' '.join(command)} ended with {child.returncode}: {problem[-2000:]}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return {"seconds": seconds, "processor_seconds": spent, "peak_mb": peak[0] / 1e6}


def _resident(pid: int) -> int:
    """Bytes of a process and all below it; pages that they share count each time."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = {int(child) for task in tasks for child in (task / "children").read_text().split()}
    except OSError:  # it has just ended
        return 0
    return pages * PAGE + sum(_resident(child) for child in children)


def _command(system: str, run: Path, folder: Path) -> list[str]:
    if system == "by hand":
        return [sys.executable, __file__, str(run), "--by-hand", str(folder)]
    copy = folder / run.name
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("export"))  # a finished export would be left as it is
    return [sys.executable, "-c", "from batikkit.cli import main; main()", "export", str(copy)]


def _round(run: Path, systems: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    both = {}
    for system in systems:
        with tempfile.TemporaryDirectory() as folder:
            both[system] = measure(_command(system, run, Path(folder)))
            written = {path.stem for path in Path(folder).rglob("*.tflite")}
        if written != set(VARIANTS):
            sys.exit(f"{system} wrote {sorted(written)}, not {VARIANTS}")
        figures = {name: round(value, 1) for name, value in both[system].items()}
        print(json.dumps({"system": system, **figures}), flush=True)
    return both


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--by-hand", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.by_hand:
        export_by_hand(asked.run, asked.by_hand)
        return
    rounds = [_round(asked.run, SYSTEMS[:: (-1) ** number]) for number in range(asked.rounds)]
    for name in ("seconds", "processor_seconds", "peak_mb"):
        ratio = statistics.median(both["batikkit"][name] / both["by hand"][name] for both in rounds)
        print(f"{name}: batikkit takes {ratio:.2f} of what the script by hand takes (median of {len(rounds)})")


if __name__ == "__main__":
    main()
