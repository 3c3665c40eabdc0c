"""Kotlin out of the manifest: a classifier and its instrumented test, whose constants cannot drift from the model."""

from __future__ import annotations

import json

from batikkit.assets.filling import fill
from batikkit.assets.manifest import AssetsManifest, AssetVariant

PACKAGE = "com.example.batik"
KOTLIN_FOLDER = "kotlin"


def classifier_source(manifest: AssetsManifest, variant: AssetVariant, *, package: str = PACKAGE) -> str:
    """`BatikClassifier.kt` for one model: LiteRT's Interpreter, the resize of the training, the threshold."""
    floats = variant.manifest.input.dtype == "float32"
    return fill(
        "BatikClassifier.kt",
        package=package,
        dtype=variant.manifest.input.dtype,
        value_bytes=4 if floats else 1,
        put="putFloat" if floats else "put",
        convert="toFloat" if floats else "toByte",
        model=variant.file,
        sha256=variant.manifest.sha256,
        image_size=manifest.image_size,
        temperature=float(manifest.rejection.temperature),
        threshold=float(manifest.rejection.threshold),
        labels=", ".join(_quoted(label) for label in manifest.labels),
    )


def instrumented_test_source(variant: AssetVariant, *, golden_count: int, package: str = PACKAGE) -> str:
    """`BatikClassifierTest.kt`: the app's scores for the golden images are the expected ones."""
    return fill(
        "BatikClassifierTest.kt",
        package=package,
        variant=variant.name,
        tolerance=variant.tolerance,
        golden_count=golden_count,
    )


def _quoted(text: str) -> str:
    """A Kotlin string literal: JSON's, with the dollar that would start a template escaped."""
    return json.dumps(text, ensure_ascii=False).replace("$", "\\$")
