"""The folder's README: exact steps for Android, Flutter and iOS, with this folder's names and numbers in them."""

from __future__ import annotations

from collections.abc import Sequence

from batikkit.assets import pins
from batikkit.assets.filling import fill
from batikkit.assets.golden import GoldenVector
from batikkit.assets.manifest import AssetsManifest, AssetVariant
from batikkit.labels import motif_count


def recommended(manifest: AssetsManifest) -> AssetVariant:
    """The model an app should take: int8 where there is one, else the smallest."""
    return min(manifest.variants, key=lambda v: (v.name != "int8", v.manifest.size_bytes))


def readme(manifest: AssetsManifest, vectors: Sequence[GoldenVector], *, web: bool) -> str:
    """The README as Markdown; `web`: the folder has the page."""
    chosen, size = recommended(manifest), manifest.image_size
    example = [f"{score:.3f}" for score in vectors[2].scores[chosen.name]["antialias"]]
    floats = chosen.manifest.input.dtype == "float32"
    return fill(
        "README.md",
        motif_count=motif_count(manifest.labels),
        output_count=len(manifest.labels),
        file_rows="\n".join(f"| `{v.file}` | {_about(v)} |" for v in manifest.variants),
        golden_count=len(vectors),
        web_row="| `web/` | the app as a page, with LiteRT.js (Apache-2.0) in it |\n" if web else "",
        model=chosen.file,
        model_stem=chosen.file.removesuffix(".tflite"),
        variant=chosen.name,
        image_size=size,
        tensor_rows="\n".join(_tensors(v, size) for v in manifest.variants),
        temperature=manifest.rejection.temperature,
        threshold=manifest.rejection.threshold,
        example_scores=", ".join(example),
        dart_input=f"rgb.map((v) => v.toDouble()).toList().reshape([1, {size}, {size}, 3])" if floats else
        f"rgb.reshape([1, {size}, {size}, 3])",
        swift_input="buffer: floats" if floats else "bytes",
        tasks_vision=pins.TASKS_VISION,
        litert=pins.LITERT,
        exif_interface=pins.EXIF_INTERFACE,
        min_sdk=pins.MIN_SDK,
        flutter=pins.FLUTTER,
        tflite_swift=pins.TFLITE_SWIFT,
        ios=pins.IOS,
        checked=pins.CHECKED,
    )  # fmt: skip


def _about(variant: AssetVariant) -> str:
    manifest = variant.manifest
    kind = "integer kernels" if manifest.integer_only else f"{variant.name} weights"
    size = f"{manifest.size_bytes / 1e6:.2f} MB"
    return f"the model, {size}, {kind}, runs on TensorFlow Lite {manifest.min_runtime} and later"


def _tensors(variant: AssetVariant, size: int) -> str:
    source, result = variant.manifest.input, variant.manifest.output
    feed = "bytes 0..255" if source.dtype == "uint8" else "floats 0.0..255.0"
    return (
        f"| `{variant.file}` | {source.dtype} [1, {size}, {size}, 3] | {feed} | "
        f"{result.dtype} [1, {result.shape[-1]}] |"
    )
