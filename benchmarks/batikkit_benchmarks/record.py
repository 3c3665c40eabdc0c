"""Where a bench is kept: tried before anything is measured, and never a reason to lose what was."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from batikkit import atomic
from batikkit.console import note
from batikkit.errors import BatikkitError, InputError
from batikkit.runs import BENCH_FOLDER
from batikkit_benchmarks.host import Host
from batikkit_benchmarks.junit import write_junit
from batikkit_benchmarks.report import BenchReport, write_report


def stamp() -> str:
    """Now, in UTC, as file names have it."""
    return datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")


@dataclass
class Records:
    """The files that hold one bench, written anew after every process.

    Attributes:
        reports: JSON reports.
        junit: The gates as JUnit XML.
        problem: Why a file could not be written in the end; empty when all could.
    """

    reports: tuple[Path, ...]
    junit: Path | None = None
    problem: str = ""
    _written: dict[Path, None] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls, run: Path | None, host: Host, *, json_file: Path | None, junit: Path | None, created: str
    ) -> Records:
        """Chooses the files and tries whether each can be written.

        Args:
            run: Whose folder keeps the report; one that cannot be written is left alone where `json_file` is given.
            host: Names the file in it.
            json_file: Another place for the report.
            junit: Place for the gates.
            created: UTC time for the file's name.

        Raises:
            InputError: one that was asked for cannot be written.
        """
        for file in filter(None, (json_file, junit)):
            _try(file)
        own = [run / BENCH_FOLDER / f"{_slug(host.name)}-{created}.json"] if run else []
        try:
            for file in own:
                _try(file)
        except InputError as error:
            if json_file is None:
                raise InputError(f"{error}; or keep the report elsewhere with --json FILE") from error
            note(f"the run keeps no report: {error}")
            own = []
        return cls((*([json_file] if json_file else []), *own), junit)

    def write(self, report: BenchReport) -> None:
        """Writes all files; one that fails is told of once, and the bench goes on."""
        before, self.problem = self.problem, ""
        for file in self.reports:
            self._attempt(file, partial(write_report, file, report))
        if self.junit:
            self._attempt(self.junit, partial(write_junit, self.junit, report))
        if self.problem and not before:
            note(self.problem)

    def _attempt(self, file: Path, write: Callable[[], None]) -> None:
        try:
            write()
            self._written[file] = None
        except BatikkitError as error:
            self.problem = str(error)

    @property
    def place(self) -> Path | None:
        """Where the report is, the place in the run first."""
        return next((file for file in reversed(self.reports) if file in self._written), None)

    @property
    def kept(self) -> str:
        """`written: a.json`, or how to keep a report the next time."""
        if self._written:
            return "written: " + ", ".join(map(str, self._written))
        return "not kept in any file: name one with --json"


def _try(file: Path) -> None:
    try:
        atomic.try_out(file)
    except BatikkitError as error:  # a full disk as well: nothing is measured yet, so no gate has failed
        raise InputError(str(error)) from error


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)
