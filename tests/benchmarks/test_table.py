"""A board's table: untrained networks at every image size, measured without TensorFlow, for `fit` to choose by."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sample_report import make_report, make_result

from batikkit.errors import InputError
from batikkit.fit import pack as packs
from batikkit.fit.candidates import parse
from batikkit.fit.pack import Pack, write_pack
from batikkit_benchmarks.report import read_report
from batikkit_benchmarks.table import measured, table_selection
from commands import run

SIZES = (96, 128)


@pytest.fixture(scope="module")
def networks(untrained: dict[str, bytes]) -> Pack:
    return Pack(
        ("across", "diagonal", "upright"),
        {("mobilenet-v2", 0.35, variant): content for variant, content in untrained.items()},
    )


def test_a_board_measures_it_without_tensorflow(networks: Pack, tmp_path: Path) -> None:
    write_pack(tmp_path / "pack.zip", networks)
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in ("tensorflow", "tf_keras", "keras", "flatbuffers"))
    (tmp_path / "sitecustomize.py").write_text(f"import sys\n{blocked}")
    code = (
        "from batikkit.fit import candidates, pack\n"
        f"pack.Pack.candidates.__defaults__ = ({SIZES},)\n"
        "from batikkit.cli import main\n"
        f"main(['bench', '--table', 'pack.zip', '--json', 'board.json', '--min-samples', '10', '--min-seconds', '0'])"
    )
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, capture_output=True,
        text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    rows = measured(read_report(tmp_path / "board.json"))
    assert {(row.candidate.image_size, row.variant) for row in rows} == {
        (side, variant) for side in SIZES for variant in ("float16", "int8")
    }
    for row in rows:
        assert row.size_bytes == len(networks.files["mobilenet-v2", 0.35, row.variant])
        assert 0 < row.p50_ms <= row.p90_ms
        assert row.rss_bytes > 0
        assert row.threads == 1
    # `batikkit report` reads it like any bench.
    assert "mobilenet-v2-0.35-128" in json.dumps(json.loads((tmp_path / "board.json").read_text())["results"])


def test_every_candidate_of_a_pack_becomes_a_file_of_its_size(networks: Pack, tmp_path: Path) -> None:
    some = [parse("mobilenet-v2-0.35-288"), parse("mobilenet-v2-0.35-96")]
    selection = table_selection(networks, tmp_path, source="pack.zip", some=some)
    found = [(target.origin, target.variant, target.model.inputs[0].shape[1]) for target in selection.targets]
    assert found == [(c.name, variant, c.image_size) for c in some for variant in ("float16", "int8")]
    assert {candidate.image_size for candidate in networks.candidates()} == set(packs.IMAGE_SIZES)


def test_a_report_that_is_no_table_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="'bench --table'"):
        measured(make_report(make_result()))
    with pytest.raises(InputError, match="no measured network"):
        measured(dataclasses.replace(make_report(), results=()))
    assert run("bench", "--table", tmp_path / "none.zip") == 2
    assert "cannot read pack" in capsys.readouterr().err
    assert run("bench", "--table", tmp_path / "none.zip", "--dry-run") == 2
    assert "--dry-run with --table" in capsys.readouterr().err
