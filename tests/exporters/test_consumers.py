"""Real consumers on the very files that are committed: MediaPipe's ImageClassifier, and LiteRT.js in a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from batikkit.assets.golden import read_expected
from batikkit.assets.manifest import read_assets_manifest
from batikkit.images import load_pixels
from mediapipe_classifier import classify, score_table

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "android_demo_assets"
BROWSER = ROOT / "tests" / "browser"
MANIFEST = read_assets_manifest(FOLDER)
VECTORS = read_expected(FOLDER / "golden" / "expected.json")


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["float16", "int8"])
def test_mediapipe_gives_the_golden_scores(variant: str, tmp_path: Path) -> None:
    images = []
    for vector in VECTORS:  # an app turns photographs upright before MediaPipe sees them
        images.append(tmp_path / vector.file)
        ImageOps.exif_transpose(Image.open(FOLDER / "golden" / vector.file)).save(images[-1], exif=b"")
    entry = MANIFEST.variant(variant)
    answered = classify(FOLDER / entry.file, images, "--locale", "id")
    found = answered["scores"]
    assert [category["label"] for category in found[0]] == list(MANIFEST.labels)
    assert {"Kawung (buah aren)"} <= {category["display"] for category in found[0]}
    theirs = score_table(answered)
    golden = np.array([vector.scores[variant]["mediapipe"] for vector in VECTORS])
    assert np.abs(theirs - golden).max() <= entry.tolerance


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["float16", "int8"])
def test_litert_js_gives_the_golden_scores(variant: str, tmp_path: Path) -> None:
    chromium, node = shutil.which("chromium"), shutil.which("node")
    if chromium is None or node is None:
        pytest.skip("needs chromium and node: apt-get install chromium nodejs npm")
    if not (BROWSER / "node_modules").is_dir():
        pytest.skip("needs LiteRT.js: npm ci --prefix tests/browser")
    entry, size = MANIFEST.variant(variant), MANIFEST.image_size
    tensors = tmp_path / "tensors"
    tensors.write_bytes(b"".join(load_pixels(FOLDER / "golden" / v.file, size).tobytes() for v in VECTORS))
    command = [node, "litert.mjs", chromium, str(FOLDER / entry.file), str(size), str(tensors)]
    done = subprocess.run(command, cwd=BROWSER, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = np.array(json.loads(done.stdout))
    golden = np.array([vector.scores[variant]["antialias"] for vector in VECTORS])
    assert np.ptp(golden, axis=0).max() > 0.5, "the golden images must differ in their scores"
    assert np.abs(theirs - golden).max() <= entry.tolerance
