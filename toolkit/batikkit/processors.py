"""How many processors this process may keep busy, and on which of them it runs: the one place that asks.

The machine's own count misleads wherever a job has only a share of it. On a node with a hundred cores a batch system
grants four, a container two; one thread per core of the machine is then slower than one, and fills the memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

ROOT = Path("/")

SLURM_VARIABLE = "SLURM_CPUS_PER_TASK"
"""What Slurm granted each task; where the site does not confine jobs, nothing else tells."""


def worker_count(root: Path = ROOT, *, environment: Mapping[str, str] | None = None) -> int:
    """Processors to share work out to, at least 1: the usable ones, or fewer where Slurm granted fewer.

    Args:
        root: Where the machine's file system starts; another one than `/` is a recording.
        environment: Environment variables; those of this process when None.
    """
    granted = (os.environ if environment is None else environment).get(SLURM_VARIABLE, "").strip()
    usable = usable_count(root)
    return min(usable, int(granted)) if granted.isdecimal() and int(granted) > 0 else usable


def usable_count(root: Path = ROOT, *, cores: int | None = None) -> int:
    """Processors that the system lets this process keep busy: its affinity mask, cut down by CPU quotas of cgroups.

    Args:
        root: Where the machine's file system starts; the affinity of this process counts only under `/`.
        cores: Logical CPUs of the machine; asked of the system when None.
    """
    usable = cores or machine_count()
    if root == ROOT:
        usable = min(usable, len(allowed_cpus()) or usable)
    return max(1, min([usable, *_quotas(root)]))


def machine_count() -> int:
    """Logical CPUs of the machine, at least 1."""
    return os.cpu_count() or 1


def allowed_cpus() -> tuple[int, ...]:
    """The CPUs this process may use; empty where the system does not confine processes (macOS, Windows)."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()


def cpu_flags(root: Path = ROOT) -> frozenset[str]:
    """What the processor can do, in Linux's words for it (`avx512_bf16`); empty where no `/proc/cpuinfo` tells."""
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, _, words = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(words.split())
    return frozenset()


def confine(cpus: Sequence[int]) -> None:
    """Keeps the calling thread, and those it starts later, to some CPUs; does nothing where `allowed_cpus` is empty."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)


def _quotas(root: Path) -> list[int]:
    """Whole CPUs that each cgroup above this process grants, of both generations; none where none limits it.

    A quota of 1.5 CPUs counts as one: a second thread would be stopped half of the time, and the first waits for it.
    """
    found = []
    for controllers, group in _own_groups(root):
        for folder in (group, *group.parents):
            if controllers:
                place = root / "sys/fs/cgroup" / controllers / folder.relative_to("/")
                quota, period = (_text(place / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
            else:
                place = root / "sys/fs/cgroup" / folder.relative_to("/")
                quota, _, period = _text(place / "cpu.max").partition(" ")
            if quota.isdecimal() and period.isdecimal() and int(period) > 0:  # else "max", -1 or absent: no limit
                found.append(int(quota) // int(period))
    return found


def _own_groups(root: Path) -> list[tuple[str, PurePosixPath]]:
    """Folder of the CPU controller (empty for cgroup 2) and this process's cgroup in it; at least the outermost ones.

    Inside a container the listed group may be one of the host's, which is not visible here: of its parents the
    outermost one is then the container's own.
    """
    top = PurePosixPath("/")
    groups = {("", top), ("cpu", top)}
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        group = PurePosixPath(path)
        if group.is_absolute() and ".." not in group.parts and (not controllers or "cpu" in controllers.split(",")):
            groups.add(("cpu" if controllers else "", group))
    return sorted(groups)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
