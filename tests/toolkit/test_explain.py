"""A phone that makes each mistake is written here independently; its scores lead back to the mistake."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from batikkit.assets.explain import Observation, explain, read_observations
from batikkit.assets.faults import FAULTS
from batikkit.assets.manifest import read_assets_manifest
from batikkit.assets.readings import _assignment, namings
from batikkit.assets.resizes import RESIZES
from batikkit.assets.verify import open_variant
from batikkit.cli import main
from batikkit.errors import InputError

COMMITTED = Path(__file__).resolve().parents[2] / "android_demo_assets"
MANIFEST = read_assets_manifest(COMMITTED)
SIZE = MANIFEST.image_size
IMAGES = ("03-landscape.png", "05-sideways.png", "07-tall.png", "08-enlarged.png")
Square = Callable[[Image.Image], np.ndarray]


def _scaled_bitmap(image: Image.Image) -> np.ndarray:
    """Bilinear between four neighbours, as `Bitmap.createScaledBitmap(..., true)`: Pillow's other code path."""
    box = (image.width / SIZE, 0, 0, 0, image.height / SIZE, 0)
    return np.asarray(image.transform((SIZE, SIZE), Image.Transform.AFFINE, box, Image.Resampling.BILINEAR))


def _nearest(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    rows = [int((y + 0.5) * image.height / SIZE) for y in range(SIZE)]
    columns = [int((x + 0.5) * image.width / SIZE) for x in range(SIZE)]
    return pixels[rows][:, columns]


def _picture(path: Path, fault: str) -> np.ndarray:
    """What the phone's code makes of a file, uint8 [S, S, 3]."""
    stored = Image.open(path)
    image = (stored if fault == "exif-ignored" else ImageOps.exif_transpose(stored)).convert("RGB")
    if fault.startswith("rotated-"):
        image = image.rotate(-int(fault.removeprefix("rotated-")), expand=True)
    if fault == "mirrored":
        image = ImageOps.mirror(image)
    if fault == "crop":
        image = ImageOps.fit(image, (min(image.size),) * 2)
    if fault == "letterbox":
        image = ImageOps.pad(image, (max(image.size),) * 2, color="black")
    return _nearest(image) if fault == "nearest" else _scaled_bitmap(image)


def _tensor(pixels: np.ndarray, fault: str, dtype: str) -> np.ndarray:
    """Pixel by pixel into the input buffer, as Kotlin code writes it."""
    if fault == "bgr":
        pixels = pixels[:, :, [2, 1, 0]]
    if fault == "planar":
        pixels = np.stack([pixels[:, :, c] for c in range(3)]).reshape(SIZE, SIZE, 3)
    real = pixels.astype(np.float64)
    scaled = {
        "divided-by-255": real / 255,
        "scaled-twice": (real - 127.5) / 127.5,
        "signed-bytes": real - 128,
        "never-scaled": (real + 1) * 127.5,
    }.get(fault, real)
    if dtype == "float32":
        return scaled[None].astype(np.float32)
    if fault == "never-scaled":  # integer kernels saturate
        return np.clip(scaled, 0, 255)[None].astype(np.uint8)
    return (scaled.astype(np.int32) & 255)[None].astype(np.uint8)  # value.toInt().toByte()


def _phone(variant: str, image: str, fault: str) -> list[float]:
    """Scores of the planted phone, from LiteRT directly, with a little noise as of another processor."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    entry = MANIFEST.variant(variant)
    interpreter = litert.Interpreter(model_path=str(COMMITTED / entry.file), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    pixels = _picture(COMMITTED / "golden" / image, fault)
    interpreter.set_tensor(source["index"], _tensor(pixels, fault, entry.manifest.input.dtype))
    interpreter.invoke()
    scores = interpreter.get_tensor(target["index"])[0].astype(float)
    noise = np.random.default_rng(3).uniform(-1, 1, len(scores)) * (1e-6 if variant == "float16" else 2e-3)
    return [float(score) for score in np.clip(scores + noise, 0, 1)]


@functools.cache
def _model(variant: str):
    return open_variant(COMMITTED, MANIFEST, variant)


def _explain(observations: list[Observation]):
    return explain(COMMITTED, MANIFEST, observations, _model)


@pytest.mark.parametrize("variant", ["float16", "int8"])
@pytest.mark.parametrize("fault", ["none", *(fault.name for fault in FAULTS)])
def test_each_planted_mistake_is_found(variant: str, fault: str) -> None:
    seen = [Observation(name, variant, np.array(_phone(variant, name, fault), np.float32)) for name in IMAGES]
    verdict = _explain(seen)
    assert verdict.best.name == fault
    assert verdict.explained
    assert [rival.name for rival in verdict.rivals] == []
    if fault not in ("nearest", "divided-by-255", "scaled-twice"):  # those leave nothing of the resize to see
        assert "bilinear" in verdict.best.resizes
        if variant == "float16":  # scores in steps of 1/256 leave more than one way of resizing possible
            assert verdict.best.resizes == ("bilinear",)


def test_a_single_image_is_enough_for_the_usual_ones() -> None:
    for fault in ("bgr", "divided-by-255", "never-scaled", "crop", "exif-ignored", "rotated-90"):
        image = "05-sideways.png"
        verdict = _explain([Observation(image, "int8", np.array(_phone("int8", image, fault), np.float32))])
        assert verdict.best.name == fault, verdict.ranking


def test_a_square_image_cannot_show_a_crop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = tmp_path / "scores.json"
    scores.write_text(
        json.dumps({"image": "02-card.png", "variant": "int8", "scores": _phone("int8", "02-card.png", "crop")})
    )
    with pytest.raises(SystemExit) as stopped:
        main(["verify", str(COMMITTED), "--explain", str(scores)])
    assert not stopped.value.code
    said = capsys.readouterr().out
    assert said.startswith("none: ")
    assert "crop" in said.split("not told apart")[1]


def test_scores_that_nothing_explains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores, answer = tmp_path / "scores.json", tmp_path / "ranking.json"
    even = [{"image": name, "variant": "float16", "scores": [0.125] * 8} for name in IMAGES]
    scores.write_text(json.dumps(even))
    with pytest.raises(SystemExit) as stopped:
        main(["verify", str(COMMITTED), "--explain", str(scores), "--json", str(answer)])
    assert stopped.value.code == 1
    assert "no single known mistake" in capsys.readouterr().out
    ranking = json.loads(answer.read_text())["ranking"]
    usual = {naming.name for naming in namings(MANIFEST.labels)}
    assert len(ranking) == 1 + len(FAULTS) + len(usual)
    assert not ranking[0]["within_tolerance"]
    assert ranking[0]["distance"] > 0.2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not JSON"),
        ("[]", "no scores"),
        ("[1]", "needs 'image'"),
        ('{"image": "99.png", "variant": "int8", "scores": []}', "no golden image"),
        ('{"image": "02-card.png", "scores": [0,0,0,0,0,0,0,1]}', "which model"),
        ('{"image": "02-card.png", "variant": "int4", "scores": [0,0,0,0,0,0,0,1]}', "no variant 'int4'"),
        ('{"image": "02-card.png", "variant": "int8", "scores": [0, 1]}', "needs 8 finite scores"),
        ('{"image": "02-card.png", "variant": "int8", "scores": [0,0,0,0,0,0,0,NaN]}', "needs 8 finite scores"),
        (
            '{"image": "02-card.png", "variant": "int8", "scores": [0,0,0,0,0,0,9,300]}',
            "sum to 309: write probabilities",
        ),
        ('{"image": "02-card.png", "variant": "int8", "scores": [-9,0,0,0,0,0,9,100]}', "sum to 100: write"),
        (
            '[{"image": "02-card.png", "variant": "int8", "scores": [0,0,0,0,0,0,0,100]},'
            '{"image": "02-card.png", "variant": "int8", "scores": [0,0,0,0,0,0,0,1]}]',
            "mixes probabilities with larger scores",
        ),
        ('{"image": "02-card.png", "variant": "int8", "scores": {"kawung": 1}}', "are not those of"),
    ],
)
def test_scores_files_that_do_not_fit(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "scores.json"
    path.write_text(content)
    with pytest.raises(InputError, match=says):
        read_observations(path, MANIFEST, ["02-card.png"])


def test_scores_by_label(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text(
        json.dumps({"image": "x/02-card.png", "variant": "int8", "scores": dict.fromkeys(MANIFEST.labels, 0.125)})
    )
    (seen,) = read_observations(path, MANIFEST, ["02-card.png"])
    assert seen.image == "02-card.png"
    assert seen.scores.tolist() == [0.125] * 8


def _shown(said: list[float], listed: list[str]) -> dict[str, float]:
    """An app that reads its own list of names, line by line, beside the scores."""
    return dict(zip(listed, said, strict=False))


LABELS = list(MANIFEST.labels)
LISTS = {
    "labels-reversed": LABELS[::-1],
    "labels-late": ["background", *LABELS],
    "labels-early": [*LABELS[1:], "unknown"],
    "labels-permuted": [LABELS[i] for i in (3, 0, 1, 2, 6, 5, 7, 4)],
}
SCALED: dict[str, Callable[[float], float]] = {
    "probabilities": lambda score: score,
    "percentages": lambda score: round(100 * score, 1),
    "undivided-bytes": lambda score: min(255, round(256 * score)),
}


def _written(path: Path, variant: str, listed: list[str], scale: str, *, fault: str = "none", count: int = 4) -> Path:
    entries = [
        {
            "image": name,
            "variant": variant,
            "scores": _shown([SCALED[scale](s) for s in _phone(variant, name, fault)], listed),
        }
        for name in IMAGES[:count]
    ]
    path.write_text(json.dumps(entries))
    return path


@pytest.mark.parametrize("scale", SCALED)
@pytest.mark.parametrize("variant", ["float16", "int8"])
@pytest.mark.parametrize("mistake", LISTS)
def test_wrong_names_are_found_whatever_the_scale(tmp_path: Path, mistake: str, variant: str, scale: str) -> None:
    path = _written(tmp_path / "scores.json", variant, LISTS[mistake], scale)
    verdict = _explain(list(read_observations(path, MANIFEST, IMAGES)))
    assert verdict.explained
    assert verdict.best.name == mistake
    assert [rival.name for rival in verdict.rivals] == []
    assert (verdict.scale.name if verdict.scale else "probabilities") == scale
    if mistake == "labels-permuted":
        assert verdict.best.fault is not None
        assert "megamendung as lereng" in verdict.best.fault.what


def test_labels_that_an_app_sorts(tmp_path: Path) -> None:
    """Of a folder whose labels are not in the order of the alphabet, as the outputs of another training may be."""
    labels = tuple(LABELS[i] for i in (5, 2, 7, 0, 1, 6, 3, 4))
    manifest = dataclasses.replace(MANIFEST, labels=labels)
    path = _written(tmp_path / "scores.json", "int8", sorted(labels), "probabilities", count=1)
    verdict = explain(COMMITTED, manifest, read_observations(path, manifest, IMAGES), _model)
    assert verdict.best.name == "labels-sorted"
    assert verdict.explained


@pytest.mark.parametrize("scale", ["percentages", "undivided-bytes"])
@pytest.mark.parametrize("fault", ["none", "bgr", "crop", "rotated-90"])
def test_a_scale_hides_no_other_mistake(
    tmp_path: Path, scale: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(tmp_path / "scores.json", "int8", LABELS, scale, fault=fault)
    with pytest.raises(SystemExit) as stopped:
        main(["verify", str(COMMITTED), "--explain", str(path)])
    assert stopped.value.code == 1
    said = capsys.readouterr().out
    assert said.startswith(f"{scale}: the app writes")
    assert ("beside that, the app feeds the model correctly" if fault == "none" else f"\n{fault}: beside that") in said


def test_one_image_accuses_nobody_of_an_order_of_its_own(tmp_path: Path) -> None:
    path = _written(tmp_path / "scores.json", "int8", LISTS["labels-permuted"], "probabilities", count=1)
    verdict = _explain(list(read_observations(path, MANIFEST, IMAGES)) * 3)  # the generated test prints an image thrice
    assert verdict.best.name != "labels-permuted"
    assert not verdict.right


@pytest.mark.parametrize("variant", ["float16", "int8"])
def test_an_accelerator_that_is_right_only_the_first_time(variant: str) -> None:
    said = {name: np.array(_phone(variant, name, "none"), np.float32) for name in IMAGES}
    late = [Observation(image, variant, said[before]) for before, image in itertools.pairwise(IMAGES)]
    verdict = _explain(late)
    assert verdict.best.name == "stale"
    assert verdict.explained
    assert _explain(late[:2]).best.name != "stale", "two pictures are too few to tell"


def test_the_text_never_contradicts_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scores between right and arbitrary: whichever side they fall on, one thing is said."""
    rng = np.random.default_rng(2)
    path, codes = tmp_path / "scores.json", set()
    for share in (0.0, 0.05, 0.15, 0.3, 0.6, 1.0):
        mixed = {
            name: rng.dirichlet([0.3] * 8) * share + np.array(_phone("int8", name, "none")) * (1 - share)
            for name in IMAGES
        }
        path.write_text(json.dumps([{"image": n, "variant": "int8", "scores": s.tolist()} for n, s in mixed.items()]))
        with pytest.raises(SystemExit) as stopped:
            main(["verify", str(COMMITTED), "--explain", str(path)])
        codes.add(stopped.value.code or 0)
        said = capsys.readouterr().out
        assert ("no single known mistake" in said) + said.startswith("none: ") + ("cure: " in said) == 1, said
        assert said.startswith("none: ") == (not stopped.value.code)
    assert codes == {0, 1}


def test_an_assignment_is_that_of_another_implementation() -> None:
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(0)
    for count in (1, 2, 5, 20, 40):
        for _ in range(10):
            cost = rng.random((count, count))
            assert _assignment(cost) == tuple(linear_sum_assignment(cost)[1].tolist())


def test_bilinear_is_that_of_another_implementation() -> None:
    image = Image.open(COMMITTED / "golden" / "06-wide.png").convert("RGB")
    difference = RESIZES["bilinear"](image, SIZE).astype(int) - _scaled_bitmap(image)
    assert np.abs(difference).max() <= 2
    assert np.abs(RESIZES["antialias"](image, SIZE).astype(int) - _scaled_bitmap(image)).max() > 20
