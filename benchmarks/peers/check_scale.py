"""How `data check` grows with the number of images: seconds, images/s and peak memory, first and second run.

Images are made on the spot: repeated random motifs, JPEG, 2 % of them turned copies of another. Each measurement
runs in a process of its own, so that peak memory is that measurement's.

    python benchmarks/peers/check_scale.py --counts 1000,5000,20000 --side 512
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

CLASSES = 10
COPY_EVERY = 50


def make_image(path: Path, seed: int, side: int) -> None:
    """A cloth: one random motif repeated, in two random colours, under uneven light."""
    rng = np.random.default_rng(seed)
    motif = np.tile(rng.integers(0, 256, (rng.integers(5, 12),) * 2, dtype=np.uint8), (rng.integers(3, 9),) * 2)
    pattern = Image.fromarray(motif).resize((side, side), Image.Resampling.BICUBIC)
    light = Image.fromarray(rng.integers(90, 256, (6, 6), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    ground, drawing = (Image.new("RGB", (side, side), tuple(rng.integers(0, 256, 3).tolist())) for _ in range(2))
    cloth = ImageChops.multiply(Image.composite(drawing, ground, pattern), light.convert("RGB"))
    Image.blend(cloth, Image.effect_noise((side, side), 60).convert("RGB"), 0.08).save(path, quality=85)


def make_part(root: Path, start: int, stop: int, side: int) -> None:
    for number in range(start, stop):
        path = root / f"class{number % CLASSES}" / f"{number:06d}.jpg"
        copied = number % COPY_EVERY == COPY_EVERY - 1
        make_image(path, number - 1 if copied else number, side)
        if copied:
            with Image.open(path) as image:
                image.transpose(Image.Transpose(number % 5)).save(path, quality=80)


def make_set(root: Path, start: int, stop: int, side: int) -> None:
    for number in range(CLASSES):
        (root / f"class{number}").mkdir(parents=True, exist_ok=True)
    step = 250
    with ProcessPoolExecutor() as pool:
        parts = [pool.submit(make_part, root, s, min(s + step, stop), side) for s in range(start, stop, step)]
        for part in parts:
            part.result()


def measure(root: Path, unit: str, weights: str) -> dict[str, float]:
    """In a fresh process: one check of `root`."""
    from batikkit.data.check import check_folder
    from batikkit.data.prepared import Grouping
    from batikkit.network.texture import best_texture

    started, cpu = time.perf_counter(), time.process_time()
    report = check_folder(root, Grouping(unit, texture=best_texture(weights)))
    return {
        "images": report.images,
        "groups": len(report.groups),
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="1000,5000,20000")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--weights", default="none", help="also tell cloths apart by this MobileNetV2 (no-top .h5)")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--unit", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.unit, options.weights)))
        return
    kinds = {"copies": ("copy", "none"), "cloths": ("cloth", "none")}
    if options.weights != "none":
        kinds["cloths, network"] = ("cloth", options.weights)
    rows = []
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}; {options.side} px JPEG")
    print("| images | looked for | first s | images/s | CPU s | peak MB | second s | times faster | groups found |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        root, made = Path(folder) / "set", 0
        for count in map(int, options.counts.split(",")):
            make_set(root, made, count, options.side)
            made = count
            for kind, (unit, weights) in kinds.items():
                (root / ".batikkit-cache" / "fingerprints.npz").unlink(missing_ok=True)
                command = [sys.executable, __file__, "--measure", str(root), "--unit", unit, "--weights", weights]
                first, second = (
                    json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                    for _ in range(2)
                )
                rows.append({"looked_for": kind, "first": first, "second": second})
                print(
                    f"| {count} | {kind} | {first['seconds']:.1f} | {count / first['seconds']:.0f} | "
                    f"{first['cpu_seconds']:.1f} | {first['peak_mb']:.0f} | {second['seconds']:.2f} | "
                    f"{first['seconds'] / second['seconds']:.0f} | {first['groups']} |",
                    flush=True,
                )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
