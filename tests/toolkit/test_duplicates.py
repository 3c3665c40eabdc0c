"""Copies are found however they were made; cloths that merely resemble each other are not merged."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from batikkit.data.duplicates import UnionFind, find_copies
from batikkit.data.fingerprint import fingerprint
from batikkit.data.synth import MOTIFS
from batikkit.data.synth.writing import picture

SIZE = 256


@functools.cache
def cloth(motif: str, index: int) -> Image.Image:
    return Image.fromarray(picture(motif, index, size=SIZE, seed=11))


def groups(images: list[Image.Image]) -> list[int]:
    return find_copies([fingerprint(i) for i in images], [str(n) for n in range(len(images))]).tolist()


def crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    w, h = image.size
    return image.crop((int(left * w), int(top * h), int((1 - right) * w), int((1 - bottom) * h)))


def resaved(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.resize((120, 120)).save(stream, "JPEG", quality=30)
    return Image.open(stream).convert("RGB")


def signed(image: Image.Image) -> Image.Image:
    marked = image.copy()
    ImageDraw.Draw(marked).rectangle((10, 226, 120, 246), fill=(240, 240, 240))
    return marked


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    **{f"turn {turn.name}": (lambda i, turn=turn: i.transpose(turn)) for turn in Image.Transpose},
    "cropped 4 %": lambda i: crop(i, 0.04, 0.04, 0.04, 0.04),
    "cropped on one side": lambda i: crop(i, 0.08, 0, 0, 0),
    "stretched and turned": lambda i: crop(i, 0, 0.05, 0, 0.05).transpose(Image.Transpose.ROTATE_90),
    "small and saved badly": resaved,
    "brighter": lambda i: ImageEnhance.Brightness(i).enhance(1.12),
    "less contrast": lambda i: ImageEnhance.Contrast(i).enhance(0.75),
    "with a label on it": signed,
}


@pytest.mark.parametrize("edit", list(EDITS))
def test_copies_are_found(edit: str) -> None:
    """Among 16 cloths; every edited one must join its original and nothing else."""
    originals = [cloth(motif, index) for motif in MOTIFS for index in range(2)]
    found = groups([*originals, *(EDITS[edit](image) for image in originals)])
    count = len(originals)
    assert found[:count] == list(range(count)), "two different cloths were merged"
    assert sum(found[count + i] != i for i in range(count)) == 0


@pytest.mark.slow
def test_different_cloths_of_one_motif_are_not_merged() -> None:
    images = [cloth(motif, index) for motif in MOTIFS for index in range(20)]
    assert groups(images) == list(range(len(images)))


def test_one_pattern_in_two_colours_is_two_cloths() -> None:
    image = cloth("kawung", 0)
    pixels = np.asarray(image)
    other = Image.fromarray(np.ascontiguousarray(pixels[..., [2, 1, 0]]))
    assert abs(pixels[..., 0].mean() - pixels[..., 2].mean()) > 20
    assert groups([image, other]) == [0, 1]


def test_flat_pictures_are_not_copies_of_each_other_but_equal_files_are() -> None:
    prints = [fingerprint(Image.new("RGB", (64, 64), (shade,) * 3)) for shade in (250, 250, 251)]
    assert find_copies(prints, ["a", "b", "c"]).tolist() == [0, 1, 2]
    assert find_copies(prints, ["a", "b", "a"]).tolist() == [0, 1, 0]


def test_no_and_one_image_work() -> None:
    assert find_copies([], []).tolist() == []
    assert find_copies([fingerprint(cloth("parang", 0))], ["a"]).tolist() == [0]


def test_order_does_not_change_who_belongs_together() -> None:
    images = [cloth(motif, 0) for motif in ("kawung", "parang")]
    images += [image.transpose(Image.Transpose.ROTATE_90) for image in images]
    assert groups(images) == [0, 1, 0, 1]
    assert groups(images[::-1]) == [0, 1, 0, 1]


def test_union_find_keeps_the_smallest_member() -> None:
    sets = UnionFind(5)
    sets.union(4, 3)
    sets.union(3, 1)
    assert sets.roots().tolist() == [0, 1, 2, 1, 1]
