"""One grammar for all commands: walked, so that a command that is added later is held to it too."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from batikkit.cli import app, main

MAKERS = {
    "quickstart", "data split", "data synth", "train", "compare", "fit", "evaluate", "export", "bench", "report",
    "assets",
}  # fmt: skip
WITHOUT_ANSWER = {"demo"}
"""It serves until Ctrl-C."""
MEANINGS = {"--strict": "Refuse unreadable images instead of skipping them, and a split that leaks."}


def _walk(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _walk(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


COMMANDS = dict(_walk(typer.main.get_command(app)))


def _options(command: Any) -> dict[str, Any]:
    return {name: param for param in command.params for name in param.opts if name.startswith("--")}


def _says(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(stopped.value.code or 0), said.out, said.err


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_json_is_a_path_everywhere_and_makers_can_be_quiet(name: str) -> None:
    options = _options(COMMANDS[name])
    if name not in WITHOUT_ANSWER:
        assert options["--json"].metavar == "PATH|-"
        assert not options["--json"].is_flag
    assert ("--quiet" in options) == (name in MAKERS)


def test_an_option_means_the_same_in_every_command() -> None:
    assert set(COMMANDS) >= MAKERS | WITHOUT_ANSWER
    flags: dict[str, set[bool]] = {}
    for command in COMMANDS.values():
        options = _options(command)
        assert not ("--runs-dir" in options and "--runs" in options)
        for option, param in options.items():
            flags.setdefault(option, set()).add(bool(param.is_flag))
            if option in MEANINGS:
                assert param.help == MEANINGS[option]
    assert [option for option, kinds in flags.items() if len(kinds) > 1] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_loses_no_word(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    helps = [param.help for param in COMMANDS[name].params if param.help and not getattr(param, "hidden", False)]
    code, shown, _ = _says(capsys, *name.split(), "--help")
    assert code == 0
    shown = re.sub(r"\s+", " ", shown)
    for text in helps:
        assert re.sub(r"\s+", " ", text) in shown
    assert "<bool>" not in shown
    assert "[[" not in shown


def test_brackets_in_a_help_text_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    from batikkit.cli.grammar import Command

    def wait(_seconds: float = typer.Option(1.0, "--wait", help="Longest wait [s].")) -> None:
        pass

    own = typer.Typer()
    own.command(cls=Command)(wait)
    with pytest.raises(SystemExit):
        own(["--help"])
    assert "Longest wait [s]." in capsys.readouterr().out


@pytest.mark.parametrize("name", ["export", "bench", "train"])
def test_long_option_lists_have_panels(name: str) -> None:
    panels = {param.rich_help_panel for param in COMMANDS[name].params if param.opts[0].startswith("--")}
    assert len(panels) > 2


def _takes_a_number(command: Any, name: str) -> bool:
    annotation = inspect.signature(inspect.unwrap(command.callback), eval_str=True).parameters[name].annotation
    return bool({int, float} & {annotation, *get_args(annotation), *get_args(get_args(annotation)[0])})


NUMBERS = [
    (name, option)
    for name, command in sorted(COMMANDS.items())
    for option, param in _options(command).items()
    if option != "--help" and _takes_a_number(command, param.name)
]


def test_numbers_were_found() -> None:
    assert {("demo", "--port"), ("train", "--cache-gb"), ("export", "--target-drop")} <= set(NUMBERS)


@pytest.mark.parametrize(("name", "option"), NUMBERS)
def test_what_is_no_number_is_one_line(name: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _says(capsys, *name.split(), "some", option, "many")
    assert (code, out) == (2, "")
    (line,) = err.strip().splitlines()
    assert line.startswith("batikkit: ")
    assert option in line
    assert "'many'" in line


@pytest.mark.parametrize(
    "words",
    [["demo", "--port", "70000"], ["export", "--target-drop=101"], ["nosuch"], ["data", "nosuch"], ["train", "--jsn"],
     ["data", "split"], ["predict"], ["data", "check", "x", "--json"], ["data", "check", "x", "--json", "--no-leaks"]],
)  # fmt: skip
def test_wrong_usage_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _says(capsys, *words)
    assert (code, out) == (2, "")
    (line,) = err.strip().splitlines()
    assert line.startswith("batikkit: ")
    assert "┃" not in line
    for number in ("70000", "101"):
        if any(number in word for word in words):
            assert number in line


def test_the_place_is_last_and_with_quiet_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn, again = tmp_path / "drawn", tmp_path / "again"
    synth = ("--motifs", "kawung,parang", "--per-class", 10, "--size", 32)
    code, out, _ = _says(capsys, "data", "synth", drawn, *synth)
    assert (code, out.splitlines()[-1]) == (0, str(drawn))
    assert _says(capsys, "data", "synth", again, *synth, "--quiet") == (0, f"{again}\n", "")
    split = ("data", "split", drawn, "--group-by", "(.+)", "--no-cache")
    for flags in ((), ("--quiet",)):
        code, out, err = _says(capsys, *split, "--out", tmp_path / "a.csv", "--force", *flags)
        assert (code, out.splitlines()[-1]) == (0, str(tmp_path / "a.csv"))
        assert (len(out.splitlines()) == 1) == bool(flags)
        assert ("next:" in err) == (not flags)
    for flags in (("--json", "-"), ("--json", "-", "--quiet"), ("--quiet", "--json", "-")):
        code, out, _ = _says(capsys, *split, "--out", tmp_path / "b.csv", "--force", *flags)
        assert (code, json.loads(out)["place"]) == (0, str(tmp_path / "b.csv"))


@pytest.mark.parametrize(
    ("words", "near"),
    [(["presets", "smal-data"], "small-data"), (["train", ".", "--set", "droput=1"], "dropout"),
     (["data", "synth", "new", "--motifs", "kawong"], "kawung"), (["bench", "--budget", "pi4"], "pi-4"),
     (["bench", "--runtime", "litert-compild"], "litert-compiled"), (["train", ".", "--engine", "cache"], "cached")],
)  # fmt: skip
def test_unknown_names_get_the_nearest(words: list[str], near: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = _says(capsys, *words)
    assert code == 2
    assert f"did you mean {near}" in err


def test_presets_list_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    from batikkit.settings import SETTINGS

    code, out, _ = _says(capsys, "presets", "best")
    assert code == 0
    for setting in SETTINGS:
        assert setting.name in out
    code, out, _ = _says(capsys, "presets", "--json", "-")
    answer = json.loads(out)
    assert {"best", "paper"} <= set(answer["presets"])
    assert [entry["name"] for entry in answer["settings"]] == [setting.name for setting in SETTINGS]
