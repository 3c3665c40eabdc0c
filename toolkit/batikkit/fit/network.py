"""What a frozen network says of all photographs, kept in the search's folder: one array a view.

Each backbone is converted once; its other image sizes are the same file with other shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit import atomic
from batikkit.console import Advance
from batikkit.fit.candidates import IMAGE_SIZES, Candidate
from batikkit.fit.folder import SearchFolder
from batikkit.network import model
from batikkit.settings import TrainConfig
from batikkit.tflite.file import verify_tflite
from batikkit.tflite.resized import resized
from batikkit.training.features import FrozenFeatures, fill_features, frozen_part
from batikkit.training.views import draw_views

_LAYER = "features"
Pixels = Callable[[], NDArray[np.uint8]]


def features(
    folder: SearchFolder, candidate: Candidate, config: TrainConfig, weights: Path, pixels: Pixels, *, views: int,
    advance: Advance,
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:  # fmt: skip
    """Float16 [views, N, D] of augmented views, and float16 [N, D] of the photographs as they are.

    Args:
        folder: Keeps them.
        candidate: Whose.
        config: Its settings, which draw the views.
        weights: Of its backbone.
        pixels: Gives uint8 [N, S, S, 3]; asked only when something is missing.
        views: How many are wanted.
        advance: Called with (images done, images in all).
    """
    names = ["plain", *(f"view{number}" for number in range(views))]
    files = [folder.path("features", candidate.name, f"{name}.npy") for name in names]
    lacking = [number for number, file in enumerate(files) if not file.is_file()]
    if lacking:
        extract = _extractor(folder, candidate, config, weights)
        images = pixels()
        for done, number in enumerate(lacking):
            rows = np.empty((1, len(images), *extract.shapes[_LAYER]), np.float16)
            draw = _drawing(images, config, number - 1)
            fill_features({_LAYER: rows}, extract, draw, views=[0], advance=_part(advance, done, len(lacking)))
            with atomic.replacing(files[number]) as temporary:
                np.save(temporary, rows[0])
    plain, *drawn = (np.load(file, mmap_mode="r") for file in files)
    return np.stack(drawn) if drawn else plain[None], plain


def _drawing(
    images: NDArray[np.uint8], config: TrainConfig, view: int
) -> Callable[[int, NDArray[np.intp]], NDArray[np.float32]]:
    """Draws one view of some images; view -1 is the images as they are."""

    def draw(_: int, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        if view < 0:
            return images[indices].astype(np.float32)
        return draw_views(images[indices], config=config, view=view, indices=indices)

    return draw


def _part(advance: Advance, begun: int, parts: int) -> Advance:
    """Progress of one of several equal parts."""

    def advanced(done: int, total: int, _figures: str = "", /) -> None:
        advance(begun * total + done, parts * total)

    return advanced


def _extractor(folder: SearchFolder, candidate: Candidate, config: TrainConfig, weights: Path) -> FrozenFeatures:
    file = folder.path("networks", f"{candidate.backbone}.tflite")
    with folder.turn(candidate.backbone):
        if not file.is_file():
            smallest = Candidate(candidate.network, candidate.alpha, IMAGE_SIZES[0]).config(seed=config.seed)
            net: Any = model.build_model(smallest, classes=2, weights=weights)
            atomic.write_bytes(file, frozen_part(net, (model.pooled_layer(net),)))
    content = file.read_bytes()
    _, (graph, *_) = verify_tflite(content, name=str(file))
    return FrozenFeatures(resized(content, candidate.image_size, name=str(file)), {_LAYER: graph.outputs[0].shape[1:]})
