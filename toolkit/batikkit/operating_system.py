"""What Linux, macOS and Windows do differently, in one place: locks, ending processes, memory, disk space.

Everything else in batikkit calls what all three have. Linux is where it is developed and tested; the ways for macOS and
Windows follow their documentation, and are tested only as far as Linux can play them (see CONTRIBUTING.md).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from batikkit.errors import MissingExtraError

if TYPE_CHECKING:
    from filelock import BaseFileLock

KILLED = -9
"""What `Popen.returncode` says of a child that SIGKILL ended; Windows has no signals and never says it."""

_FIRST_ERROR = 0xC0000000
"""The lowest NTSTATUS of severity "error": Windows ends a process that crashes with one of these."""

_ZEROS = bytes(1 << 20)


def try_lock(file: Path) -> BaseFileLock | None:
    """Locks `file`, made if need be, for this process; None when another one holds it.

    The system drops the lock with the process, however it ends. Call `release()` on what is returned, and keep it until
    then: it is released when it is collected.

    Raises:
        FileNotFoundError: its folder does not exist.
        MissingExtraError: filelock is not installed.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        raise MissingExtraError("filelock", "train") from error

    lock = FileLock(file, mode=0o644)
    with contextlib.suppress(Timeout):
        lock.acquire(blocking=False)
        return lock
    return None


def own_group() -> dict[str, Any]:
    """Arguments for `subprocess.Popen`: the child leads a group of its own, which Ctrl-C in the terminal spares."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def end_group(child: subprocess.Popen[bytes]) -> None:
    """Ends a child that was started with `own_group`, and what it has started itself; waits for the child."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    elif sys.platform == "win32" and child.poll() is None:
        # Windows keeps no tree of processes; taskkill finds the descendants of one that still lives.
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(child.pid)], capture_output=True, check=False)
    child.kill()
    child.wait()


def crashed(status: int) -> bool:
    """Whether a child with this exit status was ended by a signal, or on Windows by an exception."""
    return status < 0 or status >= _FIRST_ERROR


def describe_exit(status: int) -> str:
    """A child's exit status in words: `killed by SIGSEGV`, `exit code 3`, on Windows `exception 0xC0000005`."""
    if status >= _FIRST_ERROR:
        return f"exception 0x{status:08X}"
    if status >= 0:
        return f"exit code {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"


def limit_child() -> None:
    """Confines this (child) process: no core dumps, first to go when memory runs out, at most the machine's memory.

    Each as far as the system has it: of the three, macOS and Windows know at most the first.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_DATA, (total, total))


def resident_bytes(*, peak: bool) -> int:
    """Resident memory of this process, now or at its highest; macOS tells only the highest, which stands for both.

    Raises:
        ImportError: the system has none of the ways to tell.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:" if peak else "VmRSS:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return _working_set(peak=peak)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _working_set(*, peak: bool) -> int:
    """The same on Windows: `PROCESS_MEMORY_COUNTERS` of `GetProcessMemoryInfo`."""
    import ctypes
    from ctypes import wintypes

    sizes = ("peak", "now", "peak_paged", "paged", "peak_non_paged", "non_paged", "pagefile", "peak_pagefile")

    class Counters(ctypes.Structure):
        _fields_ = (
            ("size", wintypes.DWORD),
            ("page_faults", wintypes.DWORD),
            *((name, ctypes.c_size_t) for name in sizes),
        )

    found = Counters(size=ctypes.sizeof(Counters))
    kernel: Any = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined, unused-ignore]
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    ask = kernel.K32GetProcessMemoryInfo
    ask.argtypes = (wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD)
    if not ask(kernel.GetCurrentProcess(), ctypes.byref(found), found.size):
        raise OSError(ctypes.get_last_error(), "GetProcessMemoryInfo failed")  # type: ignore[attr-defined, unused-ignore]
    return int(found.peak if peak else found.now)


def reset_peak() -> None:
    """Makes the kernel forget the peak of resident memory so far, where it can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def reserve(file: BinaryIO, size_bytes: int) -> None:
    """Makes `file` longer by `size_bytes` that are really on the disk, where a mere truncation may leave a hole.

    Raises:
        OSError: there is no room.
    """
    if hasattr(os, "posix_fallocate"):
        if size_bytes:
            os.posix_fallocate(file.fileno(), file.tell(), size_bytes)
        return
    for start in range(0, size_bytes, len(_ZEROS)):
        file.write(_ZEROS[: size_bytes - start])


def scratch_folder() -> Path:
    """This user's folder for temporary files that have to be found again: others have another one."""
    if hasattr(os, "getuid"):
        return Path(tempfile.gettempdir()) / f"batikkit-{os.getuid()}"
    return Path(tempfile.gettempdir()) / "batikkit"  # on Windows the folder around it is the user's own


def is_own(file: Path) -> bool:
    """Whether this user owns a file; on Windows the folder around it says so."""
    return not hasattr(os, "getuid") or file.stat().st_uid == os.getuid()
