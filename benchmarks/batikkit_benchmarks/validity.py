"""Whether a latency can be believed, and by which rules. Each rule gives the reason in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from batikkit_benchmarks.conditions import Conditions, name_flags
from batikkit_benchmarks.delegation import Delegation
from batikkit_benchmarks.host import Host

SPREAD_LIMIT = 1.25
"""p90 / p50 above this: something else ran on the CPU. An idle Raspberry Pi or PC stays below 1.1."""

WAIT_LIMIT = 0.05
"""Waiting for a CPU longer than this share of the time: another program had it. Spread alone does not show a neighbour
who takes every other turn, steadily, and doubles every run."""

DRIFT_LIMIT = 1.10
"""Median of the last quarter / median of the first: above this the machine slowed down while it was measured."""

SWAP_LIMIT_PAGES = 256
"""More pages than this (1 MB) swapped during the run: it measured the SD card."""

RULES = (
    f"invalid when throttled, when over {SWAP_LIMIT_PAGES} pages were swapped, when it waited for a CPU over "
    f"{WAIT_LIMIT:.0%} of the time (contention), when p90/p50 > {SPREAD_LIMIT:g} (noise), when the last quarter's "
    f"median exceeds the first's by over {DRIFT_LIMIT - 1:.0%} (drift), or when emulated"
)


def problems(
    samples: Sequence[float], conditions: Conditions, host: Host, *, cpu_wait_share: float | None = None
) -> tuple[str, ...]:
    """Every reason not to believe a measurement; empty when it is valid.

    Args:
        samples: Latencies [ms] in the order they were taken.
        conditions: What the machine went through meanwhile.
        host: The machine.
        cpu_wait_share: Share of the time in line for a CPU, where known.
    """
    found = [
        _emulated(host),
        _throttled(conditions),
        _swapped(conditions),
        _contended(cpu_wait_share),
        _noisy(samples),
        _drifting(samples),
    ]
    return tuple(reason for reason in found if reason)


def remarks(conditions: Conditions, host: Host) -> tuple[str, ...]:
    """What a reader should know although the measurement stands."""
    found = []
    if "powersave" in host.governors:
        found.append("governor powersave: set it to ondemand or performance for full speed")
    if host.container:
        found.append(f"inside a container ({host.container})")
    if host.virtual_machine:
        found.append(f"virtual machine ({host.virtual_machine})")
    if conditions.peak_temperature_c is not None and conditions.peak_temperature_c >= 80:
        found.append(f"hot: {conditions.peak_temperature_c:.0f} °C")
    if conditions.after.throttle_flags is None and (host.model or "").startswith("Raspberry Pi"):
        found.append("throttling unknown: neither the firmware's file nor 'vcgencmd get_throttled' answers")
    flags = conditions.after.throttle_flags
    if flags and not conditions.throttle_flags_seen:
        found.append(f"the board was throttled before, since boot ({flags:#x})")
    return tuple(found)


def what_ran(ran: Delegation, threads: int) -> tuple[str, ...]:
    """What a reader would not expect of how the file ran: operators left behind, threads that did not join in."""
    found = []
    if ran.taken is not None and ran.left:
        found.append(f"not all on the fast path: {ran.text}")
    if ran.threads_busy is not None and ran.threads_busy < threads:
        found.append(f"{threads} threads asked for, {ran.threads_busy} computed")
    return tuple(found)


def apart(process_p50_ms: Sequence[float]) -> tuple[str, ...]:
    """That processes of one configuration differ by more than the drift allowed within one."""
    low, high = min(process_p50_ms), max(process_p50_ms)
    return (f"p50 of its processes lies between {low:.2f} and {high:.2f} ms",) if high > DRIFT_LIMIT * low else ()


def _throttled(conditions: Conditions) -> str | None:
    if conditions.throttle_flags_seen:
        return f"throttled: {name_flags(conditions.throttle_flags_seen)}; cool the board or use a stronger supply"
    before, after = conditions.before.throttle_count, conditions.after.throttle_count
    if before is not None and after is not None and after > before:
        return f"throttled: {after - before} thermal events; let the machine cool down"
    return None


def _swapped(conditions: Conditions) -> str | None:
    before, after = conditions.before.swapped_pages, conditions.after.swapped_pages
    if before is None or after is None or after - before <= SWAP_LIMIT_PAGES:
        return None
    return f"swapping: {after - before} pages; close other programs"


def _contended(cpu_wait_share: float | None) -> str | None:
    if cpu_wait_share is None or cpu_wait_share <= WAIT_LIMIT:
        return None
    return f"contended: waited for a CPU {cpu_wait_share:.0%} of the time; close other programs"


def _noisy(samples: Sequence[float]) -> str | None:
    p50, p90 = np.percentile(samples, [50, 90])
    if p90 <= SPREAD_LIMIT * p50:
        return None
    return f"noisy: p90 is {p90 / p50:.2f} times p50 (limit {SPREAD_LIMIT:g}); close other programs"


def _drifting(samples: Sequence[float]) -> str | None:
    quarter = len(samples) // 4
    if quarter < 5:
        return None
    ratio = float(np.median(samples[-quarter:]) / np.median(samples[:quarter]))
    if ratio <= DRIFT_LIMIT:
        return None
    return (
        f"drifting: the last quarter is {ratio:.2f} times as slow as the first (limit {DRIFT_LIMIT:g}); cool the board"
    )


def _emulated(host: Host) -> str | None:
    return f"emulated: {host.emulation}; latency says nothing about a real board" if host.emulation else None
