"""int8 on photographs that training never saw: batikkit's file against TensorFlow's converter's, pooled over folds.

    batikkit data split photos/ --folds 5 --out folds/
    batikkit train photos/ --preset best --split folds/fold1.csv      # and so on: one run a fold
    python benchmarks/peers/int8_folds.py RUN RUN RUN RUN RUN [--target-drop 0.5]

For each run `batikkit export --int8` (with --target-drop: its ladder), which sees the train and validation parts only,
makes a file; that and the converter's plain int8 of the same network and the same calibration photographs then answer
the run's test part, and its validation part in every view that training took for the same motif. Views of a photograph
are one group, as are photographs of one cloth.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.data.split import of_split
from batikkit.intervals import Groups, accuracy_interval
from batikkit.paired import mcnemar_p, paired_drop_interval
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.runs import EXPORT_FOLDER
from batikkit.tflite.runtime import open_model

CLOSE = 8 / 256
"""So little apart two probabilities are close: eight steps of an int8 answer."""


@dataclass(frozen=True, eq=False)
class Asked:
    """Photographs and what the float network says of them: uint8 [N, S, S, 3], int64 [N], [N], float32 [N, C]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    groups: list[str]
    reference: NDArray[np.float32]


def tested(run: Path) -> Asked:
    """The test part."""
    pack = read_parity_pack(run / EXPORT_FOLDER / "parity.npz")
    return Asked(np.stack(list(iter_images(pack))), pack.labels, list(pack.groups), pack.probabilities)


def materials(run: Path) -> tuple[bytes, Asked]:
    """What the converter makes of a run's network; and its validation part in every view."""
    from batikkit_exporters.calibration import draw_calibration
    from batikkit_exporters.convert import convert
    from batikkit_exporters.export.evidence import split_pixels
    from batikkit_exporters.ladder.run import jury_of
    from batikkit_exporters.source.run import source_of_run

    source = source_of_run(run)
    net = source.load()
    drawn = draw_calibration(source.rows, root=source.root, image_size=net.image_size)
    images, labels = split_pixels(source, "validation", net.image_size)
    jury = jury_of(source, convert(net.frozen), images, labels)
    groups = [sample.group for sample in of_split(source.rows, "validation")]
    views = len(jury.images) // jury.photographs
    plain = convert(net.frozen, "int8", "int8", images=drawn.images)
    return plain, Asked(jury.images, jury.labels, groups * views, jury.reference)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--target-drop", help="climb the ladder to this, in points")
    asked = parser.parse_args()
    answers: dict[tuple[str, str], list[tuple[Asked, NDArray[np.float32]]]] = {}
    for run in asked.runs:
        command = [sys.executable, "-c", "from batikkit.cli import main; main()", "export", str(run), "--int8"]
        # Exit code 1 says that no rung met the goal; the nearest file is there all the same.
        subprocess.run(command + (["--target-drop", asked.target_drop] if asked.target_drop else []), check=False)
        content, validation = materials(run)
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "plain.tflite"
            plain.write_bytes(content)
            files = {"converter": plain, "batikkit": run / EXPORT_FOLDER / "int8.tflite"}
            for name, file in files.items():
                for part, photographs in (("validation views", validation), ("test", tested(run))):
                    said = photographs, open_model(file).predict(photographs.images)
                    answers.setdefault((part, name), []).append(said)
                    _print(run.name, part, name, [said])
    for (part, name), parts in answers.items():
        _print("all", part, name, parts)


def _print(run: str, part: str, name: str, answers: list[tuple[Asked, NDArray[np.float32]]]) -> None:
    facts = compared(
        np.concatenate([asked.reference for asked, _ in answers]),
        np.concatenate([said for _, said in answers]),
        np.concatenate([asked.labels for asked, _ in answers]),
        # Each fold has its own photographs to be tested on; those that choose may come again in another.
        [group for asked, _ in answers for group in asked.groups],
        name,
    )
    print(json.dumps({"run": run, "part": part, **facts}), flush=True)


def compared(
    reference: NDArray[np.float32],
    candidate: NDArray[np.float32],
    truth: NDArray[np.int64],
    groups: Groups,
    name: str,
) -> dict[str, object]:
    """How far a file's answers are from the float network's."""
    before, after = reference.argmax(axis=1) == truth, candidate.argmax(axis=1) == truth
    agrees = reference.argmax(axis=1) == candidate.argmax(axis=1)
    ordered = np.sort(reference, axis=1)
    close = ordered[:, -1] - ordered[:, -2] < CLOSE
    return {
        "file": name,
        "n": len(truth),
        "float_accuracy": round(float(before.mean()), 4),
        "drop_pp": round(100 * float(before.mean() - after.mean()), 2),
        "drop_ci95_pp": [round(value, 2) for value in paired_drop_interval(before, after, groups=groups)],
        "mcnemar_p": round(mcnemar_p(before, after, groups=groups), 3),
        "same_answers": int(agrees.sum()),
        "agreement": round(float(agrees.mean()), 4),
        "agreement_ci95": [round(value, 4) for value in accuracy_interval(agrees, groups)],
        "close": round(float(close.mean()), 4),
        "others_that_were_close": int((close & ~agrees).sum()),
        "mean_difference": round(float(np.abs(reference - candidate).mean()), 5),
    }


if __name__ == "__main__":
    main()
