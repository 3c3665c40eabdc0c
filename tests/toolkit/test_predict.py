"""`from batikkit import Classifier`, and `batikkit predict` on it: one answer, by the folder's rule, for any picture.

Of equal scores the first label is named first, by `predict`, the demo, golden vectors, `argmax` and the apps alike.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from batikkit import Answer, Classifier
from batikkit.assets.manifest import read_assets_manifest
from batikkit.assets.rejection import calibrated
from batikkit.cli import main
from batikkit.errors import InputError
from batikkit.images import load_pixels
from batikkit.labels import OTHER
from batikkit.metrics import best_first
from batikkit.tflite.interpreters import probe_model

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "android_demo_assets"
GOLDEN = sorted((FOLDER / "golden").glob("*.png"))
LABELS = ("kawung", "parang", "truntum")


@pytest.mark.parametrize(
    ("colour", "expected"), [((9, 9, 9), (0, 1, 2)), ((0, 9, 9), (1, 2, 0)), ((9, 0, 9), (0, 2, 1))]
)
def test_predict_names_the_first_of_equals_first(
    tmp_path: Path, colour: tuple[int, int, int], expected: tuple[int, ...]
) -> None:
    """The built-in model answers a picture of one pixel with the softmax of its three channels."""
    (tmp_path / "model.tflite").write_bytes(probe_model())
    (tmp_path / "labels.txt").write_text("\n".join(LABELS) + "\n")
    Image.new("RGB", (1, 1), colour).save(tmp_path / "pixel.png")
    answer = Classifier(tmp_path / "model.tflite").classify(tmp_path / "pixel.png")
    assert list(answer.scores) == [LABELS[i] for i in expected]
    assert answer.label == answer.best == LABELS[expected[0]]  # no rule beside the file


def test_the_first_of_the_ranking_is_the_one_that_argmax_takes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        scores = rng.integers(0, 4, 6).astype(np.float32) / 4
        ranking = best_first(scores)
        assert ranking[0] == scores.argmax()
        assert ranking.tolist() == sorted(range(6), key=lambda index: (-scores[index], index))


def test_nothing_ranks_scores_another_way() -> None:
    for source in ("toolkit/batikkit", "exporters/batikkit_exporters", "benchmarks/batikkit_benchmarks"):
        for file in (ROOT / source).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"argsort\([^)]*\)\s*\[\s*::\s*-1|np\.flip\(.*argsort|argpartition", text), file


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(FOLDER)


def test_three_lines(classifier: Classifier) -> None:
    """What every form of a picture is answered: the same, by the rule of the manifest."""
    rule = read_assets_manifest(FOLDER).rejection
    named = []
    for path in GOLDEN:
        answer = classifier.classify(str(path))
        assert isinstance(answer, Answer)
        with Image.open(path) as picture:
            assert classifier.classify(picture) == answer
            rgb = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        assert classifier.classify(rgb) == answer
        assert classifier.classify(rgb[..., ::-1], bgr=True) == answer
        assert classifier.classify(classifier.pixels(path)) == answer
        best, probability = next(iter(answer.scores.items()))
        assert (answer.best, answer.probability) == (best, probability)
        assert probability == max(answer.scores.values())
        assert sum(answer.scores.values()) == pytest.approx(1)
        assert answer.label == (best if best != OTHER and probability >= rule.threshold else None)
        named.append(answer.label is not None)
    assert 0 < sum(named) < len(named), "the golden pictures must hold both kinds"


def test_the_probability_is_that_of_the_rule(classifier: Classifier) -> None:
    pixels = load_pixels(GOLDEN[0], classifier.image_size)
    raw = np.array(_litert_scores(pixels))
    wanted = calibrated(raw, read_assets_manifest(FOLDER).rejection.temperature)
    assert classifier.classify(GOLDEN[0]).probability == pytest.approx(float(wanted.max()), abs=0.02)
    assert np.abs(wanted.max() - raw.max()) > 1e-4, "the temperature must be seen"


def _litert_scores(pixels: np.ndarray) -> list[float]:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(model_path=str(FOLDER / "batik_int8.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[None])
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0].tolist()


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (np.zeros((8, 8), np.uint8), r"\[height, width, 3\]"),
        (np.zeros((8, 8, 4), np.uint8), r"frame\[\.\.\., :3\]"),
        (np.zeros((0, 8, 3), np.uint8), "no picture"),
        (np.zeros((8, 8, 3), np.float32), "give uint8, 0 to 255"),
        ("nowhere.jpg", "nowhere.jpg"),
        (FOLDER / "labels.txt", "labels.txt"),
        (Image.new("RGB", (0, 8)), "0x8"),
        (None, "the camera gave none"),  # as cv2.imread says that it read nothing
        ([[[1, 2, 3]]], "list is no picture"),
        (b"\xff\xd8", "bytes is no picture"),
        (io.BytesIO(b"\xff\xd8"), "BytesIO is no picture"),
    ],
)
def test_what_is_no_picture(classifier: Classifier, frame: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        classifier.classify(frame)  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [0, -1, 1_000_000, 1.5, "2", None])
def test_threads_that_no_machine_has(threads: object) -> None:
    """Asked for a million, a runtime makes them until the machine has no more."""
    with pytest.raises(InputError, match="threads="):
        Classifier(FOLDER, threads=threads)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", [None, 3, b"model.tflite"])
def test_what_is_no_model(model: object) -> None:
    with pytest.raises(InputError, match="is no model"):
        Classifier(model)  # type: ignore[arg-type]


def test_bgr_is_of_arrays_alone(classifier: Classifier) -> None:
    with pytest.raises(InputError, match="leave it out"):
        classifier.classify(GOLDEN[0], bgr=True)


def test_importing_batikkit_loads_nothing() -> None:
    code = "import batikkit, sys; print(len(sys.modules), 'numpy' in sys.modules); from batikkit import Classifier"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split()[1] == "False"
    with pytest.raises(ImportError):
        from batikkit import Klassifier  # type: ignore[attr-defined]  # noqa: F401


def _predict(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[str], str]:
    with pytest.raises(SystemExit) as stopped:
        main(["predict", *map(str, words)])
    said = capsys.readouterr()
    return int(stopped.value.code or 0), said.out.splitlines(), said.err


def test_predict_takes_folders_and_globs_and_goes_on_after_a_bad_file(
    tmp_path: Path, classifier: Classifier, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = tmp_path / "photos" / "deep" / "er"
    deep.mkdir(parents=True)
    (tmp_path / "photos" / ".hidden").mkdir()
    good = [tmp_path / "photos" / "a.png", deep / "b.png", deep / "c.PNG"]
    for source, path in zip(GOLDEN, (*good, tmp_path / "photos" / ".hidden" / "d.png"), strict=False):
        shutil.copy(source, path)
    (deep / "broken.jpg").write_bytes(good[0].read_bytes()[:200])
    (deep / "notes.txt").write_text("no picture")
    code, lines, told = _predict(capsys, FOLDER, tmp_path / "photos", "--json", "-")
    document = json.loads("\n".join(lines))
    answers = document["answers"]
    assert [Path(entry["image"]).name for entry in document["unread"]] == ["broken.jpg"]
    assert code == 1
    assert {answer["image"] for answer in answers} == set(map(str, good))
    for answer in answers:
        alone = classifier.classify(answer["image"])
        assert (answer["label"], answer["probability"]) == (alone.label, alone.probability)
    assert "broken.jpg" in told
    assert told.rstrip().endswith("3 of 4 answered")
    code, lines, _ = _predict(capsys, FOLDER / "batik_int8.tflite", deep / "*.[pP][nN][gG]", good[0])
    assert code == 0
    assert [line.split(": ")[0] for line in lines] == [str(path) for path in (*good[1:], good[0])]
    for words in (["gone.jpg"], [tmp_path / "*.gone"], [tmp_path / "photos" / ".hidden" / ".." / ".." / "empty"]):
        (tmp_path / "empty").mkdir(exist_ok=True)
        code, lines, told = _predict(capsys, FOLDER, *words, good[0])
        assert (code, len(lines)) == (1, 1)
        assert len(told.splitlines()) == 2, told


def test_predict_says_not_sure_by_the_same_rule(classifier: Classifier, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = _predict(capsys, FOLDER, FOLDER / "golden")
    assert code == 0
    for path, line in zip(GOLDEN, lines, strict=True):
        answer = classifier.classify(path)
        said = "" if answer.label else "none of the motifs (" if answer.other else "not sure ("
        assert line.startswith(f"{path}: {said}{answer.best} ")


def test_predict_without_a_model_or_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, told = _predict(capsys, FOLDER)
    assert (code, "no photograph" in told) == (2, True)
    code, _, told = _predict(capsys, GOLDEN[0], "--runs-dir", tmp_path)
    assert (code, "no runs under" in told) == (2, True)
    code, _, told = _predict(capsys, FOLDER, GOLDEN[0], "--top", 0)
    assert (code, "at least one motif" in told) == (2, True)


def test_the_code_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of a classifier for real; training runs elsewhere, the loops need cameras and are compiled only."""
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) == 4
    for block in blocks:
        compile(block, "docs/python.md", "exec")
    first = blocks[1].replace('"android_demo_assets"', repr(str(FOLDER))).replace('"photo.jpg"', repr(str(GOLDEN[0])))
    exec(first, {})
    assert capsys.readouterr().out.startswith("kawung 100%")
