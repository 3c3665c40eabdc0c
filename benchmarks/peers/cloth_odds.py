"""What the likeness of two photographs says about their being of one cloth: fits the constants of batikkit's `Odds`.

No set whose cloths are known is asked. Two windows from opposite corners of one photograph show one cloth, windows of
different photographs of a motif mostly two; copies of a photograph, which batikkit finds by its fingerprint, are left
out. Windows are zoomed and turned as if somebody had taken them from nearer or farther. A logistic regression in which
both kinds weigh the same gives the odds.

    python benchmarks/peers/cloth_odds.py DIR --weights none mobilenet_v2_1.0_no_top.h5
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from batikkit.data.cloth_look import LOOK_SIDE, Odds, Texture, cloth_looks
from batikkit.data.cloths import likenesses, unlikeness
from batikkit.data.grouping import inspect_set
from batikkit.data.tree import image_files
from batikkit.images import load_rgb, resize
from batikkit.network.texture import best_texture

WINDOW = 0.55
"""Side of a window in shorter sides of its photograph: opposite ones hardly overlap in the squarest of pictures."""

ZOOMS = (1, 1, 1, 0.6, 0.4)
TURNS = (0, 0, 180, 5, -5, 10, -10)
_TURNED_RIM = 0.09
"""What turning by 10 degrees leaves empty, in sides of the window."""

_Pairs = tuple[NDArray[np.float64], NDArray[np.bool_]]


def window(image: Image.Image, corner: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """uint8 [LOOK_SIDE, LOOK_SIDE, 3] from the upper left (0) or the lower right corner (1) of a photograph."""
    width, height = image.size
    side = int(min(width, height) * WINDOW)
    left, top = ((0, 0), (width - side, height - side))[corner]
    part = image.crop((left, top, left + side, top + side))
    if turn := int(rng.choice(TURNS)):
        part = part.rotate(turn, Image.Resampling.BICUBIC)
    if turn % 180:
        rim = int(side * _TURNED_RIM)
        part = part.crop((rim, rim, side - rim, side - rim))
    near = max(1, int(part.width * rng.choice(ZOOMS)))
    x, y = (int(v) for v in rng.integers(0, part.width - near + 1, 2))
    return resize(part.crop((x, y, x + near, y + near)), LOOK_SIDE)


def independent(root: Path) -> list[str]:
    """One file of each group of copies."""
    inspected = inspect_set(root, list(image_files(root)), cache=False)
    return [inspected.inspections[index].path for index in np.unique(inspected.copies)]


def drawn_pairs(root: Path, paths: Sequence[str], texture: Texture, seed: int) -> _Pairs:
    """Float64 [P, 2], the unlikeness of texture and colour of pairs of one motif; bool [P], one photograph."""
    rng = np.random.default_rng(seed)
    members: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        members[path.split("/")[0]].append(path)
    values, same = [], []
    for motif in members.values():
        images = [load_rgb(root / path) for path in motif]
        looks = cloth_looks([window(image, corner, rng) for image in images for corner in (0, 1)], texture)
        own = np.repeat(np.arange(len(motif)), 2)
        for start, alike, colour in likenesses(looks):
            row, column = np.nonzero(np.arange(len(own)) > start + np.arange(len(alike))[:, None])
            both = (unlikeness(alike)[row, column], unlikeness(colour)[row, column])
            values.append(np.stack(both, axis=1).astype(np.float64))
            same.append(own[row + start] == own[column])
    return np.concatenate(values), np.concatenate(same)


def fitted(pairs: Sequence[_Pairs]) -> tuple[Odds, float]:
    """The odds, and the area under the ROC curve of the same pairs."""
    values, same = (np.concatenate(column) for column in zip(*pairs, strict=True))
    model = LogisticRegression(C=1e3, class_weight="balanced").fit(values, same)
    texture, colour = (float(slope) for slope in model.coef_[0])
    return Odds(texture, colour, float(model.intercept_[0])), float(
        roc_auc_score(same, model.decision_function(values))
    )


def shown(odds: Odds, area: float) -> str:
    return f"{odds.texture:.2f} | {odds.colour:.2f} | {odds.constant:.2f} | {area:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="photographs, mostly of different cloths")
    parser.add_argument("--weights", nargs="+", default=["none"], help="MobileNetV2 no-top files; none: no network")
    parser.add_argument("--draws", type=int, default=3, help="sets of windows")
    options = parser.parse_args()
    paths = independent(options.folder)
    print(f"{len(paths)} photographs of {options.folder}, {options.draws} draws of 2 windows each")
    print("| described by | draw | texture | colour | constant | AUC |")
    print("|---|---|---:|---:|---:|---:|")
    for weights in options.weights:
        texture = best_texture(weights)
        pairs = []
        for seed in range(options.draws):
            pairs.append(drawn_pairs(options.folder, paths, texture, seed))
            print(f"| {texture.name} | {seed} | {shown(*fitted(pairs[-1:]))} |", flush=True)
        print(f"| {texture.name} | all | {shown(*fitted(pairs))} |", flush=True)


if __name__ == "__main__":
    main()
