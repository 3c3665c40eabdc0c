"""Progress without a terminal: lines now and then, the time left, and one line at the end."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest

from batikkit import console


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("work") as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""


def test_long_work_tells_how_far_it_is_what_is_left_and_its_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "EVERY_S", 0.2)
    with console.progress("check images") as advance:
        advance(0, 10)
        for done in range(1, 6):
            time.sleep(0.1)
            advance(done, 10, "loss 0.5")
        time.sleep(0.5)  # a long step is told of as well
    lines = capsys.readouterr().err.splitlines()
    assert 4 <= len(lines) <= 7
    assert re.fullmatch(r"batikkit: check images [1-5] of 10, 0:0\d gone, about 0:0\d left, loss 0.5", lines[1])
    assert lines[-1] == "batikkit: check images done in 0:01, 10 in all, loss 0.5"


def test_work_that_fails_has_no_summary(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "EVERY_S", 0.05)
    with pytest.raises(ValueError, match="broken"), console.progress("work"):
        time.sleep(0.2)
        raise ValueError("broken")
    shown = capsys.readouterr().err
    assert "gone" in shown
    assert "done in" not in shown


def test_what_is_left_counts_from_the_last_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    told = console._Told("two works")
    for at, done, total in ((0, 0, 100), (60, 100, 100), (60, 0, 10), (70, 5, 10)):
        now[0] = float(at)
        told.advance(done, total)
    assert told.line() == "batikkit: two works 5 of 10, 1:10 gone, about 0:10 left"
    now[0] = 4000.0
    assert "1:06:40 gone" in told.line()


def test_a_process_ends_though_its_work_is_interrupted() -> None:
    code = "from batikkit import console\nwith console.progress('work') as a:\n    raise KeyboardInterrupt\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert done.returncode != 0
