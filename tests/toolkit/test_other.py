"""The output "other": what it is computed from, that the network computes the same, and that exports carry it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit.assets.rejection import Rejection, accepted, apply, choose_threshold, confidence_of
from batikkit.config import load_config
from batikkit.demo.answers import Responder
from batikkit.errors import InputError
from batikkit.labels import OTHER, among_motifs, motif_count, read_labels
from batikkit.motif_names import display_name
from commands import run
from drawn_stripes import write_stripes
from short_network import FROZEN_LAYERS
from with_other import Asked, kind

RNG = np.random.default_rng(11)
WIDTH, CLASSES = 24, 3
LABELS = ("across", "diagonal", "upright", OTHER)


@pytest.fixture(scope="module")
def learned() -> tuple[object, np.ndarray, np.ndarray, np.ndarray]:
    """What is learned of three clouds that hardly differ in the last half of their features, and its head."""
    from batikkit.training.others import fit_other

    kernel, bias = RNG.normal(0, 0.4, (WIDTH, CLASSES)), RNG.normal(0, 0.4, CLASSES)
    return fit_other(_clouds(200), _clouds(60), kernel, bias), kernel, bias, _clouds(100)


def _clouds(count: int) -> np.ndarray:
    spread = np.where(np.arange(WIDTH) < WIDTH // 2, 1.0, 0.05)
    return 3 * np.eye(CLASSES, WIDTH)[np.arange(count) % CLASSES] + RNG.normal(0, spread, (count, WIDTH))


def _share_of_other(other, kernel: np.ndarray, bias: np.ndarray, features: np.ndarray) -> np.ndarray:
    scores = np.column_stack([features @ kernel + bias, other.score(features)])
    powered = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powered[:, -1] / powered.sum(axis=1)


def test_what_differs_where_motifs_do_not_is_other(learned) -> None:
    other, kernel, bias, known = learned
    assert np.mean(_share_of_other(other, kernel, bias, known) > 0.5) < 0.2
    apart = known.copy()
    apart[:, WIDTH // 2 :] += 1.0  # no farther than motifs are from each other, yet twenty of these features' spreads
    assert _share_of_other(other, kernel, bias, apart).min() > 0.5
    assert np.all(other.squared_distance(apart) > other.squared_distance(known).max())


def test_its_score_ends_above_every_motif_and_not_much_above(learned) -> None:
    from batikkit.network.other import SHARPNESS
    from batikkit.training.others import REACH

    other, _, _, known = learned
    lowest, highest = other.score(known * 0 + known.mean(axis=0))[0], other.score(1e3 * known)[0]
    assert highest == pytest.approx(other.level + 6 * SHARPNESS)
    assert other.level <= lowest < highest - REACH


def test_shown_strangers_are_told_by_more_than_distance(learned) -> None:
    from batikkit.training.others import with_direction

    other, kernel, bias, known = learned
    # Within the motifs' own distance: between two of them.
    strangers = known[:50] * [1, 0, 1, *([1] * (WIDTH - 3))] + 2.5 * np.eye(1, WIDTH, 5)
    taught = with_direction(other, known, strangers[:25], kernel, bias)
    before, after = (_share_of_other(o, kernel, bias, strangers[25:]).mean() for o in (other, taught))
    known_before, known_after = (_share_of_other(o, kernel, bias, _clouds(60)).mean() for o in (other, taught))
    assert after > 1.25 * before
    assert known_after < 1.1 * known_before


def test_the_network_computes_what_the_formula_says(tmp_path: Path) -> None:
    from batikkit.network import model
    from batikkit.network.model import build_model, predict_keras
    from batikkit.network.other import read_other, with_other, write_other
    from batikkit.training.others import fit_other

    config = load_config("smoke")
    net = build_model(config, classes=CLASSES)
    pixels = RNG.integers(0, 256, (12, 96, 96, 3), dtype=np.uint8)
    body = type(net)(net.input, net.get_layer(model.pooled_layer(net)).output)
    features = body(pixels.astype(np.float32), training=False).numpy().astype(np.float64)
    kernel, bias = (np.asarray(values, np.float64) for values in net.get_layer(model.HEAD).get_weights())
    fitted = fit_other(features[:6], features[6:10], kernel, bias)
    write_other(tmp_path / "other.npz", fitted)
    other = read_other(tmp_path / "other.npz")
    grown = with_other(net, other)
    answers = predict_keras(grown, pixels)
    scores = np.column_stack([features @ kernel + bias, other.score(features)])
    wanted = np.exp(scores - scores.max(axis=1, keepdims=True))
    assert answers == pytest.approx(wanted / wanted.sum(axis=1, keepdims=True), abs=1e-3)
    assert among_motifs(answers, LABELS) == pytest.approx(predict_keras(net, pixels), abs=1e-4)
    kept = [layer.name for layer in net.layers if layer.name not in ("dropout", model.HEAD)]
    assert [layer.name for layer in grown.layers][: len(kept)] == kept


def test_motifs_and_the_rest() -> None:
    assert motif_count(LABELS) == 3
    assert motif_count(LABELS[:3]) == 3
    scores = np.array([[0.1, 0.2, 0.1, 0.6], [0, 0, 0, 1]], np.float32)
    assert among_motifs(scores, LABELS) == pytest.approx(np.array([[0.25, 0.5, 0.25], [1 / 3] * 3]))
    assert among_motifs(scores, ("a", "b", "c", "d")) is scores


def test_other_is_never_named() -> None:
    scores = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7], [0.3, 0.3, 0.2, 0.2]])
    for threshold in (0.0, 0.5):
        rule = Rejection(1.0, threshold)
        assert accepted(rule, scores, LABELS).tolist() == [True, False, threshold == 0.0]
        assert not rule.names(OTHER, 1.0)
    kept = apply(Rejection(1.0, 0.0), scores, np.array([0, 0, 1]), LABELS)
    assert (kept.answered, kept.wrong) == (2, 1)
    confidence, best = confidence_of(scores, 1.0, LABELS)
    assert best.tolist() == [0, 3, 0]
    assert confidence[1] == 0
    # The second counts against coverage, and nothing that is "other" is counted as named at any threshold.
    assert choose_threshold(confidence, np.array([True, False, True]), np.zeros(5), min_coverage=0.5) == 0.0


def test_other_is_never_named_wherever_it_stands() -> None:
    scores = np.array([[0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    assert accepted(Rejection(1.0, 0.5), scores, ("kawung", OTHER, "parang")).tolist() == [False, True]


def test_bench_asks_which_motif_and_compares_what_is_answered() -> None:
    from batikkit_benchmarks.parity import evaluate

    before = np.array([[0.5, 0.2, 0.2, 0.1], [0.3, 0.1, 0.0, 0.6], [0.2, 0.5, 0.2, 0.1]], np.float32)
    after = np.array([[0.5, 0.2, 0.2, 0.1], [0.5, 0.1, 0.0, 0.4], [0.2, 0.5, 0.2, 0.1]], np.float32)
    found = evaluate(
        after, np.array([0, 0, 1]), labels=LABELS, images=["a", "b", "c"], source="made up", reference=before
    )
    assert (found.top1, found.reference_top1, found.drop_pp) == (1.0, 1.0, 0.0)
    assert found.agreement == pytest.approx(2 / 3)
    (flip,) = found.flipped
    assert (flip.image, flip.reference, flip.answer) == ("b", OTHER, "across")


def test_the_demo_says_none_of_these_in_both_languages() -> None:
    from batikkit.demo.answers import Answer

    answer = Answer(((OTHER, 0.9), ("kawung", 0.1)), named=False, latency_ms=1.0, model="int8.tflite")
    assert answer.sentence("en").startswith("**None of these motifs**")
    assert answer.sentence("id").startswith("**Bukan salah satu motif ini**")


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_strangers_are_told_before_training(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    for number in range(count):
        Image.new("RGB", (40, 40), (number, 9, 9)).save(strangers / f"{number}.png")
    code = run("train", stripes, "--preset", "smoke", "--weights", "none", "--others", strangers,
                         "--runs-dir", tmp_path / "runs")  # fmt: skip
    assert code == 2
    err = capsys.readouterr().err
    assert "strangers" in err.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


def test_strangers_without_a_folder_are_refused(tmp_path: Path) -> None:
    from batikkit.training.others import find_others

    with pytest.raises(InputError, match="no such folder"):
        find_others(tmp_path / "none")


# A tiny network of few photographs: in integers, distances beyond those of the calibration are cut off early.
@pytest.mark.parametrize(("variant", "least"), [("float32", 10), ("int8", 4)])
def test_exports_answer_other_and_are_measured_by_motif(
    run_with_other: tuple[Path, Path], request: pytest.FixtureRequest, variant: str, least: int
) -> None:
    from batikkit import Classifier

    trained, place = run_with_other
    folder = trained / "export"
    if variant == "int8":
        request.getfixturevalue("weights_035")  # without weights, integers break the promise on so few photographs
        assert run("export", "--int8", "--runs-dir", trained.parent) == 0
    assert read_labels(folder / "labels.txt") == LABELS
    assert OTHER not in read_labels(folder.parent / "labels.txt")
    classifier = Classifier(folder / f"{variant}.tflite")
    answers = [classifier.classify(picture) for picture in sorted((place / "more").iterdir())]
    assert sum(answer.other for answer in answers) >= least
    assert all(answer.label is None for answer in answers if answer.other)
    named = [classifier.classify(picture).label for picture in sorted((place / "photos").rglob("*.png"))]
    assert sum(label is not None for label in named) >= 80
    code = run("evaluate", folder / f"{variant}.tflite", "--runs-dir", folder.parents[1], "--out", place / variant)
    assert code == 0


@pytest.mark.slow
def test_the_folder_counts_motifs_and_outputs_apart(asked_with_other: Asked) -> None:
    text = (asked_with_other.folder / "README.md").read_text(encoding="utf-8")
    assert "name 3 batik motifs" in text
    assert "setMaxResults(4)" in text


@pytest.mark.slow
def test_the_demo_answers_as_the_classifier(asked_with_other: Asked) -> None:
    responder = Responder(asked_with_other.folder)
    starts = {
        "named": "**{}**, ",
        "unsure": "**Not batik, or not sure.** The nearest would be {}, ",
        "other": "**None of",
    }
    for path, answer in asked_with_other.answers.items():
        said = responder.answer(path)
        assert said.named == (answer.label is not None)
        assert said.sentence("en").startswith(starts[kind(answer)].format(display_name(answer.best, "en")))


def test_a_folder_called_other_takes_the_place_of_what_is_learned(
    short_mobilenet: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stripes(tmp_path / "photos", per_class=20)
    (tmp_path / "photos" / "upright").rename(tmp_path / "photos" / OTHER)
    code = run("train", tmp_path / "photos", "--preset", "smoke", "--weights", "none", "--set", "other=true",
                       "--set", "phase1_epochs=0", "--set", f"frozen_layers={FROZEN_LAYERS}", "--image-size", "32",
                       "--runs-dir", tmp_path / "runs")  # fmt: skip
    assert code == 0
    assert "have a motif 'other'" in capsys.readouterr().err
    assert not list((tmp_path / "runs").glob("*/other.npz"))
