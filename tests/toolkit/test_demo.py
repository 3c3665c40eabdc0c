"""The demo page: what it answers, and the page itself in headless Chromium where Gradio and npm's packages are."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from batikkit.demo.answers import Responder
from batikkit.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "android_demo_assets"
BROWSER = ROOT / "tests" / "browser"
COMMAND = Path(os.environ.get("BATIKKIT_DEMO_COMMAND", ROOT / ".venv-demo/bin/batikkit"))


@pytest.fixture(scope="module")
def responder() -> Responder:
    pytest.importorskip("ai_edge_litert")
    return Responder(FOLDER)


def test_a_motif_is_named_in_both_languages(responder: Responder) -> None:
    answer = responder.answer(FOLDER / "golden" / "01-as-is.png")
    assert answer.named
    assert answer.sentence("en").startswith("**Kawung (palm fruit)**, 100% sure")
    assert answer.sentence("id").startswith("**Kawung (buah aren)**, yakin 100%")
    assert sum(score for _, score in answer.scores) == pytest.approx(1)


def test_what_is_no_batik_is_not_named(responder: Responder) -> None:
    answers = [responder.answer(path) for path in sorted((FOLDER / "golden").glob("*.png"))]
    answer = next(answer for answer in answers if not answer.named)
    assert answer.scores[0][1] < responder.manifest.rejection.threshold
    assert answer.sentence("en").startswith("**Not batik, or not sure.**")
    assert answer.sentence("id").startswith("**Bukan batik, atau tidak yakin.**")


def test_what_is_no_picture_is_refused(responder: Responder, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_text("<script>alert(1)</script>")
    with pytest.raises(InputError):
        responder.answer(path)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    if not COMMAND.exists():
        pytest.skip(f"no {COMMAND}: python3 -m venv .venv-demo; pip install '.[demo]' into it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "uploads").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "uploads")}
    served = subprocess.Popen(
        [COMMAND, "demo", FOLDER, "--port", str(port)], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert served.stdout is not None
        assert served.stdout.readline().strip() == f"http://127.0.0.1:{port}"
        yield f"http://127.0.0.1:{port}"
    finally:
        served.terminate()
        try:
            served.communicate(timeout=120)
        finally:
            served.kill()  # where it has ended this does nothing
            served.communicate()


@pytest.mark.slow
def test_a_photograph_is_answered_in_the_browser(page: str, tmp_path: Path) -> None:
    chromium, node = shutil.which("chromium"), shutil.which("node")
    if chromium is None or node is None or not (BROWSER / "node_modules").is_dir():
        pytest.skip("needs chromium, node and npm ci --prefix tests/browser")
    command = [node, "demo.mjs", chromium, page, str(FOLDER / "golden" / "01-as-is.png"), str(tmp_path / "page.png")]
    done = subprocess.run(command, cwd=BROWSER, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert said["english"].startswith("Kawung (palm fruit), 100% sure")
    assert said["indonesian"].startswith("Kawung (buah aren), yakin 100%")
    assert said["strangers"] == [], "the page asked for something from elsewhere"
    written = list((tmp_path / "uploads").rglob("*.png"))
    assert written
    assert all(path.relative_to(tmp_path / "uploads").parts[0].startswith("batikkit-demo-") for path in written)


@pytest.mark.slow
def test_an_upload_that_is_too_large_is_refused(page: str) -> None:
    time.sleep(0.5)
    boundary = b"xxbatikkitxx"
    head = b'--%s\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' % boundary
    body = head + b"\0" * 21_000_000 + b"\r\n--%s--\r\n" % boundary
    kind = f"multipart/form-data; boundary={boundary.decode()}"
    request = urllib.request.Request(f"{page}/gradio_api/upload", data=body, headers={"Content-Type": kind})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=120)
    refused.value.close()
    assert refused.value.code == 413
