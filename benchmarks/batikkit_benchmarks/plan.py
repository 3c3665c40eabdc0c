"""What to measure, how, and in which order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from batikkit.errors import InputError
from batikkit.nearest import choices
from batikkit.tflite.interpreters import RUNTIMES, find_runtime
from batikkit_benchmarks.host import Host
from batikkit_benchmarks.report import configuration
from batikkit_benchmarks.targets import Selection, Target


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        runtimes: Names of runtimes; None takes the first that works here.
        threads: Thread counts to measure, one after another.
        processes: Fresh processes for each configuration: one says nothing of how the next will fare.
        warmup: Runs before the measured ones.
        min_runs: At least this many measured runs in each process, and for at least `min_seconds`.
        seed: Shuffles the order of measurement.
        cpus: Confine each worker to these CPUs; empty leaves it free.
        data: Folder of photographs to evaluate on instead of the parity packs.
        input_range: What black and white become in the input of files that do not tell.
        logits: The files leave out the softmax.
    """

    runtimes: tuple[str, ...] | None = None
    threads: tuple[int, ...] = (1,)
    processes: int = 1
    warmup: int = 10
    min_runs: int = 100
    min_seconds: float = 5.0
    seed: int = 0
    cpus: tuple[int, ...] = ()
    data: str | None = None
    input_range: tuple[float, float] | None = None
    logits: bool = False

    def __post_init__(self) -> None:
        for option, value, low in (
            ("--processes", self.processes, 1),
            ("--warmup", self.warmup, 0),
            ("--min-samples", self.min_runs, 10),
            ("--min-seconds", self.min_seconds, 0),
        ):
            if value < low:
                raise InputError(f"{option} {value:g}: it must be at least {low}")


@dataclass(frozen=True)
class Least:
    """How much is measured of each file where nothing else is asked for."""

    runs: int
    seconds: float


OF_A_FILE, OF_A_TABLE = Least(100, 5.0), Least(40, 1.0)
"""A table has a hundred files, and is to take minutes on a board."""

OFFICIAL_RUNS, OFFICIAL_SECONDS = 1024, 60.0
"""What MLPerf asks of a single-stream latency."""
OFFICIAL_PROCESSES = 3


@dataclass(frozen=True, eq=False)
class Configuration:
    """One thing to measure."""

    target: Target
    runtime: str
    threads: int

    @property
    def name(self) -> str:
        """`int8 · ai-edge-litert · 1 thread`."""
        return configuration(self.target.title, self.runtime, self.threads)


def plan(selection: Selection, settings: Settings, host: Host) -> tuple[Configuration, ...]:
    """Every configuration, in the shuffled order of measurement.

    Raises:
        InputError: no runtime works, or more threads or other CPUs are wanted than there are.
    """
    room = len(settings.cpus) or host.usable_cores
    for threads in settings.threads:
        if threads < 1:
            raise InputError(f"--threads {threads}: a network needs at least one")
        if threads > room:
            raise InputError(
                f"{threads} threads on {room} usable CPU(s): oversubscribed threads wait for each other and measure "
                f"nothing; ask for 1 to {room}"
            )
    runtimes = settings.runtimes or (find_runtime(),)
    for runtime in runtimes:
        if runtime not in RUNTIMES:
            raise InputError(f"unknown runtime {runtime!r}: {choices(runtime, ['all', *RUNTIMES])}")
    configurations = [
        Configuration(target, runtime, threads)
        for target in selection.targets
        for runtime in runtimes
        for threads in settings.threads
    ]
    random.Random(settings.seed).shuffle(configurations)
    return tuple(configurations)


def schedule(configurations: Sequence[Configuration], settings: Settings) -> tuple[Configuration, ...]:
    """Every process to come: round after round of all configurations, each round shuffled anew.

    So the processes of one configuration lie apart, and what changes on the machine meanwhile meets all alike.
    """
    chance, rounds = random.Random(settings.seed), [list(configurations)]
    for _ in range(settings.processes - 1):
        rounds.append(list(configurations))
        chance.shuffle(rounds[-1])
    return tuple(wanted for turn in rounds for wanted in turn)
