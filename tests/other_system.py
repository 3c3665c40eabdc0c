"""Makes this Python look, as far as Linux can play it, like one on a system without POSIX: a `sitecustomize` for tests.

Modules that Windows lacks cannot be imported, functions of `os` and signals that it lacks are gone, nothing can be read
under /proc, `select` takes no pipes. Children inherit it through PYTHONPATH. It plays neither Windows' own ways
(`msvcrt`, `taskkill`) nor its rule that an open file cannot be removed, and `sys.platform` still says Linux, so that
other packages go their Linux ways.
"""

from __future__ import annotations

import builtins
import io
import os
import select
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from typing import Any

MODULES = ("fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")
FUNCTIONS = (
    "chown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups", "getloadavg", "getpgid", "getpgrp",
    "getpriority", "getsid", "getuid", "initgroups", "killpg", "lchown", "mkfifo", "nice", "posix_fadvise",
    "posix_fallocate", "posix_spawn", "pread", "pwrite", "sched_getaffinity", "sched_setaffinity", "sched_yield",
    "setpgid", "setpriority", "setsid", "setuid", "statvfs", "sync", "sysconf", "wait3", "wait4",
)  # fmt: skip
FLAGS = ("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC")
SIGNALS = ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGTSTP", "SIGUSR1", "SIGUSR2", "SIGWINCH")


def block() -> None:
    """Takes all of it away."""
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    # What Python's own library needs of it on this system, whichever way it would go on another.
    kill = signal.SIGKILL
    subprocess.Popen.kill = lambda self: self.send_signal(kill)  # type: ignore[method-assign]
    for owner, names in ((os, FUNCTIONS), (signal, SIGNALS)):
        for name in names:
            if hasattr(owner, name):
                delattr(owner, name)
    for owner, name in (
        (builtins, "open"), (io, "open"), (os, "open"), (os, "listdir"), (os, "scandir"), (os, "stat"),
    ):  # fmt: skip
        setattr(owner, name, _without_proc(getattr(owner, name)))
    select.select = _sockets_only(select.select)


def _without_proc(function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(path: Any = ".", *args: Any, **options: Any) -> Any:
        if isinstance(path, (str, os.PathLike)) and str(path).startswith(("/proc", "/sys")):
            raise FileNotFoundError(2, "this system has none", str(path))
        return function(path, *args, **options)

    return guarded


def _sockets_only(function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*lists: Any) -> Any:
        for item in (item for group in lists[:3] for item in group):
            number = item if isinstance(item, int) else item.fileno()
            if not isinstance(item, socket.socket) and not stat.S_ISSOCK(os.fstat(number).st_mode):
                raise OSError(10038, "not a socket")
        return function(*lists)

    return guarded


block()
