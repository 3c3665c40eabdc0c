"""Made-up answers of three systems, drawn with a seed, for tests of tables, charts and pages."""

from __future__ import annotations

import numpy as np

from batikkit.evaluation.compare import Candidate, compare_systems
from batikkit.evaluation.comparison import Comparison, Part
from batikkit.evaluation.predictions import Predictions

NITIK = (
    "Sekar Kemuning", "Sekar Liring", "Sekar Duren", "Sekar Gayam", "Sekar Pacar", "Arumdalu", "Brendi", "Cakar Ayam",
    "Cinde Wilis", "Gedhangan", "Jayakirana", "Jayakusuma", "Kawung Nitik", "Kemukus", "Klampok Arum", "Krawitan",
    "Kuncup Kanthil", "Manggar", "Mawur", "Truntum Kurung yang panjang namanya",
)  # fmt: skip


def make_predictions(
    labels: tuple[str, ...], truth: np.ndarray, *, accuracy: float, seed: int, prefix: str = ""
) -> Predictions:
    rng = np.random.default_rng(seed)
    right = rng.random(len(truth)) < accuracy
    answer = np.where(right, truth, (truth + rng.integers(1, 4, len(truth))) % len(labels))
    probabilities = rng.dirichlet(np.ones(len(labels)), len(truth))
    probabilities[np.arange(len(truth)), answer] += 1.5
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    paths = tuple(f"{labels[t]}/{prefix}{number:03d}.jpg" for number, t in enumerate(truth))
    return Predictions(labels, paths, paths, truth, probabilities.astype(np.float32))


def make_history(epochs: int, boundary: int, *, top: float) -> tuple[dict[str, float], ...]:
    rows = []
    for epoch in range(1, epochs + 1):
        share = 1 - np.exp(-epoch / 6)
        loss = 2.3 - 2 * top * share
        rows.append(
            {
                "epoch": float(epoch), "phase": 1.0 if epoch <= boundary else 2.0, "learning_rate": 1e-3,
                "loss": loss, "accuracy": top * share, "val_loss": loss + 0.2, "val_accuracy": (top - 0.1) * share,
                "seconds": 1.0,
            }
        )  # fmt: skip
    return tuple(rows)


def make_comparison(
    labels: tuple[str, ...] = NITIK, *, per_motif: int = 9, folds: int = 1, systems: int = 3
) -> Comparison:
    accuracies = {"scratch": 0.45, "frozen": 0.75, "fine-tuned": 0.86}
    candidates = []
    for name, accuracy in list(accuracies.items())[-systems:]:
        parts, answers = [], []
        for fold in range(folds):
            truth = np.repeat(np.arange(len(labels)), per_motif)
            seed = fold * 10 + len(candidates)
            found = make_predictions(labels, truth, accuracy=accuracy, seed=seed, prefix=f"fold{fold}-")
            answers.append(found)
            history = make_history(30, 30 if name == "scratch" else 12, top=accuracy + 0.1)
            parts.append(Part(float(found.right.mean()), len(truth), f"fold{fold}/{name}", 120.0, 30, history))
        candidates.append(Candidate(name, f"System {name}", answers, parts, 2_270_794, 25_620))
    return compare_systems(
        candidates, title="nitik20: three systems", created="2026-11-24T08:00:00+00:00", tested="nitik20, one split",
        facts={"seed": "0"}, notes=("one note",),
    )  # fmt: skip
