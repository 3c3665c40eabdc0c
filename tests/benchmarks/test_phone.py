"""`bench --phone`: Chromium as the phone, and everybody else who knocks."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from batikkit.assets import litert_js
from batikkit.assets.golden import read_expected
from batikkit.cli import main
from batikkit.errors import InputError
from batikkit.parity_pack import read_parity_pack
from batikkit_benchmarks.budget import Budget
from batikkit_benchmarks.phone import qr_code
from batikkit_benchmarks.phone_report import MAX_POST_BYTES, read_posted
from batikkit_benchmarks.phone_server import PhoneServer
from batikkit_benchmarks.phone_site import PhonePlan, Site, plan_for
from batikkit_benchmarks.report import read_report
from batikkit_benchmarks.targets import select

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "android_demo_assets"
BROWSER = ROOT / "tests" / "browser"
PACKAGES = BROWSER / "node_modules" / "@litertjs"


@pytest.mark.slow
def test_a_phone_benches_and_is_shown_beside_the_boards(shared_export: Path, tmp_path: Path) -> None:
    chromium, node = shutil.which("chromium"), shutil.which("node")
    if chromium is None or node is None or not PACKAGES.is_dir():
        pytest.skip("needs chromium, node and npm ci --prefix tests/browser")
    out = tmp_path / "phone.json"
    command = [
        sys.executable, "-c", "from batikkit.cli import main; main()", "bench", shared_export / "int8.tflite", ASSETS,
        "--phone", "--address", "127.0.0.1", "--litert-js", PACKAGES, "--json", out, "--min-samples", "20",
        "--min-seconds", "0.1", "--max-rss-mb", "100",
    ]  # fmt: skip
    served = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    with served:
        try:
            assert served.stdout is not None
            url = served.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            for _ in range(2):  # a second phone replaces nothing
                done = subprocess.run(
                    [node, "phone.mjs", chromium, url, str(tmp_path / "phone.png")],
                    cwd=BROWSER, capture_output=True, text=True, timeout=600,
                )  # fmt: skip
                assert done.returncode == 0, done.stderr[-2000:]
                said = json.loads(done.stdout)
                assert (said["done"], said["strangers"], said["complaints"]) == ("yes", [], []), said
                assert said["title"] == "Batik motifs"
            served.send_signal(signal.SIGINT)
            shown, told = served.communicate(timeout=300)
        finally:
            served.kill()  # where it has ended this does nothing
    assert served.returncode == 1, "the memory of a page is not known, so that its gate fails"
    assert "▀" in told or "█" in told, "no QR code"
    assert "browser, WebAssembly" in shown
    report, again = read_report(out), read_report(tmp_path / "phone-2.json")
    assert report.host.title == again.host.title == "Android 16; Ponsel <b>Batik</b>, Chrome 156"
    assert [result.variant for result in report.results] == ["int8", "float16", "int8"]
    pack = read_parity_pack(shared_export / "parity.npz")
    for result in report.results:
        assert len(result.latency_ms.samples) >= 20
        assert (result.runtime, result.runtime_version) == ("browser, WebAssembly", f"LiteRT.js {litert_js.VERSION}")
        assert result.latency_ms.p90 >= result.latency_ms.p50 > 0
    parity = report.results[0].parity
    assert parity is not None
    assert (parity.n, parity.reference) == (len(pack.labels), "keras")
    assert parity.agreement is not None
    assert parity.agreement > 0.9
    golden = [gate for gate in report.gates if gate.name == "max_golden_difference"]
    assert [gate.passed for gate in golden] == [True, True]
    assert [gate.limit for gate in golden] == [0.01, 0.08]
    memory = [gate for gate in report.gates if gate.name == "max_rss_mb"]
    assert not any(gate.passed for gate in memory)
    page = tmp_path / "boards.html"
    with pytest.raises(SystemExit):
        main(["report", str(out), "--out", str(page)])
    html = page.read_text(encoding="utf-8")
    assert "browser, WebAssembly" in html
    assert "<b>Batik</b>" not in html, "what a phone says of itself must not become markup"


# Everybody else who knocks: the server in this process, without LiteRT.js, which these need not.


@dataclass
class Knocked:
    """A running server and what it was given."""

    url: str
    token: str
    received: list[bytes] = field(default_factory=list)


@pytest.fixture(scope="module")
def plan() -> PhonePlan:
    targets = select([ASSETS], runs_dir=Path("none")).targets
    return plan_for(targets, min_runs=2, min_seconds=0, warmup=0)


@pytest.fixture(scope="module")
def site(plan: PhonePlan) -> Site:
    return Site(plan, {})


@pytest.fixture
def server(plan: PhonePlan, site: Site) -> Iterator[Knocked]:
    received: list[bytes] = []

    def take(body: bytes) -> None:
        read_posted(body, plan, source="here", budget=Budget())
        received.append(body)

    made = PhoneServer(site, take, address="127.0.0.1", port=0)
    threading.Thread(target=made.serve, daemon=True).start()
    yield Knocked(made.url, made.token, received)
    made._server.shutdown()


def _status(url: str, *, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None) -> int:
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def _raw(server: Knocked, path: str, method: str = "GET") -> int:
    """A path as it is, which urllib would tidy."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=60)
    connection.putrequest(method, path, skip_host=False)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def test_what_is_listed_is_served(server: Knocked) -> None:
    for name in (
        "",
        "bench.html",
        "bench.js",
        "bench.json",
        "models/0.tflite",
        "golden/01-as-is.png",
        "app/",
        "app/sw.js",
    ):
        assert _status(server.url + name) == 200, name
    with urllib.request.urlopen(server.url + "models/1.tflite") as answer:
        assert answer.read() == (ASSETS / "batik_int8.tflite").read_bytes()
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/", "/favicon.ico", "/{t}", "/x/{t}/", "/{t}x/", "/{half}/", "/{t}/../etc/passwd", "/{t}/golden/../bench.json",
        "/{t}/%2e%2e/%2e%2e/etc/passwd", "/{t}//etc/passwd", "/{t}/etc/passwd", "/{t}/manifest.json", "/{t}/parity/0-0",
        "/{t}/models/9.tflite", "/{t}/golden/", "/{t}/result", "/ü/", "/{t}/\\..\\..\\x", "/{t}/golden/expected.json",
    ],
)  # fmt: skip
def test_nothing_else_is(server: Knocked, path: str) -> None:
    wanted = path.replace("{t}", server.token).replace("{half}", server.token[:11])
    assert _raw(server, urllib.parse.quote(wanted, safe="/%.\\{}")) == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"])
def test_no_other_way_in(server: Knocked, method: str) -> None:
    assert _raw(server, urllib.parse.urlsplit(server.url).path, method) == 501


def test_only_one_thing_can_be_written(server: Knocked, plan: PhonePlan) -> None:
    body = json.dumps(_posted(plan)).encode()
    for address in (
        server.url,
        server.url + "bench.json",
        server.url + "results",
        server.url.replace(server.token, "x") + "result",
    ):
        assert _status(address, method="POST", body=body) == 404
    assert server.received == []
    assert _status(server.url + "result", method="POST", body=body) == 200
    assert server.received == [body]


def test_sizes(server: Knocked) -> None:
    for size, status in ((str(MAX_POST_BYTES + 1), 413), ("-1", 413), ("0", 413), ("many", 411), ("9" * 40, 413)):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=60)
        connection.putrequest("POST", urllib.parse.urlsplit(server.url).path + "result")
        connection.putheader("Content-Length", size)
        connection.endheaders()
        assert connection.getresponse().status == status, size
        connection.close()
    assert _status(server.url) == 200


def _posted(plan: PhonePlan) -> dict[str, Any]:
    """What a right phone posts: the golden scores as they are."""
    expected = {vector.file: vector for vector in read_expected(ASSETS / "golden" / "expected.json")}
    models = [
        {
            "number": number, "init_ms": 5, "first_ms": 4.5, "pre_ms": 0.1, "post_ms": 0.1, "samples": [3.0, 3.25],
            "parity": [],
            "golden": [
                {"image": name, "scores": vector.scores[target.variant]["antialias"].tolist()}
                for _ in range(3)
                for name, vector in expected.items()
            ],
        }
        for number, target in enumerate(plan.targets)
    ]  # fmt: skip
    device = {"user_agent": "Mozilla/5.0 (Linux; Android 16; Pixel 9) Firefox/140.0", "model": "", "cores": 8,
              "memory_gb": 8, "clock_step_ms": 0.1, "hidden": False}  # fmt: skip
    return {"schema_version": 1, "device": device, "models": models}


def test_a_report_of_a_phone(plan: PhonePlan) -> None:
    report = read_posted(json.dumps(_posted(plan)).encode(), plan, source="here", budget=Budget())
    assert report.host.title == "Android 16; Pixel 9, Firefox 140"
    assert all(result.valid for result in report.results)
    assert all(gate.passed for gate in report.gates)
    assert len(report.gates) == 2


def test_a_phone_that_is_right_only_at_first_fails_its_gate(plan: PhonePlan) -> None:
    posted = _posted(plan)
    for seen in posted["models"][1]["golden"][10:]:
        seen["scores"] = posted["models"][1]["golden"][0]["scores"]
    report = read_posted(json.dumps(posted).encode(), plan, source="here", budget=Budget())
    assert [gate.passed for gate in report.gates] == [True, False]


def test_what_spoils_a_latency_is_told(plan: PhonePlan) -> None:
    for change, says in (
        ({"hidden": True}, "in the background"),
        ({"clock_step_ms": 1}, "too fast for the browser's clock"),
    ):
        posted = _posted(plan)
        posted["device"] |= change
        report = read_posted(json.dumps(posted).encode(), plan, source="here", budget=Budget())
        assert not any(result.valid for result in report.results)
        assert says in report.results[0].notes[0]


def _broken(plan: PhonePlan) -> list[bytes]:
    changes: list[tuple[list[Any], Any]] = [
        (["schema_version"], 2), (["device"], []), (["device", "user_agent"], 7), (["device", "cores"], -1),
        (["device", "clock_step_ms"], "0.1"), (["device", "hidden"], "no"), (["models"], {}), (["models"], []),
        (["models", 0, "number"], 1), (["models", 0, "samples"], [1.0]), (["models", 0, "samples"], [1.0] * 20_001),
        (["models", 0, "samples"], [1.0, None]), (["models", 0, "samples"], [1.0, -1]),
        (["models", 0, "samples"], "ab"),
        (["models", 0, "init_ms"], True), (["models", 0, "golden"], []), (["models", 0, "golden", 3, "image"], "x.png"),
        (["models", 0, "golden", 3, "scores"], [0.5]), (["models", 0, "golden", 3, "scores", 0], 1e9),
        (["models", 0, "golden", 3], None), (["models", 0], 3), (["models", 1, "golden", 0, "image"], "02-card.png"),
    ]  # fmt: skip
    bodies = [b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"{}"]
    for path, value in changes:
        posted = _posted(plan)
        place: Any = posted
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        bodies.append(json.dumps(posted).encode())
    whole = json.dumps(_posted(plan))
    bodies.append(whole.replace("3.25", "NaN").encode())
    bodies.append(whole.replace("3.25", "Infinity").encode())
    bodies.append(whole.replace("3.25", "1" * 5000).encode())
    return bodies


def test_what_no_phone_posts_is_refused_in_one_line(plan: PhonePlan) -> None:
    for body in _broken(plan):
        with pytest.raises(InputError) as refused:
            read_posted(body, plan, source="here", budget=Budget())
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 400


def test_the_server_survives_them(server: Knocked, plan: PhonePlan) -> None:
    for body in _broken(plan)[1:]:
        assert _status(server.url + "result", method="POST", body=body) == 400
    assert server.received == []
    assert _status(server.url) == 200


def test_a_bug_is_not_swallowed(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """A phone that goes away is no event, but the terminal must tell why what was measured is lost."""

    def take(body: bytes) -> None:
        raise RuntimeError(f"a bug with {len(body)} bytes")

    made = PhoneServer(site, take, address="127.0.0.1", port=0)
    threading.Thread(target=made.serve, daemon=True).start()
    with pytest.raises((OSError, http.client.HTTPException)):
        _status(made.url + "result", method="POST", body=b"{}")
    made._server.shutdown()
    assert "RuntimeError: a bug with 2 bytes" in capfd.readouterr().err


def test_what_cannot_be_served(foreign_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copied = shutil.copytree(ASSETS, tmp_path / "other")
    cases = (
        ([ASSETS, "--address", "127.0.0.1:http"], "HOST:PORT"),
        ([ASSETS, "--address", "127.0.0.1:99999"], "choose another with --address"),
        ([ASSETS, copied], "two sets of golden pictures"),
        ([foreign_export / "logits.tflite"], "no manifest"),
    )
    for words, says in cases:
        if not PACKAGES.is_dir():
            pytest.skip("needs LiteRT.js: npm ci --prefix tests/browser")
        with pytest.raises(SystemExit) as stopped:
            main(["bench", "--phone", "--litert-js", str(PACKAGES), *map(str, words)])
        assert stopped.value.code == 2
        assert says in capsys.readouterr().err


def test_the_code_in_the_terminal() -> None:
    code = qr_code("http://192.168.1.20:41234/abcdefghijklmnopqrstuv/")
    assert os.linesep not in code.strip("\n") or len(code.splitlines()) > 10
    assert code != qr_code("http://192.168.1.20:41234/abcdefghijklmnopqrstuw/")
