"""What truly ran: which operators a delegate took over, which stayed behind, and how many threads were busy."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DELEGATE = "DELEGATE"
"""How the runtimes list the node that stands for operators which a delegate took."""

BUSY_SHARE = 0.02
"""A thread that had a CPU for less of the time did none of the work."""


@dataclass(frozen=True)
class Delegation:
    """How one file was run.

    Attributes:
        delegate: `XNNPACK`, the only one that the Python packages apply on their own; None where the runtime lists no
            operators (CompiledModel).
        total: Operators of the first graph.
        taken: Of these, taken over by the delegate; None where the runtime does not tell.
        left: Name -> count of those that ran in the runtime's plain kernels instead.
        threads_busy: Threads that computed while latency was measured; None where the kernel does not count.
    """

    delegate: str | None
    total: int
    taken: int | None
    left: dict[str, int] = field(default_factory=dict)
    threads_busy: int | None = None

    @property
    def text(self) -> str:
        """`XNNPACK 27 of 28 operators; left: 1 MEAN`."""
        if self.taken is None:
            return "the runtime does not tell"
        if self.taken == 0:
            return f"no delegate; {self.total} operators in plain kernels"
        left = ", ".join(f"{count} {name}" for name, count in self.left.items())
        return f"{self.delegate} {self.taken} of {self.total} operators" + (f"; left: {left}" if left else "")


def delegation(nodes: Sequence[Mapping[str, Any]] | None, *, operators: int) -> Delegation:
    """What the runtime's list of operators says.

    A delegate's node names only the tensors at its edge: what lies between them is what it took.

    Args:
        nodes: `op_name`, `inputs` and `outputs` of each; None where the runtime keeps no list.
        operators: How many the file has, for that case.
    """
    if nodes is None:
        return Delegation(None, operators, None)
    own = [node for node in nodes if node["op_name"] != DELEGATE]
    makers = {int(tensor): index for index, node in enumerate(own) for tensor in node["outputs"]}
    taken: set[int] = set()
    for node in nodes:
        if node["op_name"] == DELEGATE:
            taken |= _between(own, makers, set(map(int, node["inputs"])), list(map(int, node["outputs"])))
    left = Counter(str(node["op_name"]) for index, node in enumerate(own) if index not in taken)
    return Delegation("XNNPACK" if taken else None, len(own), len(taken), dict(sorted(left.items())))


def _between(
    nodes: Sequence[Mapping[str, Any]], makers: Mapping[int, int], edge: set[int], waiting: list[int]
) -> set[int]:
    found: set[int] = set()
    while waiting:
        tensor = waiting.pop()
        maker = makers.get(tensor)
        if tensor in edge or maker is None or maker in found:
            continue
        found.add(maker)
        waiting.extend(int(source) for source in nodes[maker]["inputs"])
    return found


def computing_ns(tasks: Path = Path("/proc/self/task")) -> dict[str, int]:
    """How long each thread of this process had a CPU; empty where the kernel does not count."""
    found = {}
    for file in tasks.glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # a thread may end while it is looked at
            found[file.parent.name] = int(file.read_text(encoding="ascii").split()[0])
    return found


def busy_threads(before: Mapping[str, int], after: Mapping[str, int], elapsed_ns: int) -> int | None:
    """Threads that computed between two looks; None where the kernel does not count."""
    if not after:
        return None
    return sum(time - before.get(thread, 0) > BUSY_SHARE * elapsed_ns for thread, time in after.items())
