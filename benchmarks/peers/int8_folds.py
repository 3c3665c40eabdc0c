"""int8 on photographs that training never saw: batikkit's file against TensorFlow's converter's, pooled over folds.

    batikkit data split photos/ --folds 3 --out folds/
    batikkit train photos/ --preset small-data --split folds/fold1.csv      # and so on: one run a fold
    python benchmarks/peers/int8_folds.py RUN RUN RUN [--target-drop 0.5]

For each run `batikkit export --int8` (with --target-drop: its ladder), which sees the train and validation parts only,
makes a file; that and the converter's plain int8 of the same network and the same calibration photographs then answer
the run's test part.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.intervals import Groups
from batikkit.paired import mcnemar_p, paired_drop_interval
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.runs import EXPORT_FOLDER, read_run
from batikkit.tflite.runtime import open_model


def plain_int8(run: Path) -> bytes:
    """What the converter makes of a run's network."""
    from batikkit.config import read_config
    from batikkit.data.split import read_split
    from batikkit.network.frozen_graph import freeze
    from batikkit.network.model import load_model
    from batikkit_exporters.calibration import draw_calibration
    from batikkit_exporters.convert import convert

    config, root = read_config(run / "config.toml"), Path(read_run(run)["data"]["root"])
    drawn = draw_calibration(read_split(run / "split.csv"), root=root, image_size=config.image_size)
    return convert(freeze(load_model(run / "model.keras")), "int8", "int8", images=drawn.images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--target-drop", help="climb the ladder to this, in points")
    asked = parser.parse_args()
    found: dict[str, list[NDArray[np.float32]]] = {"float": [], "converter": [], "batikkit": []}
    truth, groups = [], []
    for run in asked.runs:
        command = [sys.executable, "-c", "from batikkit.cli import main; main()", "export", str(run), "--int8"]
        # Exit code 1 says that no rung met the goal; the nearest file is there all the same.
        subprocess.run(command + (["--target-drop", asked.target_drop] if asked.target_drop else []), check=False)
        pack = read_parity_pack(run / EXPORT_FOLDER / "parity.npz")
        images, labels = np.stack(list(iter_images(pack))), pack.labels
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "plain.tflite"
            plain.write_bytes(plain_int8(run))
            answers = {"float": pack.probabilities, "converter": open_model(plain).predict(images)}
        answers["batikkit"] = open_model(run / EXPORT_FOLDER / "int8.tflite").predict(images)
        for name, scores in answers.items():
            found[name].append(scores)
        truth.append(labels)
        groups += pack.groups
        for name in ("converter", "batikkit"):
            print(
                json.dumps({"run": run.name, **compared(answers["float"], answers[name], labels, pack.groups, name)}),
                flush=True,
            )
    pooled = {name: np.concatenate(parts) for name, parts in found.items()}
    for name in ("converter", "batikkit"):
        whole = compared(pooled["float"], pooled[name], np.concatenate(truth), groups, name)
        print(json.dumps({"run": "all", **whole}))


def compared(
    reference: NDArray[np.float32],
    candidate: NDArray[np.float32],
    truth: NDArray[np.int64],
    groups: Groups,
    name: str,
) -> dict[str, object]:
    """How far a file's answers are from the float network's."""
    before, after = reference.argmax(axis=1) == truth, candidate.argmax(axis=1) == truth
    same = int((reference.argmax(axis=1) == candidate.argmax(axis=1)).sum())
    return {
        "file": name,
        "n": len(truth),
        "float_accuracy": round(float(before.mean()), 4),
        "drop_pp": round(100 * float(before.mean() - after.mean()), 2),
        "drop_ci95_pp": [round(value, 2) for value in paired_drop_interval(before, after, groups=groups)],
        "mcnemar_p": round(mcnemar_p(before, after, groups=groups), 3),
        "same_answers": same,
        "agreement": round(same / len(truth), 4),
        "mean_difference": round(float(np.abs(reference - candidate).mean()), 5),
    }


if __name__ == "__main__":
    main()
