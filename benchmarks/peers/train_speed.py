"""The paper's whole schedule: batikkit's engine against a plain Keras script, on the same split.

    python benchmarks/peers/train_speed.py DIR --weights FILE --seeds 0,1,2
    python benchmarks/peers/train_speed.py DIR --weights FILE --seeds 0,1,2 --systems float32,bfloat16 --set views=2

The plain script is what the paper's authors would have written: `image_dataset_from_directory`, augmentation layers
inside the model, `fit` twice, the usual callbacks. Both train 12 + 18 epochs at batch 32, each in a process of its own,
one after the other for each seed, and both are tested on the same images. Early stopping is off in both, so that both
run the whole schedule. Both times run from before the network is built until it is trained: decoding, extraction and
checkpoints count, imports and the test do not. `float32` and `bfloat16` are batikkit in that precision; all ratios are
to the first of `--systems`. Processor time stands beside the clock's, for machines that do other work meanwhile.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SYSTEMS = ("plain", "float32", "bfloat16")
_SETTINGS = ("early_stopping_patience=0",)


def train_plain(split: Path, folder: Path, weights: str, seed: int, epochs: tuple[int, int]) -> dict[str, Any]:
    """The plain script; the split's files are laid out as one folder per part and motif, as Keras reads them."""
    from batikkit.config import load_config
    from batikkit.data.split import read_split
    from batikkit.network.keras_backend import keras

    config = load_config("paper")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for row in read_split(split):
            place = root / row.split / row.sample.label / Path(row.sample.path).name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to((folder / row.sample.path).resolve())
        keras.utils.set_random_seed(seed)
        side = (config.image_size, config.image_size)
        train, validation, test = (
            keras.utils.image_dataset_from_directory(
                root / part, label_mode="categorical", image_size=side, batch_size=config.batch_size,
                shuffle=part == "train", seed=seed, follow_links=True,
            )
            for part in ("train", "validation", "test")
        )  # fmt: skip
        classes = len(train.class_names)
        train, validation, test = (part.prefetch(2) for part in (train, validation, test))
        started, busy = time.perf_counter(), time.process_time()
        backbone = keras.applications.MobileNetV2(include_top=False, weights=weights, input_shape=(*side, 3))
        backbone.trainable = False
        image = keras.Input((*side, 3))
        x = keras.layers.RandomRotation(config.rotation)(image)
        x = keras.layers.RandomZoom(config.zoom)(x)
        x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)
        x = keras.layers.GlobalAveragePooling2D()(backbone(x, training=False))
        x = keras.layers.Dropout(config.dropout)(x)
        net = keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))
        callbacks = [
            keras.callbacks.ModelCheckpoint(root / "best.h5", save_best_only=True, save_weights_only=True),
            keras.callbacks.ReduceLROnPlateau(factor=config.plateau_factor, patience=config.plateau_patience),
        ]
        seconds = {}
        for phase, rate in ((1, config.phase1_learning_rate), (2, config.phase2_learning_rate)):
            if phase == 2:
                backbone.trainable = True
                for layer in backbone.layers[: config.frozen_layers + 1]:
                    layer.trainable = False
            net.compile(keras.optimizers.Adam(rate), "categorical_crossentropy", metrics=["accuracy"])
            begun = time.perf_counter()
            net.fit(train, validation_data=validation, epochs=epochs[phase - 1], callbacks=callbacks, verbose=0)
            seconds[f"phase{phase}"] = time.perf_counter() - begun
        total, busy = time.perf_counter() - started, time.process_time() - busy
        net.load_weights(root / "best.h5")
        accuracy = float(net.evaluate(test, verbose=0)[1])
        return {"seconds": total, **seconds, "processor": busy, "accuracy": accuracy}


def train_batikkit(
    split: Path, folder: Path, weights: str, seed: int, epochs: tuple[int, int], settings: tuple[str, ...]
) -> dict[str, Any]:
    """The same schedule in batikkit's engine; what a phase is the first to need counts as its own."""
    from batikkit.config import load_config
    from batikkit.console import progress
    from batikkit.data.prepared import load_dataset
    from batikkit.runs import read_record
    from batikkit.runs.history import HISTORY_FILE, read_history
    from batikkit.training.session import Beginning, Means, train

    lengths = tuple(f"phase{phase}_epochs={count}" for phase, count in enumerate(epochs, 1))
    config = load_config("paper", overrides=(*_SETTINGS, *lengths, *settings), seed=seed)
    prepared = load_dataset(folder, split_file=split, ratios=config.ratios, seed=seed)
    with tempfile.TemporaryDirectory() as runs_dir:
        started, busy = time.perf_counter(), time.process_time()
        trained = train(prepared, config, Beginning(Path(runs_dir), "speed", weights), Means(progress))
        total, busy = time.perf_counter() - started, time.process_time() - busy
        tuned = [epoch for epoch in read_history(trained.run / HISTORY_FILE) if epoch["phase"] == 2]
        spent = read_record(trained.run).timings_seconds
    phase1 = spent["decode"] + spent.get("features1", 0.0) + spent["phase1"]
    phase2 = spent.get("features2", 0.0) + spent["phase2"]
    return {
        "seconds": total - spent["finish"],
        "phase1": phase1,
        "phase2": phase2,
        "processor": busy,
        "accuracy": trained.evaluation.report.accuracy,
        "val_loss": min((epoch["val_loss"] for epoch in tuned), default=None),
        "breakdown": {part: round(value, 1) for part, value in spent.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--epochs", default="12,18", help="of both phases")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="which to run; ratios are to the first")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="KEY=VALUE for batikkit's systems")
    parser.add_argument("--system", choices=SYSTEMS, help=argparse.SUPPRESS)
    parser.add_argument("--split", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    first, second = (int(count) for count in asked.epochs.split(","))
    if asked.system:
        warnings.simplefilter("ignore")  # Keras advises against the .h5 files that the plain script's authors used
        given = asked.split, asked.folder, asked.weights, int(asked.seeds), (first, second)
        if asked.system == "plain":
            print(json.dumps(train_plain(*given)))
        else:
            print(json.dumps(train_batikkit(*given, (*asked.settings, f"precision={asked.system}"))))
        return
    systems = asked.systems.split(",")
    rounds = [_round(asked, int(seed), systems) for seed in asked.seeds.split(",")]
    for system in systems[1:]:
        for part in ("seconds", "phase1", "phase2", "processor"):
            ratios = [each[systems[0]][part] / each[system][part] for each in rounds]
            print(f"{part}: {system} {statistics.median(ratios):.2f} times as fast as {systems[0]}, median of {ratios}")
    for system in systems:
        found = [each[system]["accuracy"] for each in rounds]
        print(f"{system}: test accuracy {statistics.mean(found):.1%} ({', '.join(f'{a:.1%}' for a in found)})")


def _round(asked: argparse.Namespace, seed: int, systems: Sequence[str]) -> dict[str, Any]:
    """All systems on one seed's split."""
    from batikkit.data.prepared import load_dataset
    from batikkit.data.split import write_split

    each = {}
    with tempfile.TemporaryDirectory() as folder:
        split = Path(folder) / "split.csv"
        write_split(split, load_dataset(asked.folder, seed=seed).rows)
        for system in systems:
            command = [sys.executable, __file__, str(asked.folder), "--weights", asked.weights, "--seeds", str(seed),
                       "--epochs", asked.epochs, "--system", system, "--split", str(split),
                       *(part for text in asked.settings for part in ("--set", text))]  # fmt: skip
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            each[system] = json.loads(done.stdout.splitlines()[-1])
            print(json.dumps({"system": system, "seed": seed, **each[system]}), flush=True)
    return each


if __name__ == "__main__":
    main()
