"""Calibration lists of one's own: what is refused, each with its reason."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit.data.dataset import Sample
from batikkit.data.split import SplitRow
from batikkit.errors import InputError
from batikkit_exporters.calibration import read_calibration


def rows_of(root: Path, split: str) -> tuple[SplitRow, ...]:
    return tuple(
        SplitRow(
            Sample(
                path.relative_to(root).as_posix(), path.parent.name, hashlib.sha256(path.read_bytes()).hexdigest(), "g"
            ),
            split,
        )
        for path in sorted(root.glob("*/*.png"))
    )


def test_a_folder_of_photographs_is_taken(stripes: Path) -> None:
    found = read_calibration(stripes, rows=rows_of(stripes, "train"), root=stripes, image_size=64)
    assert len(found.samples) == 36
    assert found.pixels().shape == (38, 64, 64, 3)


@pytest.mark.parametrize("as_list", [True, False])
def test_motifs_take_turns_however_they_are_listed(stripes: Path, tmp_path: Path, as_list: bool) -> None:
    """The first photographs alone decide how weights are rounded."""
    given = stripes
    if as_list:
        given = tmp_path / "list.csv"
        names = [path.relative_to(stripes).as_posix() for path in sorted(stripes.glob("*/*.png"))]
        given.write_text("\n".join(["path", *names]) + "\n")
    found = read_calibration(given, rows=(), root=stripes, image_size=64)
    labels = [sample.label for sample in found.samples]
    assert labels == ["across", "diagonal", "upright"] * 12


@pytest.mark.parametrize("split", ["test", "validation"])
def test_photographs_of_the_test_are_refused(stripes: Path, split: str) -> None:
    with pytest.raises(InputError, match=f"36 image.s. of the {split} split"):
        read_calibration(stripes, rows=rows_of(stripes, split), root=stripes, image_size=64)


def test_one_motif_is_refused(stripes: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("path,label\nacross/across_00.png,across\nacross/across_01.png,across\n")
    with pytest.raises(InputError, match="1 motif"):
        read_calibration(listed, rows=(), root=stripes, image_size=64)


def test_noise_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for motif in ("a", "b"):
        (tmp_path / "noise" / motif).mkdir(parents=True)
        pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "noise" / motif / "x.png")
    with pytest.raises(InputError, match="2 of 2 images are noise"):
        read_calibration(tmp_path / "noise", rows=(), root=tmp_path, image_size=64)


def test_a_list_without_paths_is_refused(tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("name\nx\n")
    with pytest.raises(InputError, match="path,label"):
        read_calibration(listed, rows=(), root=tmp_path, image_size=64)
