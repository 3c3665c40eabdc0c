"""Where commands write: nothing is found out after the work, no photograph is replaced, and every encoding will do."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from batikkit import atomic
from batikkit.cli import app
from batikkit.errors import InputError
from commands import run
from drawn_stripes import write_stripes

ASSETS = Path(__file__).resolve().parents[2] / "android_demo_assets"


def _walk(group: Any, words: tuple[str, ...] = ()) -> dict[str, Any]:
    found = {}
    for name, command in group.commands.items():
        found |= _walk(command, (*words, name)) if hasattr(command, "commands") else {" ".join((*words, name)): command}
    return found


def _takes_a_path(command: Any, name: str) -> bool:
    parameters = inspect.signature(inspect.unwrap(command.callback), eval_str=True).parameters
    if name not in parameters:  # --help
        return False
    annotation = parameters[name].annotation
    return Path in {annotation, *get_args(annotation), *get_args(get_args(annotation)[0])}


COMMANDS = _walk(typer.main.get_command(app))
WITH_JSON = sorted(name for name, command in COMMANDS.items() if any("--json" in p.opts for p in command.params))
PATHS = sorted(
    (name, param.opts[0])
    for name, command in COMMANDS.items()
    for param in command.params
    if param.opts[0].startswith("--")
    and param.opts[0] not in ("--json", "--help")
    and _takes_a_path(command, param.name)
)


def _begun(name: str) -> list[str]:
    """The command with something for each of its arguments."""
    return [*name.split(), *("some" for param in COMMANDS[name].params if not param.opts[0].startswith("-"))]


def test_options_that_take_paths_were_found() -> None:
    assert {("data check", "--html"), ("bench", "--junit"), ("report", "--out"), ("train", "--runs-dir")} <= set(PATHS)


@pytest.mark.parametrize(("name", "option"), PATHS)
@pytest.mark.parametrize("value", ["-", "--strict"])
def test_no_file_is_called_as_an_option_is(
    name: str, option: str, value: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*_begun(name), option, value) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{option} {value}: " in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", WITH_JSON)
def test_an_answer_that_cannot_be_written_ends_before_the_work(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    write_stripes(Path("stripes"), per_class=1)
    (picture, *_) = sorted(Path("stripes").glob("*/*.png"))
    content = picture.read_bytes()
    for place, why in ((Path("stripes"), "a folder"), (picture, "a picture (PNG)"), (picture / "a.json", "")):
        assert run(*_begun(name), "--json", place) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert f"cannot write {place}: {why}" in line.replace("it is ", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stripes"]
    assert picture.read_bytes() == content


def test_reports_spare_photographs_before_any_photograph_is_looked_at(
    stripes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = stripes / "across" / "across_00.png"
    content = picture.read_bytes()

    def never(*_arguments: object, **_options: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr("batikkit.data.check.check_folder", never)
    monkeypatch.setattr("batikkit.data.prepared.load_dataset", never)
    for command in (("data", "check", stripes, "--html", picture), ("data", "check", stripes, "--sheets", picture),
                    ("data", "split", stripes, "--force", "--out", picture)):  # fmt: skip
        assert run(*command) == 2
        assert f"cannot write {picture}" in capsys.readouterr().err
    assert picture.read_bytes() == content


def test_text_never_replaces_a_picture(tmp_path: Path) -> None:
    picture = ASSETS / "golden" / "01-as-is.png"
    for write in (
        lambda place: atomic.write_text(place, "x"),
        lambda place: atomic.write_json(place, {}),
        atomic.try_out,
    ):
        place = tmp_path / "photo.jpg"  # whatever its name says
        place.write_bytes(picture.read_bytes())
        with pytest.raises(InputError, match=r"it is a picture \(PNG\)"):
            write(place)
        assert place.read_bytes() == picture.read_bytes()
    atomic.try_out(tmp_path / "new" / "folder" / "a.json")
    assert not (tmp_path / "new").exists()


ALL = """
import contextlib, io, json, sys, traceback
from pathlib import Path
from batikkit.cli import main
codes = {}
for words in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
    try: main(words)
    except SystemExit as ended: codes[" ".join(words)] = ended.code
    except BaseException: codes[" ".join(words)] = traceback.format_exc()
    sys.stdout.flush()
Path(sys.argv[1]).write_text(json.dumps(codes), encoding="utf-8")
"""


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_every_encoding_of_a_console_will_do(encoding: str, tmp_path: Path) -> None:
    """Names that it lacks are shown as escapes; what programs read, in the escapes of JSON."""
    place = tmp_path / "kain ꦧꦠꦶꦏ é"
    write_stripes(place / "foto", per_class=6, size=32)
    (place / "foto" / "across").rename(place / "foto" / "蜡染")
    stdout = place / "foto" / "蜡染" / "across_00.png"
    commands: list[list[object]] = [
        *([*name.split(), "--help"] for name in COMMANDS), ["--help"], ["nosuch-é"], ["presets"], ["presets", "best"],
        ["data", "check", place / "foto", "--unit", "copy", "--html", place / "é.html"],
        ["data", "check", place / "gone"],
        ["data", "split", place / "foto", "--unit", "copy", "--out", place / "teilung.csv"],
        ["data", "synth", place / "motif", "--per-class", 2, "--size", 32, "--motifs", "kawung"],
        ["predict", ASSETS, stdout], ["verify", ASSETS], ["doctor"], ["bench", ASSETS, "--dry-run"],
        ["bench", ASSETS, "--min-seconds", 0, "--min-samples", 10, "--json", place / "ü.json"],
        ["report", place / "ü.json", "--out", place / "berichte.html"],
    ]  # fmt: skip
    (tmp_path / "words.json").write_text(json.dumps([[str(word) for word in words] for words in commands]))
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", ALL, str(tmp_path / "words.json")]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=300, check=False)
    codes = json.loads((tmp_path / "words.json").read_text(encoding="utf-8"))
    assert {name: code for name, code in codes.items() if code not in (0, 1, 2)} == {}, done.stderr[-2000:]
    assert codes[f"predict {ASSETS} {stdout}"] == 0
    assert [name for name, code in codes.items() if code == 2] == ["nosuch-é", f"data check {place / 'gone'}"]
    shown = done.stdout.decode(encoding, errors="replace")  # Typer takes ascii for a mistake, and writes UTF-8
    assert "\\ua9a7" in shown
    assert ("é" in shown) == (encoding == "cp1252")
    asked = [sys.executable, "-c", "from batikkit.cli import main; main()", "predict", ASSETS, stdout, "--json", "-"]
    answer = subprocess.run(asked, env=environment, capture_output=True, timeout=120, check=True).stdout
    assert json.loads(answer.decode(encoding))["answers"][0]["image"] == str(stdout)
