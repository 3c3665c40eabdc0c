"""How many processors are used: never more than the job was given, and asked for in one place alone."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batikkit.processors import ROOT, allowed_cpus, cpu_flags, machine_count, usable_count, worker_count

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("toolkit/batikkit", "exporters/batikkit_exporters", "benchmarks/batikkit_benchmarks")
ASKING = {"cpu_count", "process_cpu_count", "sched_getaffinity", "sched_setaffinity"}


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        ({"sys/fs/cgroup/cpu.max": "350000 100000\n"}, 3),
        ({"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"sys/fs/cgroup/cpu.max": "damaged\n"}, 8),
        ({"sys/fs/cgroup/cpu.max": "100000 0\n"}, 8),
        # The limit stands at the process's own group, or at one above it; the lowest holds.
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "500000 100000\n"}, 5),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "500000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
                "sys/fs/cgroup/c/cpu.max": "100000 100000\n",
            },
            4,
        ),
        # A group of the host's that cannot be seen from inside, and one above what can be seen.
        ({"proc/self/cgroup": "0::/docker/1\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 3),
        (
            {
                "proc/self/cgroup": "5:memory:/m\n4:cpu,cpuacct:/j/1\n1:name=systemd:/x\n0::/\n",
                "sys/fs/cgroup/cpu/j/1/cpu.cfs_quota_us": "600000\n",
                "sys/fs/cgroup/cpu/j/1/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu/m/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/m/cpu.cfs_period_us": "100000\n",
            },
            6,
        ),
        ({"proc/self/cgroup": "nothing of the kind\n::\n"}, 8),
    ],
)
def test_quotas_cut_the_count_down(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    assert usable_count(machine(tmp_path, files), cores=8) == expected


@pytest.mark.parametrize(
    ("granted", "expected"), [("1", 1), ("100000", None), ("0", None), ("", None), ("4(x2)", None)]
)
def test_slurm_may_only_lower_it(tmp_path: Path, granted: str, expected: int | None) -> None:
    found = worker_count(tmp_path, environment={"SLURM_CPUS_PER_TASK": granted})
    assert found == (expected or usable_count(tmp_path))
    assert worker_count(tmp_path, environment={}) == usable_count(tmp_path)


def test_what_the_processor_can_do_is_read_from_linux(tmp_path: Path) -> None:
    cpu = "processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16\nbugs\t\t: spectre\n\nprocessor\t: 1\nflags\t\t: fpu\n"
    assert cpu_flags(machine(tmp_path / "x86", {"proc/cpuinfo": cpu})) == {"fpu", "avx512f", "avx512_bf16"}
    arm = {"proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd bf16\n"}
    assert cpu_flags(machine(tmp_path / "arm", arm)) == {"fp", "asimd", "bf16"}
    assert cpu_flags(tmp_path / "none") == set()


def test_this_process_is_counted_by_what_it_may_use() -> None:
    """In children that really are confined to one processor, and really told so by Slurm's variable."""
    ask = "from batikkit.processors import worker_count; print(worker_count())"
    first = allowed_cpus()[:1]
    confined = subprocess.run(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {list(first)}); {ask}"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    told = subprocess.run(
        [sys.executable, "-c", ask],
        env={**os.environ, "SLURM_CPUS_PER_TASK": "1"}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert (confined.stdout, told.stdout) == ("1\n", "1\n")
    assert 1 <= usable_count(ROOT) <= machine_count()


def questions(source: str) -> set[str]:
    """Names by which a module asks the system itself, as an attribute, a string or an imported name."""
    nodes = list(ast.walk(ast.parse(source)))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names |= {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    return ASKING & names


def test_nothing_else_asks_for_the_machines_processors() -> None:
    assert questions("import os\nos.cpu_count()") == questions("from os import cpu_count") == {"cpu_count"}
    files = [file for source in SOURCES for file in (REPOSITORY / source).rglob("*.py")]
    asking = {file.name: found for file in files if (found := questions(file.read_text(encoding="utf-8")))}
    assert set(asking) == {"processors.py"}
