"""Files that other people made: fed as they ask, or not at all, and never silently misread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit.cli import main
from batikkit.errors import InputError
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.tflite.encoding import Normalization, choose_encoding
from batikkit.tflite.runtime import LoadedModel, Wishes, open_model
from batikkit_benchmarks.bench import run_bench
from batikkit_benchmarks.plan import Settings
from batikkit_benchmarks.targets import select

QUICK = Settings(min_runs=10, min_seconds=0)


def agreement(folder: Path, name: str, wishes: Wishes | None = None) -> float:
    pack = read_parity_pack(folder / "parity.npz")
    model = open_model(folder / f"{name}.tflite", wishes=wishes)
    scores = model.predict(np.stack(list(iter_images(pack))))
    return float(np.mean(scores.argmax(1) == pack.probabilities.argmax(1)))


@pytest.mark.parametrize(
    ("name", "wishes", "least"),
    [
        ("signed-int8", None, 0.9),  # scale 1/127.5: raw bytes saturate
        ("signed-float-told", None, 1.0),  # NormalizationOptions
        ("signed-float", Wishes((-1.0, 1.0)), 1.0),
        ("logits", Wishes(logits=True), 1.0),
        ("pale-uint8", None, 0.7),  # what low contrast has calibrated clips, but is not stretched besides
    ],
)
def test_a_file_is_fed_what_it_wants(foreign_export: Path, name: str, wishes: Wishes | None, least: float) -> None:
    assert agreement(foreign_export, name, wishes) >= least


def test_guessing_wrong_would_show(foreign_export: Path) -> None:
    """The same files fed raw bytes: so the figures above prove something."""
    assert agreement(foreign_export, "signed-float") < 0.7
    assert agreement(foreign_export, "signed-int8", Wishes((0.0, 255.0))) < 0.7


def test_the_bench_says_how_it_fed_each_and_refuses_what_cannot_be_read(foreign_export: Path) -> None:
    *_, report = run_bench(select([foreign_export], runs_dir=Path("runs")), QUICK)
    told = {result.variant: " ".join(result.notes) for result in report.results}
    assert (
        "has no manifest: it is fed (pixel - 127.5) / 127.5, as float32, as its metadata" in told["signed-float-told"]
    )
    assert "(pixel - 127.5) / 127.5, as int8, the range that its quantized input spans" in told["signed-int8"]
    assert "nothing says what it wants, it is fed raw pixels 0..255; else say --input-range" in told["signed-float"]
    reasons = {failure.variant: failure.reason for failure in report.failures}
    assert "logits.tflite answers no probabilities" in reasons["logits"]
    assert "say --logits" in reasons["logits"]
    assert reasons["nan"].startswith("not finite: nan.tflite answers NaN")


def test_nan_is_no_unreadable_photograph(foreign_export: Path, tmp_path: Path) -> None:
    for label in ("across", "diagonal", "upright"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (8, 8), "red").save(tmp_path / label / "a.png")
    on_data = Settings(min_runs=10, min_seconds=0, data=str(tmp_path), logits=True)
    *_, report = run_bench(select([foreign_export / "nan.tflite"], runs_dir=Path("runs")), on_data)
    assert report.results == ()
    assert report.failures[0].reason.startswith("not finite")


def test_predict_refuses_logits_and_takes_them_when_told(
    foreign_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (96, 96), (255, 90, 90)).save(tmp_path / "a.png")
    model, image = str(foreign_export / "logits.tflite"), str(tmp_path / "a.png")
    with pytest.raises(SystemExit) as caught:
        main(["predict", model, image])
    assert caught.value.code == 2
    assert "answers no probabilities" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["predict", model, image, "--logits"])
    assert caught.value.code == 0
    shown = capsys.readouterr()
    shares = [float(word.rstrip("%,")) for word in shown.out.split() if word.rstrip(",").endswith("%")]
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert shown.err.startswith("note: logits.tflite has no manifest")


PIXELS = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "low", "high"),
    [
        ("int8", 1.0, -128, 0.0, 255.0),  # batikkit's own, for microcontrollers
        ("uint8", 1.0, 0, 0.0, 255.0),
        ("int8", 1 / 127.5, 0, -1.0, 1.0),
        ("int8", 1 / 128, -1, -1.0, 1.0),
        ("uint8", 1 / 128, 128, -1.0, 1.0),  # TensorFlow's hosted MobileNets
        ("int8", 1 / 255, -128, 0.0, 1.0),
        ("uint8", 1 / 255, 0, 0.0, 1.0),
        ("uint8", 0.9, 0, 0.0, 229.5),  # calibrated on pale pictures: brighter ones clip
    ],
)
def test_quantized_input_holds_the_range_it_spans(
    dtype: str, scale: float, zero_point: int, low: float, high: float
) -> None:
    value = choose_encoding(dtype, scale, zero_point).encode(PIXELS)
    assert value.dtype == dtype
    assert value.shape == (1, 16, 16, 3)
    real = (value.astype(np.float64) - zero_point) * scale
    width = 255.0 if high > 16 else high - low
    expected = np.clip(low + PIXELS[None] / 255 * width, low, high)
    assert np.abs(real - expected).max() <= 1.01 * scale


def test_each_channel_may_have_its_own_mean() -> None:
    encoding = choose_encoding("float32", None, None, normalization=Normalization((1.0, 2.0, 3.0), (2.0, 2.0, 4.0)))
    assert encoding.encode(np.full((1, 1, 3), 7, np.uint8)).tolist() == [[[[3.0, 2.5, 1.0]]]]


def test_a_manifest_means_raw_pixels_whatever_else_is_said() -> None:
    told = Normalization((127.5,), (127.5,))
    for dtype, scale, zero in (("uint8", 1.0, 0), ("float32", None, None)):
        encoding = choose_encoding(dtype, scale, zero, manifest=True, normalization=told)
        assert encoding.table is None or dtype == "float32"
        np.testing.assert_array_equal(encoding.encode(PIXELS)[0], PIXELS)


@pytest.mark.parametrize(
    ("arguments", "said", "message"),
    [
        (("int8", 0.02, 0), {}, "spans -2.56 to 2.54, which no usual pixels do: say what it wants with --input-range"),
        (("float32", None, None), {"input_range": (1.0, 1.0)}, "input range 1,1: give what black and white become"),
        (
            ("float32", None, None),
            {"normalization": Normalization((0.0,), (0.0,))},
            "NormalizationOptions are senseless",
        ),
    ],
)
def test_what_means_nothing_is_refused(
    arguments: tuple[str, float | None, int | None], said: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        choose_encoding(*arguments, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "scale", "fault"),
    [
        ([0.2, 0.8], None, None),
        ([0.5, 0.0], 1 / 256, "no probabilities"),
        ([84 / 256] * 3, 1 / 256, None),  # rounded down thrice
        ([1.2, -0.2], None, "no probabilities"),
        ([0.9, 0.9], None, "no probabilities"),  # sigmoids
        ([float("nan"), 0.5], None, "not finite"),
        ([float("inf"), 0.5], None, "not finite"),
    ],
)
def test_only_probabilities_pass(answer: list[float], scale: float | None, fault: str | None) -> None:
    from types import SimpleNamespace

    model = LoadedModel.__new__(LoadedModel)
    model._logits, model.path, model.runtime = False, Path("x.tflite"), "ai-edge-litert"
    model.output = SimpleNamespace(scale=scale)  # type: ignore[assignment]
    if fault is None:
        assert model.probabilities(np.array(answer, np.float32)).tolist() == np.float32(answer).tolist()
        return
    with pytest.raises(InputError, match=fault):
        model.probabilities(np.array(answer, np.float32))
