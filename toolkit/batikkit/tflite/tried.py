"""What runtimes and files do on this machine, found out in child processes and remembered.

A wheel that was built for another processor does not raise an error: its first instruction kills the process. So no
process loads a runtime to find out whether it works; a child does. Its answer is kept in this user's scratch folder,
which belongs to the machine (a home may be shared by several), under a key that names all that it depends on.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from batikkit import atomic
from batikkit.child import last_words
from batikkit.errors import BatikkitError
from batikkit.operating_system import crashed, describe_exit, is_own, scratch_folder
from batikkit.processors import ROOT
from batikkit.tflite.interpreters import PACKAGES, version

START_LIMIT_S = 180.0
"""Importing TensorFlow on a small board takes long; it is not the file's fault."""

SCHEMA_VERSION = 1
KEPT = 500
"""Answers kept; the oldest go first."""

_TRY = (
    "import json, sys\n"
    "from batikkit.operating_system import limit_child\n"
    "from batikkit.tflite.interpreters import quiet_native, try_runtime\n"
    "limit_child()\n"
    "quiet_native().hear()\n"
    "print(json.dumps(try_runtime(sys.argv[1])))"
)


def trial(runtime: str) -> str | None:
    """What the runtime does with the built-in model on this machine: None when it answers right, else why not.

    The child is started once; its answer is remembered until the runtime, Python, NumPy, batikkit or the processor
    changes. Of failures only those are kept that would come again: a crash, an error, a wrong answer.
    """
    if not installed(runtime):
        return "not installed"
    key = runtime_key(runtime)
    known = recall()
    if key in known:
        return known[key]
    problem = try_in_child(runtime)
    if problem is None or not problem.startswith(("hangs", "crashes (killed by SIGKILL)")):
        remember(key, problem)
    return problem


def try_in_child(runtime: str, *, environment: Mapping[str, str] | None = None) -> str | None:
    """Runs the built-in model in a child process, whatever is remembered; survives a crash and a hang."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY, runtime],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=START_LIMIT_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"hangs: no answer within {START_LIMIT_S:g} s"
    if done.returncode != 0:
        words = last_words(done.stderr)
        verb = "crashes" if crashed(done.returncode) else "ends"
        return f"{verb} ({describe_exit(done.returncode)}){': ' + words if words else ''}"
    answer: str | None = json.loads(done.stdout.splitlines()[-1])
    return answer


def installed(runtime: str) -> bool:
    """Whether the runtime's package can be found; nothing of it is imported."""
    return importlib.util.find_spec(PACKAGES[runtime][0]) is not None


def runtime_key(runtime: str) -> str:
    """Names everything that decides whether a runtime works: its files, the software around it and the processor."""
    spec = importlib.util.find_spec(PACKAGES[runtime][0])
    place = str(spec.origin) if spec else ""
    facts = (runtime, version(runtime), place, _changed(Path(place).parent), sys.version, _version("numpy"))
    return _digest(*facts, _version("batikkit"), processor())


def file_key(runtime: str, sha256: str) -> str:
    """Names one file under one runtime on this machine."""
    return _digest(runtime_key(runtime), sha256)


def processor(root: Path = ROOT) -> str:
    """What decides which instructions there are: the distinct names, parts and features of the processors."""
    lines: set[str] = set()
    with contextlib.suppress(OSError):
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        lines = {line for line in text.splitlines() if line.startswith(("model name", "flags", "Features", "CPU "))}
    return "\n".join([platform.machine(), platform.processor(), *sorted(lines)])


def recall() -> dict[str, str | None]:
    """The remembered answers by key; empty where there are none, or where somebody else wrote them."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        file = _file()
        if not is_own(file):
            return {}
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if content.get("schema_version") == SCHEMA_VERSION:
            return dict(content["answers"])
    return {}


def remember(key: str, problem: str | None) -> None:
    """Keeps an answer for later commands; where nothing can be written they ask again."""
    answers = {**{k: v for k, v in recall().items() if k != key}, key: problem}
    latest = dict(list(answers.items())[-KEPT:])
    with contextlib.suppress(OSError, BatikkitError):
        _file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic.write_json(_file(), {"schema_version": SCHEMA_VERSION, "answers": latest})


def _file() -> Path:
    return scratch_folder() / "runtimes.json"


def _changed(package: Path) -> str:
    """When a package's own files last changed: installing the same version anew counts."""
    with contextlib.suppress(OSError):
        return str(max(entry.stat().st_mtime_ns for entry in os.scandir(package)))
    return ""


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"


def _digest(*facts: str) -> str:
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:32]
