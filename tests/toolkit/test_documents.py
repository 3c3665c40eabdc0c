"""The documents: links lead somewhere, the Indonesian README keeps step, and what they call by name is there."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer

from batikkit.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
_BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _prose(page: Path) -> str:
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _commands(page: Path) -> list[str]:
    """What is typed, without what is said about it."""
    lines = [line for block in _BLOCK.findall(page.read_text(encoding="utf-8")) for line in block.splitlines()]
    return [line.split(" #")[0].rstrip() for line in lines if line.strip()]


def _levels(page: Path) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) ", _prose(page), re.MULTILINE)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in _anchors(file), f"{page.name} links to {target}"


def test_the_indonesian_readme_keeps_step() -> None:
    english, indonesian = ROOT / "README.md", ROOT / "README.id.md"
    assert _levels(indonesian) == _levels(english)
    assert _commands(indonesian) == _commands(english)


def test_commands_of_the_readme_and_of_installing_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    group = typer.main.get_command(app)
    seen = 0
    for page in (ROOT / "README.md", ROOT / "docs" / "install.md"):
        for line in _commands(page):
            for part in line.split("&&"):
                words = shlex.split(part)
                if words[:1] == ["make"]:
                    assert words[1] in targets
                if words[:1] != ["batikkit"]:
                    continue
                command = group
                rest = words[1:]
                while hasattr(command, "commands"):
                    command, rest = command.commands[rest[0]], rest[1:]
                known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
                assert {word.split("=")[0] for word in rest if word.startswith("--")} <= known, line
                seen += 1
    assert seen > 9


def test_every_extra_is_described_and_checked() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    section = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    extras = set(re.findall(r"^([a-z0-9-]+) = \[", section, re.MULTILINE))
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", (ROOT / "docs/install.md").read_text(), re.MULTILINE)) == extras
    assert set(re.findall(r'^    "([a-z0-9-]+)": \[', (ROOT / "tests/release_check.py").read_text(), re.M)) == extras


SCONTROL = '#!/bin/bash\nprintf "host-a\\nhost-b\\n"\n'
SRUN = '#!/bin/bash\nfor i in 0 1; do SLURM_PROCID=$i "$@" || exit; done\n'
BATIKKIT = """#!/bin/bash
echo "$TF_CONFIG|$*" >> "$LOG"
case "$*|$TF_CONFIG" in *--quiet*'"index": 0'*) echo the-run;; esac
case "$1" in train) exit "$ENDS";; esac
"""


def test_the_recipe_for_slurm_goes_on_with_its_own_run(tmp_path: Path) -> None:
    """Under stand-ins that write down what they are asked for: a job that is stopped, then queued again."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    recipe = page.split("**Slurm.**")[1].split("**Kubernetes.**")[0]
    job = "\n".join(line[4:] for line in recipe.splitlines() if line.startswith("    "))
    for name, text in (("scontrol", SCONTROL), ("srun", SRUN), ("batikkit", BATIKKIT)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    log = tmp_path / "log"
    asked = []
    for ends in ("130", "0"):
        environment = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(log), "ENDS": ends, "SLURM_JOB_ID": "7",
            "SLURM_JOB_NODELIST": "x",
        }  # fmt: skip
        script = job.replace("/shared/", f"{tmp_path}/shared/")
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (int(ends), b"")
        asked.append([line.split("|") for line in log.read_text().splitlines()])
        log.unlink()
    (first,), (chief, worker, export, bench) = asked
    assert json.loads(first[0]) == {
        "cluster": {"worker": ["host-a:2222", "host-b:2222"]}, "task": {"type": "worker", "index": 0}
    }  # fmt: skip
    assert first[1].startswith("train ")
    assert chief[1] == worker[1] == "train --resume the-run --strategy multi-worker"
    assert (export[1], bench[1]) == ("export the-run", "bench the-run")
