"""What the machine went through during one measurement: heat, frequency, throttling, swapping."""

from __future__ import annotations

import contextlib
import functools
import operator
import re
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from batikkit.processors import ROOT
from batikkit_benchmarks.host import number, text

SAMPLE_EVERY_S = 1.0
"""Reading a dozen small files once a second costs the measured process nothing that shows."""

THROTTLE_BITS = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
}
"""Bits of `vcgencmd get_throttled`: 0..3 hold now, 16..19 the same since boot (Raspberry Pi documentation)."""


@dataclass(frozen=True)
class Snapshot:
    """One moment; None where the machine does not tell.

    Attributes:
        temperature_c: The hottest thermal zone.
        frequency_mhz: The fastest CPU's current frequency.
        throttle_flags: `vcgencmd get_throttled`.
        throttle_count: Thermal throttling events of x86 CPUs since boot, summed.
        swapped_pages: Pages swapped in or out since boot.
        load_1m: Load average over one minute.
    """

    temperature_c: float | None
    frequency_mhz: int | None
    throttle_flags: int | None
    throttle_count: int | None
    swapped_pages: int | None
    load_1m: float | None


@dataclass(frozen=True)
class Conditions:
    """The snapshots before and after a measurement, and the extremes in between."""

    before: Snapshot
    after: Snapshot
    peak_temperature_c: float | None
    lowest_frequency_mhz: int | None
    throttle_flags_seen: int | None


def take_snapshot(root: Path = ROOT, *, vcgencmd: bool = True) -> Snapshot:
    """Reads the machine's state; `vcgencmd=False` spares the child process it takes."""
    return Snapshot(
        temperature_c=temperature_c(root),
        frequency_mhz=frequency_mhz(root),
        throttle_flags=throttle_flags(root, vcgencmd=vcgencmd and root == ROOT),
        throttle_count=throttle_count(root),
        swapped_pages=swapped_pages(root),
        load_1m=load_1m(root),
    )


def temperature_c(root: Path) -> float | None:
    """The hottest thermal zone in degrees Celsius; zones that read nothing or nonsense are left out."""
    zones = (number(zone / "temp") for zone in (root / "sys/class/thermal").glob("thermal_zone*"))
    found = [zone / 1000 for zone in zones if zone is not None and 0 < zone < 150_000]
    return max(found) if found else None


def frequency_mhz(root: Path) -> int | None:
    """The fastest CPU's current frequency."""
    folders = (root / "sys/devices/system/cpu").glob("cpu[0-9]*")
    found = [frequency for folder in folders if (frequency := number(folder / "cpufreq/scaling_cur_freq"))]
    return max(found) // 1000 if found else None


FIRMWARE_FILES = ("soc/soc:firmware", "soc@*/soc@*:firmware", "soc:firmware", "firmware")
"""Where the firmware's device lies under sys/devices/platform, from the Pi 1 to the Pi 5 and over the kernels."""


def throttle_flags(root: Path, *, vcgencmd: bool) -> int | None:
    """A Raspberry Pi's throttling flags: from the firmware's file, `vcgencmd`, or at least the voltage alarm.

    None on other machines.
    """
    platform = root / "sys/devices/platform"
    for file in (found for place in FIRMWARE_FILES for found in platform.glob(f"{place}/get_throttled")):
        with contextlib.suppress(ValueError):
            return int(text(file) or "", 16)
    asked = _ask_vcgencmd() if vcgencmd else None
    return voltage_alarm(root) if asked is None else asked


def _ask_vcgencmd() -> int | None:
    try:
        answer = subprocess.run(
            ["vcgencmd", "get_throttled"], capture_output=True, encoding="ascii", errors="replace", timeout=5
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_throttled(answer.stdout)


def voltage_alarm(root: Path) -> int | None:
    """Bit 0 of the flags from the kernel's own driver, where a system lacks the firmware's tools."""
    for sensor in (root / "sys/class/hwmon").glob("hwmon*"):
        if text(sensor / "name") == "rpi_volt" and (alarm := number(sensor / "in0_lcrit_alarm")) is not None:
            return int(alarm != 0)
    return None


def parse_throttled(answer: str) -> int | None:
    """Reads `throttled=0x50005`."""
    found = re.fullmatch(r"throttled=(0x[0-9a-fA-F]+)\s*", answer)
    return int(found.group(1), 16) if found else None


def throttle_count(root: Path) -> int | None:
    """Thermal throttling events of x86 CPUs since boot."""
    folders = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count")
    found = [count for file in folders if (count := number(file)) is not None]
    return sum(found) if found else None


def swapped_pages(root: Path) -> int | None:
    """Pages swapped in or out since boot."""
    found = re.findall(r"^pswp(?:in|out) (\d+)$", text(root / "proc/vmstat") or "", re.MULTILINE)
    return sum(map(int, found)) if found else None


def load_1m(root: Path) -> float | None:
    """The load average over one minute."""
    with contextlib.suppress(ValueError, IndexError):
        return float((text(root / "proc/loadavg") or "").split()[0])
    return None


def name_flags(flags: int) -> str:
    """The current problems among throttle flags, in words."""
    return ", ".join(word for bit, word in THROTTLE_BITS.items() if flags >> bit & 1)


class Monitor:
    """Watches the machine from another thread while a child process is measured."""

    def __init__(self, root: Path = ROOT, *, every_s: float = SAMPLE_EVERY_S) -> None:
        self._root = root
        self._every_s = every_s
        self._done = threading.Event()
        self._seen: list[Snapshot] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Monitor:
        self._before = take_snapshot(self._root)
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        self._after = take_snapshot(self._root)

    def _watch(self) -> None:
        # A bit that sticks since boot tells afterwards what happened meanwhile, unless it was set before: then only
        # asking meanwhile tells, though that costs a process.
        ask = bool((self._before.throttle_flags or 0) >> 16)
        while not self._done.wait(self._every_s):
            self._seen.append(take_snapshot(self._root, vcgencmd=ask))

    def conditions(self) -> Conditions:
        """What was seen; call after the block has ended."""
        return summarize(self._before, self._seen, self._after)


def together(periods: Sequence[Conditions]) -> Conditions:
    """Several measurements as one, in the order they were taken: first and last look, and all extremes."""
    peaks = [period.peak_temperature_c for period in periods if period.peak_temperature_c is not None]
    slowest = [period.lowest_frequency_mhz for period in periods if period.lowest_frequency_mhz is not None]
    flags = [period.throttle_flags_seen for period in periods if period.throttle_flags_seen is not None]
    return Conditions(
        before=periods[0].before,
        after=periods[-1].after,
        peak_temperature_c=max(peaks, default=None),
        lowest_frequency_mhz=min(slowest, default=None),
        throttle_flags_seen=functools.reduce(operator.or_, flags) if flags else None,
    )


def summarize(before: Snapshot, during: list[Snapshot], after: Snapshot) -> Conditions:
    """Folds the snapshots of one measurement; frequencies before and after, when the machine idles, do not count."""
    moments = [before, *during, after]
    temperatures = [moment.temperature_c for moment in moments if moment.temperature_c is not None]
    frequencies = [moment.frequency_mhz for moment in during if moment.frequency_mhz is not None]
    flags = [moment.throttle_flags for moment in moments if moment.throttle_flags is not None]
    seen = None
    if flags:
        seen = 0
        for flag in flags:
            seen |= flag & 0xF
        # The since-boot bits of an earlier mishap prove nothing; those that appeared meanwhile do.
        seen |= (flags[-1] & ~flags[0]) >> 16 & 0xF
    return Conditions(
        before=before,
        after=after,
        peak_temperature_c=max(temperatures, default=None),
        lowest_frequency_mhz=min(frequencies, default=None),
        throttle_flags_seen=seen,
    )
