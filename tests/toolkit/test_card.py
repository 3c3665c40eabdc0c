"""The model card says of each target what was found, and never that a rule holds which does not."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from batikkit.assets import rejection
from batikkit.assets.card import model_card
from batikkit.assets.croissant import croissant_files
from batikkit.assets.figures import VariantFigures
from batikkit.assets.hub import hub_header
from batikkit.assets.manifest import read_assets_manifest
from batikkit.assets.provenance import Provenance
from batikkit.assets.rejection import Rejection
from batikkit.assets.targets import targets
from batikkit.config import TrainConfig
from batikkit.evaluation.metrics_file import evaluate
from batikkit.evaluation.predictions import Predictions
from batikkit.intervals import accuracy_interval
from batikkit.labels import motif_count

MANIFEST = read_assets_manifest(Path(__file__).resolve().parents[2] / "android_demo_assets")
N, STRANGERS = 200, 200
SOURCE = Provenance("run", Path("photos"), {"images": 2000, "train": 1400, "validation": 400, "test": N}, "none", 1,
                    TrainConfig(), "0" * 64, {}, None)  # fmt: skip


def _figures(variant: str, *, named: float, wrong: float, strangers: float) -> VariantFigures:
    """Of a model that names a motif on so many of the images, so many of the named ones wrongly."""
    labels = MANIFEST.labels[: motif_count(MANIFEST.labels)]
    truth = np.arange(N) % len(labels)
    best = truth.copy()
    answered = round(named * N)
    best[: round(wrong * answered)] = (truth[: round(wrong * answered)] + 1) % len(labels)
    scores = np.full((N, len(labels)), 0.01, np.float32)
    scores[np.arange(N), best] = np.where(np.arange(N) < answered, 0.93, 0.4)
    names = tuple(f"{index}.png" for index in range(N))
    stranger = np.arange(STRANGERS) < round(strangers * STRANGERS)
    return VariantFigures(
        variant, 1, evaluate(Predictions(labels, names, names, truth, scores)), 1.0, 0.0, (0.0, 0.0),
        rejection.apply(Rejection(1.0, 0.9), scores, truth, labels, groups=names),
        float(stranger.mean()), accuracy_interval(stranger, [str(index % 5) for index in range(STRANGERS)]),
    )  # fmt: skip


def _card(*figures: VariantFigures) -> str:
    kept = tuple(MANIFEST.variant(f.variant) for f in figures)
    manifest = dataclasses.replace(MANIFEST, variants=kept)
    return model_card(manifest, SOURCE, figures, licence="CC0", again="again")


def test_the_real_photographs_on_which_it_did_not_hold() -> None:
    card = _card(_figures("int8", named=0.69, wrong=0.08, strangers=0.17))
    assert "does not do all that it was chosen for" in card
    for found, wanted in (("69%", "at least 90%"), ("8%", "at most 5%"), ("17%", "at most 10%")):
        assert f"(aim: {wanted}): {found} (int8)" in card
    assert card.count("| missed") == 3
    assert "| met" not in card
    assert "holds" not in card.split('"not sure"')[1].split("## Intended")[0].replace("the interval holds both", "")


@pytest.mark.parametrize("named", [0.5, 0.89, 0.9, 1.0])
@pytest.mark.parametrize("wrong", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("strangers", [0.0, 0.1, 0.105, 0.19])
def test_every_target_has_its_own_verdict(named: float, wrong: float, strangers: float) -> None:
    bad = _figures("int8", named=named, wrong=wrong, strangers=strangers)
    card = _card(_figures("float16", named=1.0, wrong=0.0, strangers=0.0), bad)
    rows = [line for line in card.splitlines() if line.startswith("| int8 |") and "aim" not in line and "at " in line]
    verdicts = [row.rsplit("|", 2)[1].strip().split(",")[0] for row in rows]
    held = [named >= 0.9, bad.selective.wrong / bad.selective.answered <= 0.05, strangers <= 0.1]
    assert verdicts == ["met" if ok else "missed" for ok in held]
    assert ("Every target is met" in card) == all(held)
    assert ("does not do all" in card) != all(held)
    for target in targets(bad):
        low, high = target.ci95
        assert low - 1e-9 <= target.value <= high + 1e-9
        assert f"({low:.1%} to {high:.1%})" in card
        assert target.certain == ((low >= target.limit) == (high >= target.limit) or low == target.limit)


# For the Hugging Face Hub, and as a Croissant data set.

SPLIT = b"path,label,group,split,sha256\na/1.png,a,g1,train,00\nb/2.png,b,g2,test,11\n"


@pytest.mark.parametrize(
    ("licence", "known"),
    [("Apache-2.0", "apache-2.0"), ("CC BY 4.0", "cc-by-4.0"), ("not stated", None), ('mine: "yes" #1', None)],
)
def test_the_header_of_the_hub(licence: str, known: str | None) -> None:
    figures = [_figures("int8", named=0.9, wrong=0.1, strangers=0.1)]
    text = hub_header(SOURCE, figures, licence=licence)
    assert text.startswith("---\n")
    assert text.endswith("\n---\n\n")
    lines = dict(line.split(": ", 1) for line in text.splitlines() if line.strip("-"))
    read = {key: json.loads(value) for key, value in lines.items()}  # JSON values are YAML
    assert read["license"] == (known or "other")
    assert read.get("license_name") == (None if known else licence)
    assert read["pipeline_tag"] == "image-classification"
    (result,) = read["model-index"][0]["results"]
    (metric,) = result["metrics"]
    assert metric["type"] == "accuracy"
    assert metric["value"] == pytest.approx(figures[0].evaluation.report.accuracy, abs=1e-4)
    assert {"type", "name"} <= set(result["dataset"])


def test_the_split_is_described_as_it_is() -> None:
    files = croissant_files(SPLIT, SOURCE)
    described = json.loads(files["croissant.json"])
    (file,) = described["distribution"]
    assert file["sha256"] == hashlib.sha256(files["split.csv"]).hexdigest()
    (records,) = described["recordSet"]
    columns = [field["source"]["extract"]["column"] for field in records["field"]]
    assert columns == next(csv.reader(io.StringIO(SPLIT.decode())))
    assert all(field["source"]["fileObject"]["@id"] == file["@id"] for field in records["field"])
