"""Which processes train together: `TF_CONFIG`, and meeting before TensorFlow starts.

TensorFlow waits for its peers without end and cannot be interrupted while it does, so the workers meet first, on the
very ports that TensorFlow will use, and within a bounded time.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batikkit.errors import BatikkitError, InputError

VARIABLE = "TF_CONFIG"
STRATEGIES = ("auto", "mirrored", "multi-worker")


class WorkerLostError(BatikkitError):
    """Another worker did not come, or stopped answering."""

    exit_code = 1


@dataclass(frozen=True)
class Cluster:
    """All workers' `host:port` in their order, the chief first, and this process's place among them."""

    addresses: tuple[str, ...]
    rank: int


def read_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """The cluster that `TF_CONFIG` describes; None when it is unset or names nobody else.

    Raises:
        InputError: it cannot be understood.
    """
    text = environment.get(VARIABLE, "")
    if not text.strip():
        return None
    try:
        facts = json.loads(text)
        jobs, task = facts["cluster"], facts["task"]
        places = [("chief", i) for i in range(len(jobs.get("chief", [])))]
        places += [("worker", i) for i in range(len(jobs.get("worker", [])))]
        addresses = tuple(_address(jobs[job][index]) for job, index in places)
        rank = places.index((task["type"], int(task["index"])))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{VARIABLE} is {text[:120]!r}, which names no place of this worker ({error}): write for example "
            '{"cluster": {"worker": ["host-a:2222", "host-b:2222"]}, "task": {"type": "worker", "index": 0}}'
        ) from error
    return Cluster(addresses, rank) if len(addresses) > 1 else None


def meet(cluster: Cluster, *, timeout_s: float) -> None:
    """Waits until every other worker can be reached.

    Raises:
        InputError: this worker's own port is taken.
        WorkerLostError: somebody did not come in time; the message names them.
    """
    deadline = time.monotonic() + timeout_s
    missing = [address for rank, address in enumerate(cluster.addresses) if rank != cluster.rank]
    with _listen(cluster.addresses[cluster.rank]):
        while missing:
            missing = [address for address in missing if not reachable(address)]
            if missing and time.monotonic() > deadline:
                raise WorkerLostError(
                    f"no worker at {', '.join(missing)} within {timeout_s:g} s: start all of them, or raise "
                    "--worker-timeout"
                )
            time.sleep(0.05 if missing else 0.0)


def reachable(address: str) -> bool:
    """Whether somebody listens at `host:port`."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True


def _listen(address: str) -> socket.socket:
    port = int(address.rsplit(":", 1)[1])
    try:
        return socket.create_server(("", port), backlog=128)
    except OSError as error:
        raise InputError(f"cannot listen on port {port} ({error.strerror}): choose another in {VARIABLE}") from error


def _address(value: Any) -> str:
    host, port = str(value).rsplit(":", 1)
    if not host or not 0 < int(port) < 65536:
        raise ValueError(f"{value!r} is not host:port")
    return str(value)
