"""Judging one model on photographs: the Keras model of a run, or a `.tflite` file, which needs no TensorFlow."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit import runs
from batikkit.console import Advance
from batikkit.data.photographs import decoded_ahead
from batikkit.data.split import SPLIT_FILE, read_split
from batikkit.errors import InputError
from batikkit.evaluation.compare import Candidate, compare_systems
from batikkit.evaluation.comparison import Comparison, Part
from batikkit.evaluation.held_out import HeldOut, Knowledge
from batikkit.evaluation.predictions import Predictions
from batikkit.labels import LABELS_FILE, OTHER, among_motifs, motif_count, read_labels
from batikkit.manifest import manifest_path, read_manifest
from batikkit.processors import worker_count
from batikkit.tflite.labelled import check_labelled, open_labelled

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Subject:
    """The model to judge.

    Attributes:
        model: A `.tflite` file or a run's Keras model.
        labels: Its motifs.
        run: The run it comes from; None for a file of unknown origin.
    """

    model: Path
    labels: tuple[str, ...]
    run: Path | None

    @property
    def name(self) -> str:
        """`int8` for int8.tflite, `keras` for a run's own model."""
        return self.model.stem if self.model.suffix == ".tflite" else "keras"

    def knowledge(self) -> Knowledge:
        """What the model has seen, as far as its run tells."""
        if self.run is None or not (self.run / SPLIT_FILE).is_file():
            return Knowledge()
        facts = runs.read_run(self.run)
        return Knowledge(read_split(self.run / SPLIT_FILE), Path(facts["data"]["root"]), facts.get("caution", ""))


def find_subject(place: Path | None, *, runs_dir: Path, labels: Path | None = None) -> Subject:
    """The model that a command was given: a run (by default the newest), or a `.tflite` file.

    Args:
        place: A run folder or a file; None for the newest run.
        runs_dir: Where runs are looked for.
        labels: Label file of a `.tflite` file; the one beside it when None.

    Raises:
        InputError: no such run or file, or it has no labels.
        VerificationError: the labels are another model's, or in another order.
    """
    if place is not None and place.suffix == ".tflite":
        if not place.is_file():
            raise InputError(f"no such file: {place}")
        source = labels or place.parent / LABELS_FILE
        check_labelled(place, read_labels(source), source=source)
        return Subject(place, read_labels(source), _run_of(place, runs_dir))
    run = runs.resolve_run(place, runs_dir)
    return Subject(runs.model_file(run), read_labels(run / LABELS_FILE), run)


def _run_of(file: Path, runs_dir: Path) -> Path | None:
    """The run that a file was exported from: the one it lies in, else the one its manifest names."""
    candidates = [file.resolve().parent.parent]  # RUN/export/int8.tflite
    if manifest_path(file).is_file():
        candidates.append(runs_dir / read_manifest(manifest_path(file)).run_id)
    return next((run for run in candidates if (run / runs.RUN_FILE).is_file()), None)


def evaluate_subject(
    subject: Subject,
    held: HeldOut,
    *,
    part: str = "test",
    runtime: str | None = None,
    labels: Path | None = None,
    advance: Advance | None = None,
) -> tuple[Comparison, Predictions]:
    """Asks the model about every photograph and judges its answers.

    Args:
        subject, held, runtime, labels, advance: As for `answers_of`.
        part: What the photographs are: `test`, `train` or `validation`.

    Raises:
        InputError: the model cannot be used, or a photograph became unreadable.
    """
    predictions, engine = answers_of(subject, held, runtime=runtime, labels=labels, advance=advance)
    return _evaluated(subject, held, predictions, part, engine), predictions


def answers_of(
    subject: Subject,
    held: HeldOut,
    *,
    runtime: str | None = None,
    labels: Path | None = None,
    advance: Advance | None = None,
) -> tuple[Predictions, str]:
    """What the model says of every photograph, and by what it was run.

    Args:
        subject: The model.
        held: The photographs.
        runtime: Runtime of a `.tflite` file; the first that works when None.
        labels: Label file of a `.tflite` file; the one beside it when None.
        advance: Called with (done, total).

    Raises:
        InputError: the model cannot be used, or a photograph became unreadable.
    """
    files = [str(held.root / sample.path) for sample in held.samples]
    if subject.model.suffix == ".tflite":
        scores, engine = _ask_tflite(subject, files, runtime, labels, advance)
    else:
        scores, engine = _ask_keras(subject, files, advance)
    motifs, truth = subject.labels, [sample.label for sample in held.samples]
    if OTHER not in truth:
        # Photographs of motifs ask which motif it is; whether one is named at all, the model card tells.
        scores, motifs = among_motifs(scores, motifs), motifs[: motif_count(motifs)]
    index = {label: number for number, label in enumerate(motifs)}
    predictions = Predictions(
        motifs,
        tuple(sample.path for sample in held.samples),
        tuple(sample.group for sample in held.samples),
        np.array([index[label] for label in truth], np.int64),
        scores,
    )
    return predictions, engine


def _ask_tflite(
    subject: Subject, files: Sequence[str], runtime: str | None, labels: Path | None, advance: Advance | None
) -> tuple[Scores, str]:
    cores = worker_count()
    model, _ = open_labelled(subject.model, labels=labels, runtime=runtime, threads=cores)
    values = decoded_ahead(files, image_size=model.input.shape[1], prepare=model.prepare, decoders=cores)
    scores = np.empty((len(files), len(subject.labels)), np.float32)
    for number, value in enumerate(values):
        if value is None:
            raise InputError(f"{files[number]} cannot be read any more: give the same command again")
        model.write(value)
        model.invoke()
        scores[number] = model.scores()
        if advance:
            advance(number + 1, len(files))
    return scores, f"{model.runtime}, {subject.model.stat().st_size / 1e6:.2f} MB"


def _ask_keras(subject: Subject, files: Sequence[str], advance: Advance | None) -> tuple[Scores, str]:
    from batikkit.data.pixels import decode_to_disk
    from batikkit.network.model import load_model, predict_keras

    net = load_model(subject.model)
    with tempfile.TemporaryDirectory(prefix="batikkit-") as folder:
        store = Path(folder) / "images.npy"
        pixels = decode_to_disk([Path(file) for file in files], int(net.input.shape[1]), store, advance=advance)
        return predict_keras(net, pixels), "Keras"


def _evaluated(subject: Subject, held: HeldOut, predictions: Predictions, part: str, engine: str) -> Comparison:
    right = predictions.right
    facts = runs.read_run(subject.run) if subject.run else {}
    where = subject.run.name if subject.run else subject.model.name
    shown = str(subject.run if subject.run and subject.name == "keras" else subject.model)
    candidate = Candidate(
        name=subject.name,
        title=subject.name if subject.name != "keras" else "Keras model",
        predictions=[predictions],
        parts=[Part(float(right.mean()), len(right), shown)],
        parameters=facts.get("parameters") if subject.name == "keras" else None,
    )
    told = {"model": shown, "photographs": str(held.root), "images": part, "runs on": engine}
    return compare_systems(
        [candidate],
        title=f"{where}: {candidate.title}",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tested=f"{held.root.resolve().name} ({part} images)",
        facts={**told, **({"run": subject.run.name} if subject.run else {})},
        notes=held.notes,
    )
