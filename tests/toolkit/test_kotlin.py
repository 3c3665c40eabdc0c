"""The generated Kotlin: the committed folder holds what the generator writes, with the constants of the manifest."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from batikkit.assets.golden import read_expected
from batikkit.assets.kotlin import classifier_source, instrumented_test_source
from batikkit.assets.manifest import read_assets_manifest
from batikkit.assets.readme import readme, recommended

FOLDER = Path(__file__).resolve().parents[2] / "android_demo_assets"
MANIFEST = read_assets_manifest(FOLDER)
VECTORS = read_expected(FOLDER / "golden" / "expected.json")


def _committed(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def test_the_committed_code_is_the_generated_code() -> None:
    chosen = recommended(MANIFEST)
    assert _committed("kotlin/BatikClassifier.kt") == classifier_source(MANIFEST, chosen)
    test = instrumented_test_source(chosen, golden_count=len(VECTORS))
    assert _committed("kotlin/BatikClassifierTest.kt") == test
    assert _committed("README.md") == readme(MANIFEST, VECTORS)


@pytest.mark.parametrize("variant", ["float16", "int8"])
def test_constants_come_from_the_manifest(variant: str) -> None:
    entry = MANIFEST.variant(variant)
    text = classifier_source(MANIFEST, entry, package="org.example")
    assert len(text.splitlines()) < 80
    assert text.count("package org.example") == 1
    for constant in (entry.file, entry.manifest.sha256, f"SIZE = {MANIFEST.image_size}", *MANIFEST.labels):
        assert constant in text
    assert f"THRESHOLD = {MANIFEST.rejection.threshold}" in text
    assert ("putFloat(" in text) == (variant == "float16")
    assert text.count("{") == text.count("}")
    assert text.count("(") == text.count(")")


def test_labels_that_kotlin_would_read_as_code() -> None:
    odd = dataclasses.replace(MANIFEST, labels=('say "hi"', "$price", "back\\slash"))
    text = classifier_source(odd, MANIFEST.variant("int8"))
    assert 'listOf("say \\"hi\\"", "\\$price", "back\\\\slash")' in text
