"""The generated Kotlin: the committed folder holds what the generator writes, with the constants of the manifest."""

from __future__ import annotations

import dataclasses
import datetime
import re
from pathlib import Path

import pytest

from batikkit.assets import pins
from batikkit.assets.golden import read_expected
from batikkit.assets.kotlin import CLASSIFIERS, kotlin_sources
from batikkit.assets.manifest import read_assets_manifest
from batikkit.assets.readme import readme, recommended

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "android_demo_assets"
MANIFEST = read_assets_manifest(FOLDER)
VECTORS = read_expected(FOLDER / "golden" / "expected.json")


def _committed(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def test_the_committed_code_is_the_generated_code() -> None:
    sources = kotlin_sources(MANIFEST, recommended(MANIFEST), golden_count=len(VECTORS))
    for name, source in sources.items():
        assert _committed(f"kotlin/{name}") == source
    assert {path.name for path in (FOLDER / "kotlin").iterdir()} == set(sources)
    assert _committed("README.md") == readme(MANIFEST, VECTORS, web=(FOLDER / "web").exists())


@pytest.mark.parametrize("variant", ["float16", "int8"])
def test_constants_come_from_the_manifest(variant: str) -> None:
    entry = MANIFEST.variant(variant)
    sources = kotlin_sources(MANIFEST, entry, golden_count=10, package="org.example")
    for text in sources.values():
        assert len(text.splitlines()) < 90
        assert text.count("package org.example") == 1
        assert text.count("{") == text.count("}")
        assert text.count("(") == text.count(")")
    shared = sources["BatikMotifs.kt"]
    for constant in (entry.file, entry.manifest.sha256, f"SIZE = {MANIFEST.image_size}", *MANIFEST.labels):
        assert constant in shared
    assert f"THRESHOLD = {MANIFEST.rejection.threshold}" in shared
    assert ("putFloat(" in sources["BatikInterpreter.kt"]) == (variant == "float16")
    assert ("writeFloat(" in sources["BatikClassifier.kt"]) == (variant == "float16")
    assert all(f"class {name}Test " in sources[f"{name}Test.kt"] for name in CLASSIFIERS)


def test_labels_that_kotlin_would_read_as_code() -> None:
    odd = dataclasses.replace(MANIFEST, labels=('say "hi"', "$price", "back\\slash"))
    text = kotlin_sources(odd, MANIFEST.variant("int8"), golden_count=1)["BatikMotifs.kt"]
    assert 'listOf("say \\"hi\\"", "\\$price", "back\\\\slash")' in text


def test_versions_are_named_in_one_place() -> None:
    """A version that a template or a page holds by itself is one that nobody brings up to date."""
    library = re.compile(r"(com\.google\.[\w.]+|androidx\.[\w.]+|org\.tensorflow):[\w-]+:\d[\w.]*")
    places = [*(ROOT / "toolkit").rglob("templates/*"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    for place in places:
        assert not library.search(place.read_text(encoding="utf-8")), place
    named = {found[0] for found in library.finditer(_committed("README.md"))}
    assert named == {pins.LITERT, pins.TASKS_VISION, pins.EXIF_INTERFACE}
    assert datetime.date.fromisoformat(pins.CHECKED) >= datetime.date(2026, 11, 26)
    assert pins.CHECKED in _committed("README.md")
