"""batikkit where POSIX is missing: what only some systems have is asked for in one module, and done without there."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batikkit.operating_system import crashed, describe_exit, end_group, own_group, resident_bytes, try_lock
from batikkit.pipe import Listener

TESTS = Path(__file__).resolve().parents[1]
ASSETS = TESTS.parent / "android_demo_assets"
PACKAGES = [
    TESTS.parent / name
    for name in ("toolkit/batikkit", "exporters/batikkit_exporters", "benchmarks/batikkit_benchmarks")
]
SOURCES = {
    ".".join(file.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): file
    for package in PACKAGES
    for file in package.rglob("*.py")
}
HOME = ("batikkit.operating_system", "batikkit.processors")
MODULES = {"fcntl", "msvcrt", "winreg", "pwd", "grp", "pty", "tty", "termios", "resource", "syslog", "ctypes", "select"}
NAMES = {
    "fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getpgid", "killpg", "setsid", "sysconf", "statvfs",
    "posix_fallocate", "getloadavg", "wait3", "wait4", "mkfifo", "chown", "nice", "umask", "uname", "O_CLOEXEC",
    "start_new_session", "preexec_fn", "creationflags", "startupinfo", "SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1",
    "SIGCHLD", "SIGPIPE", "setitimer", "alarm", "pthread_kill",
}  # fmt: skip


def peculiar(source: str) -> set[str]:
    """What a module uses that some systems lack."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] in MODULES}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} if (node.module or "").split(".")[0] in MODULES else set()
            found |= {alias.name for alias in node.names} & NAMES if node.module in ("os", "signal") else set()
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("os", "signal"):
            found |= {node.attr} & NAMES
        elif isinstance(node, ast.keyword) and node.arg:
            found |= {node.arg} & NAMES
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("/proc/self"):
            found.add(node.value)
    return found


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_only_one_module_uses_what_some_systems_lack(module: str) -> None:
    found = peculiar(SOURCES[module].read_text(encoding="utf-8"))
    if module in HOME:
        return
    # Linux alone tells how long threads waited or computed; elsewhere the functions say that they do not know.
    about_threads = module in ("batikkit_benchmarks.worker", "batikkit_benchmarks.delegation")
    assert found <= ({"/proc/self/task"} if about_threads else set())


def test_the_search_finds_what_it_looks_for() -> None:
    assert peculiar("import fcntl\nfrom os import killpg\nos.getuid()\nPopen(x, start_new_session=True)") == {
        "fcntl", "killpg", "getuid", "start_new_session"
    }  # fmt: skip
    assert peculiar(SOURCES["batikkit.operating_system"].read_text()) >= {"killpg", "resource", "sysconf"}


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """The environment of a Python that lacks POSIX, and of its children; it takes our text files as UTF-8 alone."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text((TESTS / "other_system.py").read_text(encoding="utf-8"))
    paths = [str(site), *(str(folder.parent) for folder in PACKAGES)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNDEFAULTENCODING": "1"}


def run(environment: dict[str, str], code: str, *arguments: object, timeout: int = 120) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    ours = [line for line in done.stderr.splitlines() if "EncodingWarning" in line and "batikkit" in line]
    assert ours == []
    return done.stdout


CLI = "from batikkit.cli import main; main()"


def test_the_play_is_real(elsewhere: dict[str, str]) -> None:
    code = (
        "import os, signal, subprocess, sys, select\nfrom pathlib import Path\n"
        "for name in ('fcntl', 'pwd', 'grp', 'resource', 'termios'):\n"
        "    try: __import__(name)\n    except ImportError: continue\n    raise SystemExit(name)\n"
        "assert not hasattr(os, 'getuid') and not hasattr(os, 'killpg') and not hasattr(os, 'sched_getaffinity')\n"
        "assert not Path('/proc/self/status').exists() and not hasattr(signal, 'SIGKILL')\n"
        "try: Path('/proc/self/status').read_text(encoding='ascii')\n"
        "except OSError: pass\nelse: raise SystemExit('/proc')\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import os; print(hasattr(os, \"fork\"))'], stdout=-1)\n"
        "try: select.select([child.stdout], [], [], 1)\nexcept OSError: pass\nelse: raise SystemExit('select')\n"
        "print(child.communicate()[0])"
    )
    assert "False" in run(elsewhere, code)


def test_every_module_of_the_light_path_can_be_imported(elsewhere: dict[str, str]) -> None:
    """Those that need no heavy package: as many as on this system, TensorFlow and its like blocked on both."""
    code = (
        "import importlib, sys\nfrom batikkit.errors import MissingExtraError\n"
        "for name in ('tensorflow', 'keras', 'tf_keras', 'scipy', 'matplotlib', 'h5py'): sys.modules[name] = None\n"
        "for name in sys.argv[1:]:\n"
        "    try: importlib.import_module(name)\n"
        "    except (ImportError, MissingExtraError): continue\n"
        "    print(name)"
    )
    names = sorted(name for name in SOURCES if not name.endswith("__main__"))
    here, there = (run(surroundings, code, *names).split() for surroundings in (dict(os.environ), elsewhere))
    assert {"batikkit.cli.predict", "batikkit.data.check", "batikkit_benchmarks.worker"} <= set(here)
    assert there == here


@pytest.mark.slow
def test_the_light_path_runs(elsewhere: dict[str, str], stripes: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"  # without its manifest, so that a child tries the file first
    alone.mkdir()
    for name in ("batik_int8.tflite", "labels.txt"):
        (alone / name).write_bytes((ASSETS / name).read_bytes())
    photograph = ASSETS / "golden" / "01-as-is.png"
    question = ("predict", alone / "batik_int8.tflite", photograph, "--json", "-")
    assert json.loads(run(elsewhere, CLI, *question)) == json.loads(run(dict(os.environ), CLI, *question))
    assert "runs under" in run(elsewhere, CLI, "bench", alone / "batik_int8.tflite", "--dry-run")
    run(elsewhere, CLI, "data", "check", stripes)
    run(elsewhere, CLI, "data", "split", stripes, "--out", tmp_path / "split.csv")
    assert len((tmp_path / "split.csv").read_text().splitlines()) == 37
    run(elsewhere, CLI, "doctor")
    run(elsewhere, CLI, "verify", ASSETS)


@pytest.mark.slow
def test_training_runs(elsewhere: dict[str, str], stripes: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("training needs batikkit[train]")
    settings = ["--set", "phase1_epochs=1", "--set", "phase2_epochs=1", "--set", "views=1"]
    runs = tmp_path / "runs"
    command = ["train", stripes, "--preset", "smoke", "--weights", "none", "--runs-dir", runs, *settings]
    run(elsewhere, CLI, *command, timeout=300)
    (run_folder,) = runs.iterdir()
    facts = json.loads((run_folder / "run.json").read_text())
    assert (facts["status"], facts["epochs"]) == ("done", 2)
    assert [path for path in run_folder.rglob("*") if ".tmp" in path.name] == []


def test_a_lock_is_free_again_when_its_owner_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from batikkit.operating_system import try_lock\n"
        "lock = try_lock(Path(sys.argv[1])); print(lock is not None, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "owner")], stdout=subprocess.PIPE)
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"True\n"
        assert try_lock(tmp_path / "owner") is None
        owner.kill()
        owner.wait()
        lock = try_lock(tmp_path / "owner")
        assert lock is not None
        lock.release()
    finally:
        owner.kill()
        owner.communicate()


def test_a_group_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """A grandchild that keeps the pipe open neither survives nor holds up its listener."""
    grandchild = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {grandchild!r}]); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, bufsize=0, **own_group())
    assert child.stdout is not None
    listener = Listener(child.stdout)
    deadline = time.monotonic() + 30
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert listener.line(0.1) is None
    end_group(child)
    assert child.returncode == -signal.SIGKILL
    assert listener.line(10) == b""
    assert listener.line(10) == b""
    listener.close()
    assert child.stdout.closed
    number = int((tmp_path / "pid").read_text())
    while _runs(number) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(number)


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_lines_arrive_whole_however_they_are_written() -> None:
    code = (
        "import os, time\nfor part in (b'on', b'e\\ntwo\\nthr', b'ee\\n' + b'x' * 300000 + b'\\nhalf'):\n"
        "    os.write(1, part[:65536]); os.write(1, part[65536:]) if part[65536:] else None; time.sleep(0.1)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, bufsize=0, **own_group())
    assert child.stdout is not None
    listener = Listener(child.stdout)
    lines = [listener.line(30) for _ in range(5)]
    end_group(child)
    listener.close()
    assert lines == [b"one\n", b"two\n", b"three\n", b"x" * 300000 + b"\n", b""]


def test_a_crash_is_told_in_the_words_of_its_system() -> None:
    assert describe_exit(0xC0000005) == "exception 0xC0000005"
    assert [crashed(status) for status in (-11, 0xC0000005, 0, 1, 3)] == [True, True, False, False, False]


def test_memory_is_told_with_and_without_proc(elsewhere: dict[str, str]) -> None:
    now, peak = resident_bytes(peak=False), resident_bytes(peak=True)
    assert 5_000_000 < now <= peak
    # Without /proc, what remains is the peak.
    code = (
        "import sys, importlib; from pathlib import Path\ndel sys.modules['resource']\n"
        "from batikkit.operating_system import resident_bytes\n"
        "print(resident_bytes(peak=False) > 5_000_000 and resident_bytes(peak=True) > 5_000_000)"
    )
    assert run(elsewhere, code) == "True\n"


def test_reserved_space_is_on_the_disk_everywhere(elsewhere: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np; from batikkit.data.disk_array import new_array\n"
        "new_array(Path(sys.argv[1]), dtype=np.uint8, shape=(3, 1_000_003))"
    )
    run(elsewhere, code, tmp_path / "a.npy")
    run(dict(os.environ), code, tmp_path / "b.npy")
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert (tmp_path / "a.npy").stat().st_blocks * 512 >= 3_000_009
