"""`fit` from photographs and a board's table to a benched file; and that what was predicted is what came out."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from sample_report import make_report, make_result

from batikkit.errors import VerificationError
from batikkit.tflite.file import verify_tflite
from batikkit_benchmarks.report import Latency, write_report
from commands import run

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow

P90_MS = {96: 3.0, 128: 6.0, 160: 60.0}
"""Made up: the network runs here, the table is that of a board."""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("board") / "board.json"
    results = [
        make_result(
            variant=variant,
            origin=f"mobilenet-v2-0.35-{side}",
            parity=None,
            size_bytes=1,
            latency_ms=Latency((ms,) * 10),
        )
        for side, ms in P90_MS.items()
        for variant in ("float16", "int8")
    ]
    write_report(file, make_report(*results, failures=(), gates=()))
    return file


@dataclass(frozen=True)
class Done:
    words: list[object]
    folder: Path
    run: Path
    answer: dict[str, object]
    out: str
    err: str


@pytest.fixture(scope="module")
def done(
    board: Path, stripes_for_training: Path, random_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Done:
    """What `fit --train` made of the stripes, in 20 ms; int8 is kept out, of which so few photographs prove nothing."""
    place = tmp_path_factory.mktemp("fit")
    (place / "budget.toml").write_text("max_p90_ms = 20\n[int8]\nmax_size_mb = 0.1\n")
    words = [
        "fit", stripes_for_training, "--board", board, "--budget", place / "budget.toml", "--weights", random_weights,
        "--folds", 3, "--unit", "copy", "--runs-dir", place / "runs", "--out", place / "search",
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        import io

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(*words, "--train", "--json", place / "answer.json")
    assert code == 0, err.getvalue()[-2000:]
    answer = json.loads((place / "answer.json").read_text())
    return Done(words, place / "search", Path(answer["place"]), answer, out.getvalue(), err.getvalue())


def test_what_does_not_fit_is_never_trained(done: Done) -> None:
    made = sorted(file.name for file in (done.folder / "trials").iterdir())
    assert made == [
        f"mobilenet-v2-0.35-{n}.json" for n in ("128.full", "128.scout", "160.scout", "96.full", "96.scout")
    ]
    assert done.answer["image_size"] in (96, 128)
    assert done.answer["variant"] == "float16"
    assert done.answer["predicted_p90_ms"] == P90_MS[int(str(done.answer["image_size"]))]
    (step,) = done.answer["next_steps"]  # type: ignore[misc]
    assert str(step).startswith("with 60 ms: mobilenet-v2 0.35, 160 px, float16: ")
    assert "points" in str(step)


def test_sizes_are_predicted_exactly_and_the_work_is_the_same(done: Done) -> None:
    from batikkit.fit.candidates import Candidate
    from batikkit.fit.pack import read_pack
    from batikkit_exporters.export.run import export_run

    with contextlib.suppress(VerificationError):  # how right so few photographs say it is is not what is asked
        export_run(done.run, variants=("int8",), keep=True)
    pack = read_pack(done.folder / "pack.zip")
    for variant in ("float16", "int8"):
        trained = (done.run / "export" / f"{variant}.tflite").read_bytes()
        untrained = pack.file(Candidate("mobilenet-v2", 0.35, int(str(done.answer["image_size"]))), variant)
        assert len(untrained) == len(trained)
        facts = []
        for content in (untrained, trained):
            _, (graph, *_) = verify_tflite(content, name=variant)
            tensors = [(t.name, t.shape, t.dtype, t.data is None) for t in graph.tensors]
            operators = [(o.name, o.version, [t and t.index for t in (*o.inputs, *o.outputs)]) for o in graph.operators]
            facts.append((tensors, operators))
        assert facts[0] == facts[1], variant
    assert (done.run / "export" / "float16.tflite").stat().st_size == done.answer["size_bytes"]


def test_it_says_what_it_chose_and_how_near_the_prediction_came(done: Done) -> None:
    assert done.out.splitlines()[-1] == str(done.run)
    assert "names right: " in done.out
    assert f"and {done.answer['size_bytes']} bytes; benched " in done.out
    assert "not valid" in done.out, "the made-up table is of a throttled board"
    assert "ine-tuning was tried" in done.out
    page = (done.folder / "fit.html").read_text()
    for text in ("What fits into 20 ms", "budget 20 ms", "<svg", "The next step up", "--train"):
        assert text in page
    told = json.loads((done.folder / "fit.json").read_text())
    assert [point["fits"] for point in told["points"]].count(False) == 4
    assert told["honest"]["interval"][0] <= told["honest"]["accuracy"] <= told["honest"]["interval"][1]


def test_the_same_command_goes_on_from_what_is_there(done: Done, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*done.words) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == str(done.folder / "fit.html")
    for begun in ("scout:", "full:", "pack:"):
        assert begun in done.err
        assert begun not in err
    assert err.splitlines()[-1].startswith("next: batikkit fit ")
    assert err.splitlines()[-1].endswith(" --train")
    # Another budget uses the trials again.
    assert run(*done.words[:4], "--max-p90-ms", 4, *done.words[6:], "--no-fine-tuning", "--json", "-") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["image_size"] == 96
    assert "scout:" not in err


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        (["--max-p90-ms", 1], "nothing fits into 1 ms; the nearest is mobilenet-v2 0.35, 96 px, "),
        (["--max-size-mb", 0.1], "nothing fits into 0.1 MB; the nearest is "),
        ([], "no budget: give --max-p90-ms"),
        (["--max-p90-ms", 0], "leaves nothing"),
        (["--budget", "pi4"], "did you mean pi-4"),
    ],
)
def test_a_budget_that_nothing_meets_is_one_line(
    done: Done, budget: list[object], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*done.words[:4], *budget, *done.words[6:-1], tmp_path / "search"]
    (tmp_path / "search").mkdir()
    shutil.copy(done.folder / "pack.zip", tmp_path / "search")
    assert run(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err.splitlines()[-1]
    assert not list((tmp_path / "search").glob("trials/*"))


def test_other_photographs_or_a_report_that_is_no_table_are_one_line(
    done: Done, stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in sorted((stripes / "upright").iterdir())[:3]:
        file.unlink()
    assert run("fit", stripes, *done.words[2:]) == 2
    assert "holds a search with other photographs: choose another folder with --out" in capsys.readouterr().err
    write_report(tmp_path / "bench.json", make_report())
    assert run(*done.words[:3], tmp_path / "bench.json", *done.words[4:]) == 2
    assert "measure the board again with 'bench --table'" in capsys.readouterr().err
    assert run(*done.words[:7], stripes / "nowhere.h5", *done.words[8:]) == 2
    assert "no weight file" in capsys.readouterr().err
