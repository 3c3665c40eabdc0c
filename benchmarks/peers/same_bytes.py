"""Proves a refactoring: trains and exports the same small network at two revisions and compares what comes out.

    python benchmarks/peers/same_bytes.py main                       # against the working tree, as it is
    python benchmarks/peers/same_bytes.py main my-branch --engines cached
    python benchmarks/peers/same_bytes.py main --keep-results /tmp/known  # main is built once only

Each revision is checked out beside the repository, with its own packages ahead of the installed ones. The first one
draws synthetic motifs and splits them for both. Each then trains (alpha 0.35, 96 px, 2 + 2 epochs, a fixed seed) by
every engine and exports all variants of the first engine's run, on one thread, through the command line. The backbone
starts from the ImageNet weights under BATIKKIT_DATA (default ../shared) where they are, since a network from scratch
answers every photograph alike after so few steps and its dead channels overflow 16-bit kernels.

Compared by SHA-256: the history without its columns of seconds, every weight of the model by name, calibration.csv,
the parity pack's answers, and every .tflite file whole. What names the time is made equal: the run folder is renamed
before it is exported, since its name is part of each file. Not compared: manifests, which hold versions of tools.
Exit code 1 when anything differs, a variant that only one of the two makes included.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = Path(os.environ.get("BATIKKIT_DATA", ROOT.parent / "shared"), "weights").resolve() / (
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
)
MOTIFS = "kawung,parang,ceplok,nitik"
TRAIN = ("--preset", "paper", "--image-size", "96", "--backbone-alpha", "0.35", "--seed", "7",
         "--set", "phase1_epochs=2", "--set", "phase2_epochs=2", "--set", "batch_size=8",
         # Rates at which so few steps teach something: answers that are all alike hide differences.
         "--set", "phase1_learning_rate=0.01", "--set", "phase2_learning_rate=0.0001")  # fmt: skip
SURROUNDINGS = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1",
                "TF_CPP_MIN_LOG_LEVEL": "3"}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="a revision")
    parser.add_argument("after", nargs="?", help="another one; the working tree if left out")
    parser.add_argument("--engines", default="cached,keras")
    parser.add_argument("--no-export", action="store_true", help="train only")
    parser.add_argument("--weights", default=str(WEIGHTS) if WEIGHTS.is_file() else "none")
    parser.add_argument("--per-class", type=int, default=12)
    parser.add_argument("--keep-results", type=Path, help="a folder that remembers the hashes of revisions")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="same-bytes-") as folder, contextlib.ExitStack() as stack:
        place = Path(folder)
        before = stack.enter_context(checked_out(asked.before, place / "before"))
        after = stack.enter_context(checked_out(asked.after, place / "after")) if asked.after else ROOT
        motifs = ["--motifs", MOTIFS, "--per-class", str(asked.per_class), "--size", "128", "--seed", "7"]
        batikkit(before, "data", "synth", str(place / "motifs"), *motifs)
        ratios = ["--ratios", "50,25,25", "--seed", "7", "--out", str(place / "split.csv")]
        batikkit(before, "data", "split", str(place / "motifs"), *ratios)
        first = remembered(asked, before, place, "first")
        second = made(asked, after, place, "second")
    raise SystemExit(compare(first, second))


@contextlib.contextmanager
def checked_out(revision: str, folder: Path) -> Iterator[Path]:
    """A worktree of a revision, gone again afterwards."""
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--detach", "--quiet", str(folder), revision], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def batikkit(tree: Path, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    """Runs a command of that tree's code; its answer, or the end of this script where its exit code is another."""
    roots = os.pathsep.join(str(tree / name) for name in ("toolkit", "exporters", "benchmarks"))
    command = [sys.executable, "-c", "from batikkit.cli import main; main()", *words]
    surroundings = {**os.environ, **SURROUNDINGS, "PYTHONPATH": roots}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    if done.returncode not in codes:
        raise SystemExit(f"{tree}: batikkit {' '.join(words)} ended with {done.returncode}\n{done.stderr[-3000:]}")
    return done.stdout


def remembered(asked: argparse.Namespace, tree: Path, place: Path, name: str) -> dict[str, str]:
    """`made`, or what is known of the same revision from an earlier call with the same options."""
    if asked.keep_results is None:
        return made(asked, tree, place, name)
    git = ["git", "-C", str(tree), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    options = [asked.engines, asked.no_export, asked.weights, asked.per_class, *TRAIN]
    file = asked.keep_results / f"{commit[:12]}-{sha256(json.dumps(options).encode())[:8]}.json"
    if not file.is_file():
        asked.keep_results.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(made(asked, tree, place, name), indent=1))
    found: dict[str, str] = json.loads(file.read_text())
    return found


def made(asked: argparse.Namespace, tree: Path, place: Path, name: str) -> dict[str, str]:
    """Hashes of everything that a tree makes, by what it is."""
    found = {}
    exported = None
    for engine in asked.engines.split(","):
        runs = place / name / engine
        data = [str(place / "motifs"), "--split", str(place / "split.csv"), "--runs-dir", str(runs)]
        batikkit(tree, "train", *data, "--weights", asked.weights, "--engine", engine, *TRAIN)
        run = next(runs.glob("*/run.json")).parent.rename(runs / "same-bytes")
        found[f"{engine}: history"] = sha256(history(run / "history.csv"))
        found[f"{engine}: weights"] = weights_sha256(run / "model.keras")
        exported = exported or run
    if exported is not None and not asked.no_export:
        # Bytes are wanted here even of a file that its own proof would refuse.
        keep = ["--keep"] if "--keep" in batikkit(tree, "export", "--help") else []
        batikkit(tree, "export", str(exported), "--all", "--calibration-size", "16", *keep, codes=(0, 1))
        found |= exported_hashes(exported / "export")
    return found


def history(path: Path) -> bytes:
    """The history's columns that no clock decides."""
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    kept = [{name: value for name, value in row.items() if "second" not in name} for row in rows]
    return json.dumps(kept).encode()


def weights_sha256(path: Path) -> str:
    """Hash of a .keras file's weights by name; the file itself holds the time of day."""
    found: list[tuple[str, str]] = []
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:

        def visit(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                found.append((name, sha256(np.asarray(item).tobytes())))

        file.visititems(visit)
    return sha256(json.dumps(sorted(found)).encode())


def exported_hashes(folder: Path) -> dict[str, str]:
    """Hashes of an export folder's files."""
    found = {path.name: sha256(path.read_bytes()) for path in sorted(folder.glob("*.tflite"))}
    found["calibration.csv"] = sha256((folder / "calibration.csv").read_bytes())
    with np.load(folder / "parity.npz") as pack:
        found["parity.npz: answers"] = sha256(pack["probabilities"].tobytes())
    return found


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def compare(first: dict[str, str], second: dict[str, str]) -> int:
    """Prints the table; 1 when anything differs."""
    names = list(dict.fromkeys((*first, *second)))
    width = max(map(len, names))
    for name in names:
        pair = first.get(name, "absent"), second.get(name, "absent")
        print(f"{name:<{width}}  {pair[0][:16]:<16}  {pair[1][:16]:<16}  {'same' if pair[0] == pair[1] else 'DIFFERS'}")
    return int(first != second)


if __name__ == "__main__":
    main()
