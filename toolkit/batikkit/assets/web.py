"""`web/`: the folder's model as a page that is the app, with everything it needs beside it and no build step."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template

from PIL import Image, ImageDraw

from batikkit.assets.litert_js import VERSION, Files
from batikkit.assets.manifest import AssetsManifest
from batikkit.assets.readme import recommended
from batikkit.assets.wording import PAGE, TEXTS
from batikkit.motif_names import LANGUAGES, display_name

WEB_FOLDER = "web"
LITERT_FOLDER = "litert"
_PLAIN = ("app.js", "classifier.js", "resize.js", "style.css")
_ICONS = (192, 512)


def web_files(folder: Path, manifest: AssetsManifest, engine: Files, *, drawn: bool) -> dict[str, bytes]:
    """The files of the page by their names in it.

    Args:
        folder: Where the models of the folder of assets lie.
        manifest: Of that folder.
        engine: LiteRT.js, as `litert_js.obtain` gives it.
        drawn: The model was trained on drawn motifs, which the page then says.
    """
    files = {name: _source(name).encode() for name in _PLAIN}
    model = recommended(manifest).file
    files[model] = (folder / model).read_bytes()
    files["model.json"] = _json(_facts(manifest, model, drawn=drawn))
    files |= {f"{LITERT_FOLDER}/{_place(name)}": content for name, content in engine.items()}
    files[f"{LITERT_FOLDER}/LICENSE"] = _source("LICENSE-Apache-2.0.txt").encode()
    files[f"{LITERT_FOLDER}/README.txt"] = _source("litert.txt").replace("$version", VERSION).encode()
    files |= {f"icon-{size}.png": _icon(size) for size in _ICONS}
    files["app.webmanifest"] = _json(_web_manifest())
    files["index.html"] = _page().encode()
    return {**files, "sw.js": _service_worker(files)}


def bench_files(engine: Files) -> dict[str, bytes]:
    """The page that `bench --phone` serves, without its plan, models and images."""
    files = {name: _source(name).encode() for name in ("bench.js", "classifier.js", "resize.js", "style.css")}
    files |= {f"{LITERT_FOLDER}/{_place(name)}": content for name, content in engine.items()}
    return {**files, "bench.html": _page("bench.html").encode()}


def _facts(manifest: AssetsManifest, model: str, *, drawn: bool) -> dict[str, object]:
    texts = {language: {**_spoken(TEXTS[language]), **PAGE[language]} for language in LANGUAGES}
    return {
        "schema_version": 1,
        "model": model,
        "sha256": recommended(manifest).manifest.sha256,
        "image_size": manifest.image_size,
        "temperature": manifest.rejection.temperature,
        "threshold": manifest.rejection.threshold,
        "labels": list(manifest.labels),
        "names": {language: [display_name(label, language) for label in manifest.labels] for language in LANGUAGES},
        "texts": texts,
        "drawn": drawn,
    }


def _spoken(texts: Mapping[str, str]) -> dict[str, str]:
    """Python's formats without their digits: the page writes numbers itself."""
    return {
        name: text.replace("{confidence:.0%}", "{confidence}").replace("{latency_ms:.1f}", "{latency_ms}")
        for name, text in texts.items()
    }


def _place(name: str) -> str:
    """`core/wasm/x.js` as `wasm/x.js`; the two modules keep their package's name."""
    return name.removeprefix("core/") if "/wasm/" in name else name.replace("/dist/index", "")


def _page(name: str = "index.html") -> str:
    imports = {
        "@litertjs/core": f"./{LITERT_FOLDER}/core.js",
        "@litertjs/wasm-utils": f"./{LITERT_FOLDER}/wasm-utils.js",
    }
    text = json.dumps({"imports": imports})
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Template(_source(name)).substitute(import_map=text, import_hash=f"'sha256-{digest}'")


def _web_manifest() -> dict[str, object]:
    icons = [
        {"src": f"icon-{size}.png", "sizes": f"{size}x{size}", "type": "image/png", "purpose": "any maskable"}
        for size in _ICONS
    ]
    return {
        "name": "Batik motifs", "short_name": "Batik", "start_url": "./", "scope": "./", "display": "standalone",
        "background_color": "#fbf7f1", "theme_color": "#6b3f1d", "icons": icons,
    }  # fmt: skip


def _service_worker(files: Mapping[str, bytes]) -> bytes:
    """Its name for the cache changes with any byte of the page."""
    whole = hashlib.sha256()
    for name, content in sorted(files.items()):
        whole.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    kept = [f"./{name}" for name in sorted(files) if "/wasm/" not in name]
    values = {"version": whole.hexdigest()[:16], "files": json.dumps(["./", *kept])}
    return Template(_source("sw.js")).substitute(values).encode()


def _icon(size: int) -> bytes:
    """Four ovals around a dot, as in kawung, within the circle that launchers leave of an icon."""
    wide = 4 * size
    image = Image.new("RGB", (wide, wide), "#6b3f1d")
    for turn in range(4):
        petal = Image.new("L", (wide, wide))
        pen = ImageDraw.Draw(petal)
        middle, reach = wide / 2, wide * 0.3
        pen.ellipse((middle - reach * 0.28, middle - reach, middle + reach * 0.28, middle - reach * 0.08), fill=255)
        image.paste("#f3e0c2", mask=petal.rotate(45 + 90 * turn, center=(middle, middle)))
    pen, dot = ImageDraw.Draw(image), wide * 0.02 * math.sqrt(2)
    pen.ellipse((wide / 2 - dot, wide / 2 - dot, wide / 2 + dot, wide / 2 + dot), fill="#d99a5b")
    out = io.BytesIO()
    image.resize((size, size), Image.Resampling.LANCZOS).save(out, "PNG")
    return out.getvalue()


def _source(name: str) -> str:
    return (resources.files("batikkit.assets") / "web_files" / name).read_text(encoding="utf-8")


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
