"""What a phone is given to bench: the page, LiteRT.js, the models, golden pictures and the test images, all by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from batikkit.assets.golden import EXPECTED_FILE, GOLDEN_FOLDER, GoldenVector, read_expected
from batikkit.assets.litert_js import Files
from batikkit.assets.manifest import ASSETS_MANIFEST, find_variant, read_assets_manifest
from batikkit.assets.verify import ROUNDS
from batikkit.assets.web import bench_files, web_files
from batikkit.errors import InputError
from batikkit.parity_pack import ParityPack, iter_images
from batikkit_benchmarks.targets import Target

PART_BYTES = 4_000_000
"""Test images are sent in parts of about this size, so that a phone shows how far it is and keeps little in memory."""
MAX_RUNS = 20_000


@dataclass(frozen=True)
class PhonePlan:
    """What is measured on a phone.

    Attributes:
        targets: The models.
        vectors: Golden vectors of each target by its number; none for one that lies in no folder of assets.
        min_runs: Timed runs of each model at least.
        min_seconds: Time for them at least.
        warmup: Runs before them.
    """

    targets: tuple[Target, ...]
    vectors: dict[int, tuple[GoldenVector, ...]]
    min_runs: int
    min_seconds: float
    warmup: int


def plan_for(targets: Sequence[Target], *, min_runs: int, min_seconds: float, warmup: int) -> PhonePlan:
    """Finds the golden vectors that lie beside the targets.

    Raises:
        InputError: a model takes no pixels of a kind that the page feeds.
    """
    vectors: dict[int, tuple[GoldenVector, ...]] = {}
    for number, target in enumerate(targets):
        if target.model.inputs[0].dtype not in ("uint8", "float32"):
            raise InputError(
                f"{target.path} takes {target.model.inputs[0].dtype} pixels, a browser feeds uint8 or float32"
            )
        if target.unknown:
            raise InputError(
                f"{target.path} has no manifest that says how it is fed: export it, or name a folder of assets"
            )
        if find_variant(target.path) and any(targets[n].path.parent != target.path.parent for n in vectors):
            raise InputError("two folders of assets have two sets of golden pictures: name one of them")
        if find_variant(target.path):
            vectors[number] = read_expected(target.path.parent / GOLDEN_FOLDER / EXPECTED_FILE)
    return PhonePlan(tuple(targets), vectors, min(min_runs, MAX_RUNS), min_seconds, warmup)


class Site:
    """Every file that may be asked for, by its path behind the token; nothing else exists."""

    def __init__(self, plan: PhonePlan, engine: Files) -> None:
        self._files = {"": b"", **bench_files(engine), "bench.json": _plan_json(plan).encode()}
        self._parts: dict[str, tuple[ParityPack, int, int]] = {}
        for number, target in enumerate(plan.targets):
            self._files[f"models/{number}.tflite"] = target.path.read_bytes()
            if target.pack:
                for part, (first, last) in enumerate(_parts(target.pack)):
                    self._parts[f"parity/{number}-{part}"] = target.pack, first, last
        for number in plan.vectors:
            folder = plan.targets[number].path.parent
            for vector in plan.vectors[number]:
                self._files[f"golden/{vector.file}"] = (folder / GOLDEN_FOLDER / vector.file).read_bytes()
            if (folder / ASSETS_MANIFEST).is_file():
                app = web_files(folder, read_assets_manifest(folder), engine, drawn=_drawn(folder))
                self._files |= {f"app/{name}": content for name, content in app.items()}
                self._files["app/"] = app["index.html"]
        self._files[""] = self._files["bench.html"]

    def get(self, name: str) -> bytes | None:
        """The content of a path, None where there is none."""
        if name in self._files:
            return self._files[name]
        if name in self._parts:
            pack, first, last = self._parts[name]
            return b"".join(image.tobytes() for index, image in enumerate(iter_images(pack)) if first <= index < last)
        return None


def _drawn(folder: Path) -> bool:
    card = folder / "model_card.md"
    return card.is_file() and "**Trained on drawn motifs" in card.read_text(encoding="utf-8")


def _parts(pack: ParityPack) -> list[tuple[int, int]]:
    step, count = max(1, PART_BYTES // int(np.prod(pack.image_shape))), len(pack.labels)
    return [(first, min(first + step, count)) for first in range(0, count, step)]


def _plan_json(plan: PhonePlan) -> str:
    golden = next(iter(plan.vectors.values()), ())
    models = [
        {
            "title": target.title,
            "image_size": target.model.inputs[0].shape[1],
            "golden": number in plan.vectors,
            "parity_parts": len(_parts(target.pack)) if target.pack else 0,
        }
        for number, target in enumerate(plan.targets)
    ]
    return json.dumps(
        {
            "models": models, "golden": [vector.file for vector in golden], "rounds": ROUNDS, "min_runs": plan.min_runs,
            "min_seconds": plan.min_seconds, "warmup": plan.warmup, "max_runs": MAX_RUNS,
        }
    )  # fmt: skip
