"""Which runtimes work on this machine, found out in child processes, and the one-line cure for each that does not."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batikkit.errors import InputError
from batikkit.processors import ROOT
from batikkit.tflite.interpreters import RUNTIMES, version
from batikkit.tflite.probe import Prober
from batikkit.tflite.tried import installed as is_installed
from batikkit.tflite.tried import remember, runtime_key, try_in_child
from batikkit_benchmarks.host import emulation


@dataclass(frozen=True)
class Installation:
    """What decides which runtime can be installed here."""

    python: tuple[int, int]
    numpy_major: int
    machine: str
    bits: int
    emulated: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """One runtime: `problem` is None when it answered the built-in model; `cure` says what to type."""

    runtime: str
    version: str | None
    problem: str | None
    cure: str | None


def installation() -> Installation:
    """The Python that runs this."""
    numpy_major = int(importlib.metadata.version("numpy").split(".")[0])
    machine = platform.machine()
    emulated = emulation(ROOT, architecture=machine) is not None
    return Installation(sys.version_info[:2], numpy_major, machine, struct.calcsize("P") * 8, emulated)


def probe_runtimes(
    runtimes: Sequence[str] = RUNTIMES, *, environment: Mapping[str, str] | None = None
) -> tuple[Diagnosis, ...]:
    """Tries every runtime on the built-in model, each in a process of its own; nothing remembered counts."""
    here = installation()
    found = []
    for runtime in runtimes:
        if environment is None and not is_installed(runtime):
            problem: str | None = "not installed"
        else:
            problem = try_in_child(runtime, environment=environment)
        if environment is None and problem != "not installed":
            remember(runtime_key(runtime), problem)
        installed = None if problem == "not installed" else version(runtime)
        found.append(Diagnosis(runtime, installed, problem, problem and cure(runtime, problem, here)))
    return tuple(found)


def probe_file(path: Path, runtimes: Sequence[str]) -> tuple[Diagnosis, ...]:
    """Tries one `.tflite` file under each runtime.

    Raises:
        InputError: the file itself is damaged.
    """
    from batikkit.tflite.file import read_tflite

    read_tflite(path)
    found = []
    for runtime in runtimes:
        with Prober(runtime=runtime) as prober:
            try:
                prober.probe(path)
                found.append(Diagnosis(runtime, version(runtime), None, None))
            except InputError as error:
                problem = str(error)
                found.append(Diagnosis(runtime, version(runtime), problem, file_cure(problem)))
    return tuple(found)


def cure(runtime: str, problem: str, here: Installation) -> str:
    """The one line that helps against `problem` of `runtime` on this installation."""
    lse = runtime == "litert-compiled" and bool(_LSE.search(problem))
    if problem.startswith("crashes") and here.emulated and not lse:
        return "emulators lack some of what builds need: try on the board itself, or use another runtime"
    if lse or (runtime == "litert-compiled" and "SIGILL" in problem):
        return (
            "CompiledModel is built for processors with LSE atomics, which a Raspberry Pi 3, 4 and Zero 2 lack: "
            "use ai-edge-litert, the Interpreter of the same package"
        )
    if "SIGILL" in problem:
        return "this CPU lacks instructions the build needs: use another runtime, or a Raspberry Pi 2 or newer"
    if "GLIBC" in problem:
        return "the system is too old for this wheel: upgrade to Raspberry Pi OS bookworm (Debian 12) or newer"
    if (
        "_ARRAY_API" in problem
        or "numpy.core.multiarray" in problem
        or (runtime == "tflite-runtime" and here.numpy_major >= 2 and problem != "not installed")
    ):
        return "tflite-runtime was built for NumPy 1: pip install 'numpy<2'"
    if problem != "not installed":
        return f"the installation is broken: pip install --force-reinstall {_PACKAGE[runtime]}"
    if runtime == "tflite-runtime":
        return _install_legacy(here)
    if runtime == "tensorflow":
        return "only needed for training: pip install 'batikkit[train]'"
    if _is_arm32(here):
        return f"no wheels for 32-bit ARM: install 64-bit Raspberry Pi OS, or {_install_legacy(here)}"
    return "pip install 'batikkit[pi]'"


_LSE = re.compile(r"\blse\b", re.IGNORECASE)
"""ARM's large system extensions, of ARMv8.1: the loader's own word where a library needs them."""


def needs_newer_runtime(problem: str) -> bool:
    """Whether a runtime refused a file for an operator, or a version of one, that it does not know."""
    return any(words in problem for words in ("Didn't find op", "builtin opcode", "Failed to build TFL interpreter"))


def file_cure(problem: str) -> str:
    """The one line that helps when a runtime that works refuses one file."""
    if needs_newer_runtime(problem):
        return "the file needs a newer runtime: export it as float32, float16 or int8, or pip install -U ai-edge-litert"
    return "the runtime itself works: export the file again, or use another runtime that takes it"


_PACKAGE = {
    "ai-edge-litert": "ai-edge-litert",
    "litert-compiled": "ai-edge-litert",
    "tflite-runtime": "tflite-runtime==2.14.0 'numpy<2'",
    "tensorflow": "tensorflow",
}


def _is_arm32(here: Installation) -> bool:
    """A 32-bit Python is what counts: Raspberry Pi OS runs it under a 64-bit kernel on a Pi 4."""
    return here.bits == 32 or here.machine in ("armv6l", "armv7l")


def _install_legacy(here: Installation) -> str:
    if here.python >= (3, 12):
        found = ".".join(map(str, here.python))
        legacy = f"use Python 3.11 with 'batikkit[pi-legacy]': tflite-runtime has no wheels for Python {found}"
        return legacy if _is_arm32(here) else f"pip install 'batikkit[pi]' instead, or {legacy}"
    return "pip install 'batikkit[pi-legacy]'"
