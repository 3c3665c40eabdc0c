"""Variants trained by batikkit's own distillation against tensorflow-model-optimization's (TFMOT) published recipes.

    pip install 'batikkit[qat]'
    python benchmarks/peers/tfmot.py RUN [RUN ...]

Both start from the run's network and see the same photographs of the train part as often, in batches of 16, with Adam
at the same rate falling to 0 along a cosine; batch normalization stays as it was trained. TFMOT trains on labels, by
`quantize_apply`, `prune_low_magnitude` (to 50 % along its polynomial) and `cluster_weights` (32 of them) on the layers
that batikkit compresses. int8-qat is made three times with TFMOT: with ranges that start at -6..6, as they do there;
with ranges that start at the photographs' own; and with those on the float network's answers instead of labels, as
batikkit's own are. Settings are batikkit's defaults and those of TFMOT's guides; none was chosen by the figures that
are printed here, which are those of the run's test part.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from int8_folds import compared
from numpy.typing import NDArray

from batikkit.config import read_config
from batikkit.data.split import of_split, read_split
from batikkit.images import load_pixels
from batikkit.network.model import load_model
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.runs import EXPORT_FOLDER, read_run
from batikkit.tflite.runtime import open_model
from batikkit_exporters.convert import convert
from batikkit_exporters.export.plan import Options
from batikkit_exporters.export.proof import gzip_bytes, prove_contract
from batikkit_exporters.export.run import export_source
from batikkit_exporters.quantization import tfmot_qat
from batikkit_exporters.quantization.compression import CLUSTERS, SMALLEST_WEIGHTS, SPARSITY
from batikkit_exporters.source.run import source_of_run
from batikkit_exporters.variants import find_variant
from batikkit_exporters.variants.trained import EPOCHS, RATES

VARIANTS = ("int8-qat", "pruned", "clustered")


def read_train(run: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]:
    """The train part: uint8 [N, S, S, 3], int64 [N] and the labels."""
    record, names = read_run(run), tuple((run / "labels.txt").read_text(encoding="utf-8").split())
    root, size = Path(record["data"]["root"]), read_config(run / "config.toml").image_size
    samples = of_split(read_split(run / "split.csv"), "train")
    pixels = np.stack([load_pixels(root / sample.path, size) for sample in samples])
    return pixels, np.array([names.index(sample.label) for sample in samples], np.int64), names


def is_compressible(layer: Any) -> bool:
    """Whether batikkit compresses a layer of this kind and size."""
    from batikkit.network.keras_backend import keras

    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    large = isinstance(layer, keras.layers.Conv2D | keras.layers.Dense) and not depthwise
    return large and int(np.prod(layer.weights[0].shape)) >= SMALLEST_WEIGHTS


def prune(model: Any, images: NDArray[np.uint8], labels: NDArray[np.int64], epochs: int) -> bytes:
    """Half of the weights zero: the share grows during the first half of the steps."""
    sparsity = tfmot_qat.load_tfmot().sparsity.keras
    steps = epochs * -(-len(images) // tfmot_qat.BATCH)
    schedule = sparsity.PolynomialDecay(0.0, SPARSITY, begin_step=0, end_step=steps // 2, frequency=1)
    wrapped = _wrapped(model, lambda layer: sparsity.prune_low_magnitude(layer, schedule))
    rate = RATES["pruned"]
    step = sparsity.UpdatePruningStep()
    tfmot_qat.fine_tune(wrapped, images, labels, epochs=epochs, learning_rate=rate, callbacks=(step,))
    return _converted(sparsity.strip_pruning(wrapped))


def cluster(model: Any, images: NDArray[np.uint8], labels: NDArray[np.int64], epochs: int) -> bytes:
    """Few values a layer, from centres that k-means++ found."""
    clustering = tfmot_qat.load_tfmot().clustering.keras
    centres = clustering.CentroidInitialization.KMEANS_PLUS_PLUS
    wrapped = _wrapped(model, lambda layer: clustering.cluster_weights(layer, CLUSTERS, centres))
    tfmot_qat.fine_tune(wrapped, images, labels, epochs=epochs, learning_rate=RATES["clustered"])
    return _converted(clustering.strip_clustering(wrapped))


def _wrapped(model: Any, wrap: Any) -> Any:
    from batikkit.network.keras_backend import keras

    twin = tfmot_qat.trainable_twin(model)
    return keras.models.clone_model(twin, clone_function=lambda layer: wrap(layer) if is_compressible(layer) else layer)


def _converted(model: Any) -> bytes:
    from batikkit.network.frozen_graph import freeze

    return convert(freeze(model))


def quantize(model: Any, images: NDArray[np.uint8], labels: NDArray[np.int64], epochs: int) -> bytes:
    """As TFMOT starts its ranges."""
    rehearsal = tfmot_qat.prepare(model, None)
    tfmot_qat.fine_tune(rehearsal, images, labels, epochs=epochs, learning_rate=RATES["int8-qat"])
    return tfmot_qat.convert_qat(rehearsal)


def quantize_from_seen(model: Any, images: NDArray[np.uint8], labels: NDArray[np.int64], epochs: int) -> bytes:
    """With ranges that start at the photographs' own."""
    return tfmot_qat.train_qat(model, images, labels, epochs=epochs, learning_rate=RATES["int8-qat"])


def quantize_by_answers(model: Any, images: NDArray[np.uint8], labels: NDArray[np.int64], epochs: int) -> bytes:
    """With those ranges, trained on what the float network says, as batikkit's own are."""
    starts = range(0, len(labels), tfmot_qat.BATCH)
    batches = [images[start : start + tfmot_qat.BATCH].astype(np.float32) for start in starts]
    answers = np.concatenate([model(batch, training=False).numpy() for batch in batches])
    return tfmot_qat.train_qat(model, images, answers, epochs=epochs, learning_rate=RATES["int8-qat"])


PEERS = (
    ("TFMOT, ranges from -6..6", "int8-qat", quantize),
    ("TFMOT, ranges as seen", "int8-qat", quantize_from_seen),
    ("TFMOT, ranges and answers as seen", "int8-qat", quantize_by_answers),
    ("TFMOT", "pruned", prune),
    ("TFMOT", "clustered", cluster),
)


def candidates(run: Path) -> Iterator[tuple[str, str, bytes, float]]:
    """System, variant, file and seconds of training and conversion, batikkit's first."""
    for variant in VARIANTS:
        # Kept whatever it promises: what it does is what this script is to show.
        (made,) = export_source(source_of_run(run), variants=[variant], options=Options(keep=True)).exported
        yield "batikkit", variant, made.path.read_bytes(), made.seconds
    model, (images, labels, names) = load_model(run / "model.keras"), read_train(run)
    for system, variant, make in PEERS:
        started = time.perf_counter()
        content = make(model, images, labels, EPOCHS[variant])
        seconds = time.perf_counter() - started
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "peer.tflite"
            path.write_bytes(content)
            prove_contract(path, find_variant(variant), labels=names)
        yield system, variant, content, seconds


def answers_of(content: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Float32 [N, C]."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidate.tflite"
        path.write_bytes(content)
        return open_model(path).predict(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs; they stay as they are")
    asked = parser.parse_args()
    found: dict[tuple[str, str], list[tuple[NDArray[Any], ...]]] = {}
    for original, run in _copies(asked.runs):
        for system, variant, content, seconds in candidates(run):
            pack = read_parity_pack(run / EXPORT_FOLDER / "parity.npz")
            given = answers_of(content, np.stack(list(iter_images(pack))))
            found.setdefault((system, variant), []).append(
                (pack.probabilities, given, pack.labels, np.array(pack.groups))
            )
            sizes = {"size_bytes": len(content), "gzip_bytes": gzip_bytes(content), "seconds": round(seconds)}
            print(json.dumps({"run": original.name, **_row(found[system, variant][-1:], system, variant), **sizes}))
            sys.stdout.flush()
    if len(asked.runs) > 1:
        for (system, variant), parts in found.items():
            print(json.dumps({"run": "all", **_row(parts, system, variant)}))


def _copies(runs: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Each run with a copy of it that was never exported."""
    for run in runs:
        with tempfile.TemporaryDirectory() as folder:
            yield run, shutil.copytree(run, Path(folder) / run.name, ignore=shutil.ignore_patterns(EXPORT_FOLDER))


def _row(parts: list[tuple[NDArray[Any], ...]], system: str, variant: str) -> dict[str, object]:
    reference, given, truth, groups = (np.concatenate(column) for column in zip(*parts, strict=True))
    accuracy = round(float(np.mean(given.argmax(axis=1) == truth)), 4)
    evaluated = compared(reference, given, truth, groups, system)
    return {"system": system, "variant": variant, "accuracy": accuracy, **evaluated}


if __name__ == "__main__":
    main()
