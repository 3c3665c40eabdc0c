"""Photographs held out for a figure keep the groups that the run knew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from batikkit.data.dataset import Sample
from batikkit.data.prepared import Grouping
from batikkit.data.split import SplitRow
from batikkit.digest import file_sha256
from batikkit.evaluation.held_out import Knowledge, hold_out


def test_the_runs_groups_count_where_the_pictures_show_none(tmp_path: Path) -> None:
    """Names tell that these are five cloths; that two pictures depend on each other only the run's split tells."""
    rng = np.random.default_rng(2)
    paths = [f"{motif}/{number}.png" for motif in ("kawung", "parang") for number in range(3)]
    for path in paths:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(tmp_path / path)
    groups = ("cloth", "cloth", "other", "third", "fourth", "fifth")
    rows = tuple(
        SplitRow(Sample(path, path.split("/")[0], file_sha256(tmp_path / path), group), "test")
        for path, group in zip(paths, groups, strict=True)
    )
    alone = Grouping(group_by="(.+)")
    held = hold_out(tmp_path, ("kawung", "parang"), Knowledge(rows, tmp_path), grouping=alone)
    found = {sample.path: sample.group for sample in held.samples}
    assert found["kawung/0.png"] == found["kawung/1.png"]
    assert len(set(found.values())) == 5
