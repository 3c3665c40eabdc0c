"""The page in `web/`: in a browser with the network off and a camera of its own, and where LiteRT.js comes from."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from batikkit import Classifier
from batikkit.assets import litert_js
from batikkit.assets.manifest import AssetsManifest, read_assets_manifest
from batikkit.assets.web import web_files
from batikkit.cli.assets import _engine
from batikkit.errors import InputError
from batikkit.images import resize
from batikkit.motif_names import display_name
from with_other import Asked, kind

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "android_demo_assets"
BROWSER = ROOT / "tests" / "browser"
PACKAGES = BROWSER / "node_modules" / "@litertjs"
MANIFEST = read_assets_manifest(FOLDER)
GOLDEN = sorted((FOLDER / "golden").glob("*.png"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written `web/`, alone in its folder."""
    return _write_page(FOLDER, MANIFEST, tmp_path_factory.mktemp("site"))


def _write_page(folder: Path, manifest: AssetsManifest, site: Path) -> Path:
    if not PACKAGES.is_dir():
        pytest.skip("needs LiteRT.js: npm ci --prefix tests/browser")
    for name, content in web_files(folder, manifest, litert_js.obtain(PACKAGES), drawn=True).items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(content)
    return site


def _visit(page: Path, pictures: Iterable[Path], seen: Path, folder: Path) -> Any:
    """What the page says of pictures, and of one that its camera sees; nothing from elsewhere, no complaint."""
    chromium, node = shutil.which("chromium"), shutil.which("node")
    if chromium is None or node is None:
        pytest.skip("needs chromium and node: apt-get install chromium nodejs npm")
    camera, photographs = folder / "camera.mjpeg", folder / "photographs.json"
    frame = io.BytesIO()
    Image.open(seen).convert("RGB").resize((640, 480)).save(frame, "JPEG", quality=95)
    camera.write_bytes(frame.getvalue())
    photographs.write_text(json.dumps([str(path) for path in pictures]))
    command = [node, "app.mjs", chromium, page, camera, photographs, folder / "page.png"]
    done = subprocess.run(list(map(str, command)), cwd=BROWSER, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["strangers"] == []
    assert found["complaints"] == []
    return found


@pytest.mark.slow
def test_the_app_without_a_network(page: Path, tmp_path: Path) -> None:
    found = _visit(page, GOLDEN, FOLDER / "golden" / "01-as-is.png", tmp_path)
    assert found["offline"] == 0, "the second visit asked the server that was gone"
    classifier, clear = Classifier(FOLDER), 0
    for path in GOLDEN:
        text, named, _ = found["said"][str(path)]
        answer = classifier.classify(path)
        assert (named or None) == answer.label, f"{path.name}: {text}"
        first, second = list(answer.scores.values())[:2]
        if first - second > 2 * MANIFEST.variant("int8").tolerance:  # int8 kernels of two runtimes round differently
            clear += 1
            said = "None of these motifs" if answer.other else display_name(answer.best, "en")
            assert said in text
            shown = int(re.search(r"(\d+) %", text)[1])  # type: ignore[index]
            assert abs(shown - 100 * answer.probability) <= 100 * MANIFEST.variant("int8").tolerance
    assert clear >= 6
    assert found["seen"].startswith("Kawung (palm fruit)") or "Kawung (palm fruit)" in found["seen"]
    verdict, private, button = found["indonesian"]
    assert "Kawung (buah aren)" in verdict
    assert "tidak ada foto yang dikirim" in private
    assert button == "Berhenti"
    assert {icon["sizes"] for icon in found["manifest"]["icons"]} == {"192x192", "512x512"}
    assert found["manifest"]["display"] == "standalone"


@pytest.mark.slow
def test_the_app_tells_other_from_not_sure_as_python_does(asked_with_other: Asked, tmp_path: Path) -> None:
    folder, answers = asked_with_other.folder, asked_with_other.answers
    page = _write_page(folder, asked_with_other.manifest, tmp_path / "site")
    stranger = max((path for path in answers if answers[path].other), key=lambda path: answers[path].probability)
    found = _visit(page, answers, stranger, tmp_path)
    starts = {
        "named": "{}, ",
        "unsure": "Not batik, or not sure. The nearest would be {}, ",
        "other": "None of these motifs, ",
    }
    for path, answer in answers.items():
        text, named, bars = found["said"][str(path)]
        assert (named or None) == answer.label, f"{path.name}: {text}"
        assert text.startswith(starts[kind(answer)].format(display_name(answer.best, "en"))), f"{path.name}: {text}"
        scores = {display_name(label, "en"): score for label, score in answer.scores.items()}
        assert bars[0][0] == display_name(answer.best, "en")
        assert dict(bars) == pytest.approx({name: 100 * scores[name] for name, _ in bars},
                                           abs=100 * asked_with_other.tolerance)  # fmt: skip
        shown = int(re.search(r"(\d+) %", text)[1])  # type: ignore[index]
        assert shown == pytest.approx(bars[0][1], abs=0.5)
    assert found["seen"].startswith("None of these motifs, ")
    assert found["indonesian"][0].startswith("Bukan salah satu motif ini, yakin ")


RESIZE = """
import { stretch } from './resize.mjs';
import { readFileSync, writeFileSync } from 'node:fs';
const [width, height, size] = process.argv.slice(2).map(Number);
writeFileSync('out', stretch(readFileSync('in'), width, height, size));
"""


@pytest.mark.parametrize(("width", "height"), [(640, 480), (96, 96), (31, 200), (1000, 97), (5, 5)])
def test_the_resize_is_that_of_the_training(page: Path, tmp_path: Path, width: int, height: int) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node: apt-get install nodejs")
    image = Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8))
    shutil.copy(page / "resize.js", tmp_path / "resize.mjs")
    (tmp_path / "run.mjs").write_text(RESIZE)
    (tmp_path / "in").write_bytes(image.convert("RGBA").tobytes())
    subprocess.run([node, "run.mjs", str(width), str(height), "96"], cwd=tmp_path, check=True, timeout=60)
    theirs = np.frombuffer((tmp_path / "out").read_bytes(), np.uint8).reshape(96, 96, 3).astype(int)
    difference = np.abs(theirs - resize(image, 96))
    assert difference.max() <= 1
    assert difference.mean() < 0.3  # fixed point against floating point: halves are rounded either way


def test_the_page_names_nothing_elsewhere(page: Path) -> None:
    own = [path for path in page.iterdir() if path.suffix in (".html", ".js", ".css", ".json", ".webmanifest")]
    assert len(own) >= 8
    for path in own:
        assert "//" not in re.sub(r"^\s*//.*$|; // .*$|;  // .*$", "", path.read_text(encoding="utf-8"), flags=re.M), (
            path
        )


def test_the_worker_keeps_what_there_is_and_changes_with_it(page: Path) -> None:
    text = (page / "sw.js").read_text()
    listed = json.loads(re.search(r"FILES = (\[.*?\]);", text)[1])  # type: ignore[index]
    present = {f"./{path.relative_to(page).as_posix()}" for path in page.rglob("*") if path.is_file()}
    assert set(listed) == {"./", *(name for name in present if "/wasm/" not in name and name != "./sw.js")}
    engine = dict(litert_js.obtain(PACKAGES))
    engine["core/wasm/litert_wasm_internal.js"] += b" "
    assert web_files(FOLDER, MANIFEST, engine, drawn=True)["sw.js"] != (page / "sw.js").read_bytes()
    assert (
        web_files(FOLDER, MANIFEST, litert_js.obtain(PACKAGES), drawn=False)["sw.js"] != (page / "sw.js").read_bytes()
    )


class _Registry(BaseHTTPRequestHandler):
    """An npm registry that holds what the test packed."""

    packages: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        content = self.packages.get(self.path)
        self.send_response(200 if content is not None else 404)
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_words: object) -> None:
        """Quiet."""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, bytes]]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_Registry, "packages", {})
    with ThreadingHTTPServer(("127.0.0.1", 0), _Registry) as server:
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_port}/")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield _Registry.packages
        server.shutdown()


def _pack(package: str, *, change: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
        for name in litert_js.FILES:
            if name.startswith(f"{package}/"):
                content = (PACKAGES / name).read_bytes() + (b" " if name == change else b"")
                entry = tarfile.TarInfo("package/" + name.removeprefix(f"{package}/"))
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def test_it_is_fetched_once_and_kept(page: Path, registry: dict[str, bytes]) -> None:
    for package in ("core", "wasm-utils"):
        registry[f"/@litertjs/{package}/-/{package}-{litert_js.VERSION}.tgz"] = _pack(package)
    told: list[str] = []
    first = litert_js.obtain(report=told.append)
    assert {name: hashlib.sha256(content).hexdigest() for name, content in first.items()} == litert_js.FILES
    assert len(told) == 1
    registry.clear()
    assert litert_js.obtain(report=told.append) == first
    assert len(told) == 1
    (litert_js.cache_folder() / "core" / "dist" / "index.js").write_text("changed")
    with pytest.raises(InputError, match="--no-web"):
        litert_js.obtain()


@pytest.mark.parametrize("change", sorted(litert_js.FILES))
def test_another_file_is_refused(page: Path, registry: dict[str, bytes], change: str, tmp_path: Path) -> None:
    package = change.split("/")[0]
    if package == "core" and change.endswith("wasm"):
        copied = Path(shutil.copytree(PACKAGES, tmp_path / "copied"))
        (copied / change).write_bytes(b"x")
        with pytest.raises(InputError, match=rf"{change} from .* \(SHA-256 differs"):
            litert_js.obtain(copied)
        return
    for name in ("core", "wasm-utils"):
        registry[f"/@litertjs/{name}/-/{name}-{litert_js.VERSION}.tgz"] = _pack(name, change=change)
    with pytest.raises(InputError, match=rf"{change} from .* \(SHA-256 differs"):
        litert_js.obtain()
    assert not litert_js.cache_folder().exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00"])
def test_a_package_that_is_none(registry: dict[str, bytes], content: bytes) -> None:
    registry[f"/@litertjs/core/-/core-{litert_js.VERSION}.tgz"] = content
    with pytest.raises(InputError, match=r"damaged|cannot fetch"):
        litert_js.obtain()
    with pytest.raises(InputError, match="no core/dist/index"):
        litert_js.obtain(ROOT / "docs")


def test_without_a_network_the_folder_comes_without_the_page(
    registry: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """The registry of this test is empty."""
    assert _engine(None, web=False) is None
    assert capsys.readouterr().err == ""
    assert _engine(None, web=None) is None
    told = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in told] == [told[0].split(":")[0], "without web/"]
    with pytest.raises(InputError, match="connect once"):
        _engine(None, web=True)
    with pytest.raises(InputError, match="no core/dist/index"):
        _engine(ROOT / "docs", web=None)


def test_the_pin_is_that_of_the_tests() -> None:
    wanted = json.loads((BROWSER / "package.json").read_text())["dependencies"]
    assert wanted["@litertjs/core"] == litert_js.VERSION
