"""Notebooks: the one in docs/ runs from its zip to its file, and progress shows itself there without a terminal."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
SMALL = """
ZIP = "stripes.zip"
PRESET, WEIGHTS = "smoke", "none"
SETTINGS = {"phase1_epochs": 1, "phase2_epochs": 1}
VARIANTS = ("float16", "int8")
BENCH_SECONDS = 0.2
"""


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a notebook in `tmp_path` with the Python of the tests; gives it back with what it showed."""
    if importlib.util.find_spec("ipykernel") is None:
        pytest.skip("running notebooks needs ipykernel and nbclient, which `make setup` installs")
    import nbformat
    from nbclient import NotebookClient

    # Another Python's kernel may be known to this user under the same name.
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")

    def run(content: dict[str, Any]) -> Any:
        notebook = nbformat.reads(json.dumps(content), as_version=4)
        nbformat.validate(notebook)
        resources = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
        return notebook

    return run


def _of_code(*sources: str) -> dict[str, Any]:
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for i, source in enumerate(sources)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def _html(cell: Any) -> str:
    return "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_stored_without_outputs_and_linked(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"]] == []
    for page in ("README.md", "docs/python.md"):
        assert path.name in (ROOT / page).read_text(encoding="utf-8")
    for cell in cells:
        for target in re.findall(r"\]\(([^)#]+)\)", "".join(cell["source"])):
            assert (path.parent / target).exists(), target


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_goes_from_the_zip_to_the_file(path: Path, execute: Any, stripes: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "stripes"), "zip", stripes.parent, "stripes")
    shutil.rmtree(stripes)
    content = json.loads(path.read_text(encoding="utf-8"))
    (parameters,) = (cell for cell in content["cells"] if "parameters" in cell["metadata"].get("tags", ()))
    parameters["source"] = SMALL
    done = execute(content)
    shown = {cell.id: _html(cell) for cell in done.cells if cell.cell_type == "code"}
    for step in ("train", "export", "bench", "evaluate"):
        assert "<table" in shown[step]
        assert "data:image/" in shown[f"{step}-drawn"]
    assert "<progress" in shown["train"]
    texts = "".join(str(output) for cell in done.cells for output in cell.get("outputs", ()))
    assert "\\x1b[" not in texts  # what moves a bar on a terminal is litter here
    (file,) = tmp_path.glob("runs/*/export/int8.tflite")
    assert file.name in shown["download"]


def test_progress_in_a_notebook_is_one_output_that_changes(execute: Any) -> None:
    work = (
        "import sys, time\nfrom batikkit import console\n"
        "with console.progress('look <at> it') as advance:\n"
        "    for done in range(1, 9):\n        advance(done, 8, 'loss 0.5')\n        time.sleep(0.15)"
    )
    short = "with console.progress('short') as advance:\n    advance(1, 2)"
    silent = "with console.silenced(), console.progress('silent') as advance:\n    time.sleep(0.7)"
    light = "print([name for name in ('tensorflow', 'matplotlib', 'ipywidgets') if name in sys.modules])"
    long, *others, last = execute(_of_code(work, short, silent, light)).cells
    (output,) = long.outputs
    assert re.search(r"look &lt;at&gt; it 8 of 8, 0:0\d gone, loss 0.5", output.data["text/html"])
    assert '<progress value="8" max="8"' in output.data["text/html"]
    assert [cell.outputs for cell in others] == [[], []]
    assert last.outputs[0].text == "[]\n"
