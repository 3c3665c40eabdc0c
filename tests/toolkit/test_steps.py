"""The steps as functions: the same figures as the commands', as text, tables and pictures; light until used."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import batikkit
from batikkit import BenchedFiles, EvaluatedModel, ExportedFiles, TrainedRun
from batikkit.errors import InputError
from batikkit.steps.export import wanted_variants
from batikkit.steps.shown import Picture, Pictures, Shown, Table
from commands import run

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "android_demo_assets"
STEPS = ("train", "export", "bench", "evaluate")
RESULTS = (TrainedRun, ExportedFiles, BenchedFiles, EvaluatedModel)


@pytest.mark.parametrize("name", STEPS)
def test_every_argument_is_documented_typed_and_on_the_page(name: str) -> None:
    step: Callable[..., object] = getattr(batikkit, name)
    parameters = inspect.signature(step).parameters
    assert inspect.signature(step).return_annotation in {kind.__name__ for kind in RESULTS}
    described = set(
        re.findall(r"^\s+(\w+): ", (step.__doc__ or "").split("Args:")[1].split("Raises:")[0], re.MULTILINE)
    )
    assert described == set(parameters)
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in parameters.values())
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    (shown,) = re.findall(rf"^\| `{name}\(([^)]*)\)`", page, re.MULTILINE)
    assert [word.lstrip("*") for word in shown.split(", ") if word != "*"] == list(parameters)


@pytest.mark.parametrize(
    ("name", "same"),
    [("train", {"split": "split_file", **{name: name for name in ("preset", "weights", "others", "unit", "group_by")}}),
     ("evaluate", {name: name for name in ("data", "part", "unit", "weights", "labels", "runtime")}),
     ("export", {name: name for name in ("target_drop", "calibration_size", "compat", "license", "keep", "data")}),
     ("bench", {"data": "data", "budget": "budget"})],
)  # fmt: skip
def test_defaults_are_those_of_the_commands(name: str, same: dict[str, str]) -> None:
    command = inspect.signature(getattr(importlib.import_module(f"batikkit.cli.{name}"), name)).parameters
    step = inspect.signature(getattr(batikkit, name)).parameters
    for own, theirs in same.items():
        assert step[own].default == command[theirs].default


def test_bench_measures_as_long_as_the_command() -> None:
    from batikkit_benchmarks.plan import OF_A_FILE

    step = inspect.signature(batikkit.bench).parameters
    assert (step["min_samples"].default, step["min_seconds"].default) == (OF_A_FILE.runs, OF_A_FILE.seconds)


def test_attributes_on_the_page_are_there() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    for kind in RESULTS:
        (shown,) = re.findall(rf"`{kind.__name__}`: (.*) \|$", page, re.MULTILINE)
        names = {word.split("(")[0] for word in re.findall(r"`([^`]+)`", shown)}
        have = {name for name in dir(kind) if not name.startswith("_")} | {f.name for f in dataclasses.fields(kind)}
        assert names <= have
        assert issubclass(kind, Shown)


def test_the_door_is_light_until_something_is_used(tmp_path: Path) -> None:
    heavy = ("tensorflow", "tf_keras", "keras", "matplotlib", "scipy", "sklearn", "pandas", "h5py")
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in heavy)
    code = (
        f"import sys\n{blocked}import batikkit\n"
        "loaded = [name for name in sys.modules if name.startswith('batikkit.')]\nassert loaded == [], loaded\n"
        "from batikkit import bench, evaluate, export, train, Classifier\n"
        "assert set(batikkit.__all__) <= set(dir(batikkit)) and all(hasattr(batikkit, n) for n in batikkit.__all__)\n"
        "from batikkit.errors import MissingExtraError\n"
        "try: train('nowhere', weights='none')\nexcept MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "batikkit[train]" in done.stdout


def test_what_is_wrong_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean dropout"):
        batikkit.train(tmp_path, settings={"droput": 0.1}, weights="none")
    with pytest.raises(InputError, match="dropout is None"):
        batikkit.train(tmp_path, settings={"dropout": None}, weights="none")
    with pytest.raises(InputError, match="did you mean cloth"):
        batikkit.train(tmp_path, unit="clothe", weights="none")
    with pytest.raises(InputError, match="no weight file"):
        batikkit.train(tmp_path, weights=str(tmp_path / "none.h5"))
    with pytest.raises(InputError, match="no weight file"):
        batikkit.evaluate(ASSETS / "batik_int8.tflite", data=tmp_path, weights=str(tmp_path / "none.h5"))
    with pytest.raises(InputError, match="did you mean validation"):
        batikkit.evaluate(tmp_path, part="validaton", runs_dir=tmp_path)
    with pytest.raises(InputError, match="did you mean int8"):
        batikkit.export(tmp_path, variants=("in8",))
    with pytest.raises(InputError, match="no runs under"):
        batikkit.export(runs_dir=tmp_path)
    with pytest.raises(InputError, match="no such run"):
        batikkit.bench("nowhere", runs_dir=tmp_path)


def test_variants_are_those_of_the_command() -> None:
    assert wanted_variants(()) == ["float32", "float16", "int8"]
    assert wanted_variants((), target_drop=0.5) == ["int8"]
    assert wanted_variants(("float16",), target_drop=0.0) == ["float16", "int8"]
    assert wanted_variants(("int8", "float32", "int8")) == ["float32", "int8"]


def test_a_table_is_the_text_that_it_was_given() -> None:
    odd = Table("[bold]x[/] <b>", ("motif", "n"), [("[red]parang <i>", "1")], ("<u> 100 %", "[dim]"))
    for words in ("[bold]x[/] <b>", "[red]parang <i>", "<u> 100 %", "[dim]"):
        assert words in str(odd)
        assert words.replace("<", "&lt;").replace(">", "&gt;") in odd.html()
    assert not re.search(r"<[biu]>(?!\[bold\])", odd.html())
    assert all(line == line.rstrip() for line in str(odd).splitlines())


def _assert_drawn(pictures: Pictures, folder: Path) -> None:
    assert pictures.drawings
    for path, drawing in zip(pictures.save(folder), pictures.drawings, strict=True):
        assert path.read_bytes() == drawing.content
        if path.suffix == ".svg":
            root = ET.fromstring(drawing.content)
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert "--paper" in (root.findtext("{http://www.w3.org/2000/svg}style") or "")
        else:
            with Image.open(io.BytesIO(drawing.content)) as image:
                assert min(image.size) > 100
    html = pictures._repr_html_()
    assert html.count("<img ") == html.count("data:image/") == len(pictures.drawings)
    assert "save(FOLDER)" in repr(pictures)


def _assert_shown(result: Shown, *words: str) -> None:
    text, html = repr(result), result._repr_html_()
    for word in words:
        assert word in text
        assert word in html
    assert "\x1b" not in text
    assert "object at 0x" not in text
    assert html.count("<table>") == len(result.tables())


def test_a_picture_of_a_page_stands_alone() -> None:
    drawn = Picture.of_svg("a.svg", '<svg class="matrix" viewBox="0 0 9 9"><rect/></svg>')
    assert b'<svg xmlns="http://www.w3.org/2000/svg" class="matrix" viewBox="0 0 9 9"><style>' in drawn.content
    assert "<rect" not in drawn.html()  # nothing of it is part of the page
    assert "max-width:9px" in drawn.html()  # no larger than it was drawn for


@pytest.mark.slow
def test_the_steps_do_what_the_commands_do(
    trained_run: Path, stripes_for_training: Path, weights_035: Path, tmp_path: Path
) -> None:
    from batikkit.evaluation.comparison import read_comparison
    from batikkit.evaluation.metrics_file import read_evaluation
    from batikkit_benchmarks.report import read_report

    trained = batikkit.train(stripes_for_training, preset="smoke", weights=str(weights_035), runs_dir=tmp_path / "runs")
    assert trained.evaluation == read_evaluation(trained.folder / "metrics.json")
    assert trained.evaluation == read_evaluation(trained_run / "metrics.json")
    _assert_shown(trained, "across", f"{100 * trained.evaluation.report.accuracy:.1f} %")
    _assert_drawn(trained.plot(), tmp_path / "drawn")

    made = batikkit.export(runs_dir=tmp_path / "runs", variants=("float16",))
    assert made.files == {"float16": trained.folder / "export" / "float16.tflite"}
    _assert_shown(made, "float16", "100.0 %", f"{made.files['float16'].stat().st_size / 1e6:.2f} MB")
    _assert_drawn(made.plot(), tmp_path / "drawn")

    evaluated = batikkit.evaluate(made.files["float16"])
    assert run("evaluate", made.files["float16"], "--out", tmp_path / "evaluated") == 0
    expected = read_comparison(tmp_path / "evaluated" / "evaluation.json")
    assert dataclasses.replace(evaluated.comparison, created="") == dataclasses.replace(expected, created="")
    assert {path.name for path in evaluated.save(tmp_path / "saved")} == {
        path.name for path in (tmp_path / "evaluated").rglob("*") if path.is_file()
    }
    _assert_shown(evaluated, "per motif", "across")
    _assert_drawn(evaluated.plot(), tmp_path / "drawn")

    figures = batikkit.bench(trained.folder, min_seconds=0.1, min_samples=10, json_file=tmp_path / "board.json")
    assert figures.place is not None
    assert figures.place.parent == trained.folder / "bench"
    assert read_report(tmp_path / "board.json") == read_report(figures.place)
    assert figures.passed
    _assert_shown(figures, "float16", "p50 ms", "drop and agreement against the reference")
    _assert_drawn(figures.plot(), tmp_path / "drawn")


def test_drawing_leaves_a_notebook_its_way_of_drawing() -> None:
    """Pyplot has one backend for a whole process; that of a notebook shows figures, and is not ours to change."""
    for path in (ROOT / "toolkit").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom | ast.Import)
            for alias in node.names
        }
        assert not names & {"pyplot", "matplotlib.pyplot"}, path
