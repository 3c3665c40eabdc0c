"""Every variant is held to what it promises: wrong answers are refused, whichever file gives them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from striped import LABELS, striped_network

from batikkit.cli import main
from batikkit.errors import InputError
from batikkit.manifest import Proof, read_manifest
from batikkit.parity_pack import iter_images, read_parity_pack
from batikkit.tflite.file import read_tflite
from batikkit.tflite.runtime import open_in_float16, open_model
from batikkit_exporters.export.proof import broken_promise, prove_answers
from batikkit_exporters.variants import VARIANTS
from batikkit_exporters.variants.variant import Made, Promise

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
GOOD = ("float32", "float16", "int8", "dynamic", "int16x8", "int8-qat")


def _export(model: Path, data: Path, *options: str) -> int:
    labels = model.with_name("labels-of-it.txt")
    labels.write_text("".join(f"{label}\n" for label in LABELS))
    command = ["export", "--model", str(model), "--labels", str(labels), "--data", str(data)]
    with pytest.raises(SystemExit) as done:
        main([*command, "--out", str(model.parent / "out"), "--calibration-size", "12", *options])
    return int(done.value.code or 0)


@pytest.fixture(scope="module")
def folder(stripes_for_training: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was taught, exported as every variant; those of few photographs' training are kept as they are."""
    from batikkit.network.keras_backend import keras

    model = tmp_path_factory.mktemp("promise") / "net.keras"
    striped_network(keras, taught=stripes_for_training).save(model)
    assert _export(model, stripes_for_training, "--all", "--keep") in (0, 1)
    return model.parent / "out"


@pytest.mark.parametrize("name", VARIANTS)
def test_the_proof_is_kept_in_the_manifest(folder: Path, name: str) -> None:
    pack = read_parity_pack(folder / "parity.npz")
    proof = read_manifest(folder / f"{name}.json").proof
    assert proof is not None
    again = prove_answers(folder / f"{name}.tflite", VARIANTS[name].promise, pack=pack)
    assert proof == dataclasses.replace(again, kept=proof.kept)
    assert proof.kept == (broken_promise(name, VARIANTS[name].promise, again) is not None)
    assert proof.n == len(pack.labels)
    assert proof.least_agreement == VARIANTS[name].promise.agreement
    if name in GOOD:
        assert not proof.kept


@pytest.mark.parametrize("name", VARIANTS)
def test_answers_that_name_another_motif_break_every_promise(folder: Path, name: str) -> None:
    pack = read_parity_pack(folder / "parity.npz")
    for turned in (1, 2):
        rolled = dataclasses.replace(pack, probabilities=np.roll(pack.probabilities, turned, axis=1))
        proof = prove_answers(folder / f"{name}.tflite", VARIANTS[name].promise, pack=rolled)
        assert broken_promise(name, VARIANTS[name].promise, proof) is not None


def test_slow_kernels_are_tried_on_an_even_stride(folder: Path) -> None:
    pack = read_parity_pack(folder / "parity.npz")
    proof = prove_answers(folder / "float32.tflite", Promise(0.9, images=2), pack=pack)
    assert proof.n == 2
    half = dataclasses.replace(pack, probabilities=np.roll(pack.probabilities, 1, axis=1))
    assert prove_answers(folder / "float32.tflite", Promise(0.9, images=2), pack=half).agreement == 0.0


@pytest.mark.parametrize(
    ("n", "differ", "least", "holds"),
    [
        (1, 0, 0.9, True), (1, 1, 0.9, False), (2, 1, 0.9, True), (2, 2, 0.9, False), (8, 1, 0.9, True),
        (8, 2, 0.9, False), (100, 10, 0.9, True), (100, 11, 0.9, False),
        (1000, 5, 0.995, True), (1000, 6, 0.995, False),
    ],
)  # fmt: skip
def test_how_many_photographs_may_differ(n: int, differ: int, least: float, holds: bool) -> None:
    proof = Proof(n, (n - differ) / n, 0.5, least)
    assert (broken_promise("x.tflite", Promise(least), proof) is None) == holds


def test_a_difference_beyond_the_limit_is_told() -> None:
    promise = Promise(0.9, difference=1e-3)
    assert broken_promise("x.tflite", promise, Proof(100, 1.0, 2e-3, 0.9, 1e-3)) is not None
    assert broken_promise("x.tflite", promise, Proof(100, 1.0, 1e-4, 0.9, 1e-3)) is None


def test_float16_arithmetic_is_asked_for_and_proven(folder: Path) -> None:
    path, pack = folder / "float16.tflite", read_parity_pack(folder / "parity.npz")
    assert read_tflite(path).metadata["reduced_precision_support"].startswith(b"fp16accfp16")
    images = np.stack(list(iter_images(pack)))
    try:
        half = open_in_float16(path).predict(images)
    except InputError as error:
        pytest.skip(f"no float16 arithmetic to be had here: {error}")
    whole = open_model(path).predict(images)
    assert 0 < np.abs(half - whole).max() < 0.02, "another arithmetic, the same answers"
    proof = read_manifest(folder / "float16.json").proof
    assert proof is not None
    assert proof.float16_agreement == 1.0
    broken = dataclasses.replace(proof, float16_agreement=0.5)
    assert "computed in float16" in str(broken_promise("float16.tflite", VARIANTS["float16"].promise, broken))


def test_an_int8_file_of_one_answer_is_refused_and_the_others_are_written(
    stripes_for_training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Channels of very unlike ranges, made good behind them: float does not mind, a grid for all of them does."""
    from batikkit.network.keras_backend import keras

    net = striped_network(keras, taught=stripes_for_training)
    edges, each = net.get_layer("edges"), net.get_layer("each")
    factors = np.where(np.arange(8) == 0, 1e5, 1.0)
    kernel, bias = edges.get_weights()
    edges.set_weights([kernel * factors, np.abs(bias) * factors + 1e3 * (factors > 1)])
    kernel, bias = each.get_weights()
    each.set_weights([kernel / factors[:, None], bias])
    model, out = tmp_path / "net.keras", tmp_path / "out"
    net.save(model)
    capsys.readouterr()
    assert _export(model, stripes_for_training, "--float32", "--int8") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "int8.tflite names another motif" in last
    assert "--keep" in last
    assert (out / "float32.tflite").is_file()
    assert not list(out.glob("int8.*"))
    for _ in range(2):  # kept, and just as wrong the second time
        assert _export(model, stripes_for_training, "--float32", "--int8", "--keep") == 1
        proof = read_manifest(out / "int8.json").proof
        assert proof is not None
        assert proof.kept
        assert proof.agreement < 0.9
    assert _export(model, stripes_for_training, "--float32") == 0
    assert _export(model, stripes_for_training, "--float32", "--int8") == 1
    assert not list(out.glob("int8.*")), "what is refused now may not stay from before"


def test_a_file_that_no_runtime_takes_does_not_cost_the_others(
    stripes_for_training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from batikkit.network.keras_backend import keras

    model, out = tmp_path / "net.keras", tmp_path / "out"
    striped_network(keras, taught=stripes_for_training).save(model)
    whole = VARIANTS["dynamic"]

    def spoilt(*given: Any) -> Made:
        made = whole.make(*given)
        return dataclasses.replace(made, content=made.content[:-40])

    monkeypatch.setitem(VARIANTS, "dynamic", dataclasses.replace(whole, make=spoilt))
    capsys.readouterr()
    assert _export(model, stripes_for_training, "--float32", "--dynamic") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "damaged" in last
    assert str(tmp_path) not in last, "the place where it was made is gone"
    assert sorted(path.name for path in out.glob("*.tflite")) == ["float32.tflite"]


def test_the_page_says_what_every_variant_promises() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    page = page[page.index("## Variants") :]
    rows: dict[str, str] = {}
    for line in page.splitlines():
        if line.startswith("| `"):
            rows.setdefault(line.split("|")[1].strip(" `"), line)
    for name, variant in VARIANTS.items():
        assert rows[name].endswith(f"| {variant.promise.agreement:.1%} |".replace("%", " %")), name


def test_help_lists_every_variant_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name, variant in VARIANTS.items():
        assert f"--{name}" in said
        assert variant.summary.split()[0] in said
    assert f"Default: {', '.join(name for name, variant in VARIANTS.items() if variant.default)}" in said
