"""One process of a search: python fit_worker.py IMAGES WEIGHTS FOLDER; prints what it made and chose, as JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

from batikkit.data.prepared import Grouping, load_dataset
from batikkit.fit.candidates import candidates
from batikkit.fit.folder import SearchFolder
from batikkit.fit.search import Found, Search, photographs

SIZES = (96, 128)


def search(images: Path, weights: Path, folder: Path) -> tuple[Found, list[str]]:
    """Searches among one backbone's sizes; also says what this process made itself."""
    data = load_dataset(images, grouping=Grouping(unit="copy"), cache=False)
    photos = photographs(data.dataset, folds=3, ratios=(0.8, 0.1, 0.1), seed=0)
    said: list[str] = []
    backbone = ("mobilenet-v2", 0.35)
    part = Search(SearchFolder(folder), photos, {backbone: weights}, said.append)
    return part.run(candidates([backbone], SIZES), keep=2), [line.split("] ")[1] for line in said]


if __name__ == "__main__":
    found, made = search(*map(Path, sys.argv[1:]))
    right = found.choice.right.tolist()
    print(json.dumps({"made": made, "winner": found.choice.winner.name, "right": right}))
