"""Kotlin out of the manifest: two classifiers and their instrumented tests; constants cannot drift from the model."""

from __future__ import annotations

import json

from batikkit.assets import pins
from batikkit.assets.filling import fill
from batikkit.assets.manifest import AssetsManifest, AssetVariant

PACKAGE = "com.example.batik"
KOTLIN_FOLDER = "kotlin"
CLASSIFIERS = ("BatikClassifier", "BatikInterpreter")


def kotlin_sources(
    manifest: AssetsManifest, variant: AssetVariant, *, golden_count: int, package: str = PACKAGE
) -> dict[str, str]:
    """The text of every Kotlin file for one model, by file name.

    `BatikMotifs.kt` holds the constants, the resize of the training and the threshold; beside it an app needs one of
    `BatikClassifier.kt` (CompiledModel) and `BatikInterpreter.kt` (InterpreterApi), and its instrumented test.
    """
    floats = variant.manifest.input.dtype == "float32"
    values = {
        "package": package,
        "litert": pins.LITERT,
        "value_bytes": 4 if floats else 1,
        "put": "putFloat" if floats else "put",
        "convert": "toFloat" if floats else "toByte",
        "array": "FloatArray" if floats else "ByteArray",
        "write": "writeFloat" if floats else "writeInt8",
        "model": variant.file,
        "sha256": variant.manifest.sha256,
        "image_size": manifest.image_size,
        "temperature": float(manifest.rejection.temperature),
        "threshold": float(manifest.rejection.threshold),
        "labels": ", ".join(_quoted(label) for label in manifest.labels),
        "variant": variant.name,
        "tolerance": variant.tolerance,
        "golden_count": golden_count,
    }
    sources = {name: fill(name, **values) for name in ("BatikMotifs.kt", *(f"{name}.kt" for name in CLASSIFIERS))}
    tests = {f"{name}Test.kt": fill("InstrumentedTest.kt", classifier=name, **values) for name in CLASSIFIERS}
    return {**sources, **tests}


def _quoted(text: str) -> str:
    """A Kotlin string literal: JSON's, with the dollar that would start a template escaped."""
    return json.dumps(text, ensure_ascii=False).replace("$", "\\$")
