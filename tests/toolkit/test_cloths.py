"""Which photographs show one cloth: real photographs whose cloths are known judge, drawn ones pin down the rules."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from batikkit.data.cloth_look import LOOK_SIDE, ClothLook, PlainTexture, Texture, cloth_looks
from batikkit.data.cloths import find_cloths
from batikkit.data.grouping import inspect_set
from batikkit.data.synth.writing import picture
from batikkit.data.tree import image_files
from batikkit.images import load_rgb, resize
from batikkit.network.texture import NetworkTexture, best_texture

Ints = NDArray[np.int64]
PLAIN = PlainTexture()


@pytest.fixture(autouse=True, scope="module")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def motif_of(path: str) -> str:
    return path.split("/")[0]


def pairs_found(found: Ints, truth: list[str]) -> tuple[float, float]:
    """Recall and precision over pairs of photographs."""
    pair = np.triu_indices(len(truth), 1)
    same = (np.array(truth)[:, None] == np.array(truth))[pair]
    together = (found[:, None] == found)[pair]
    right = (same & together).sum()
    return float(right / same.sum()), float(right / together.sum())


def photographed(root: Path, texture: Texture) -> tuple[list[str], list[ClothLook], list[str]]:
    """Motifs, looks and true cloths of all photographs, no copies of which are looked for."""
    with (root / "truth.csv").open(newline="") as stream:
        cloth_of = {row["path"]: row["cloth"] for row in csv.DictReader(stream)}
    paths = sorted(cloth_of)
    looks = cloth_looks([resize(load_rgb(root / path), LOOK_SIDE) for path in paths], texture)
    return [motif_of(path) for path in paths], looks, [cloth_of[path] for path in paths]


@pytest.fixture(scope="module")
def drawn() -> tuple[list[ClothLook], list[int]]:
    """Four quarters of each of three drawn cloths of one motif, and the cloth of each."""
    whole = [picture("kawung", index, size=2 * LOOK_SIDE, seed=4) for index in range(3)]
    halves = (slice(0, LOOK_SIDE), slice(LOOK_SIDE, None))
    quarters = [cloth[rows, columns] for cloth in whole for rows in halves for columns in halves]
    return cloth_looks(quarters, PLAIN), [index for index in range(3) for _ in range(4)]


def test_real_cloths_are_told_apart_without_a_network(cloths: Path) -> None:
    labels, looks, truth = photographed(cloths, PLAIN)
    found = find_cloths(looks, labels, np.arange(len(looks)), PLAIN.odds)
    recall, precision = pairs_found(found, truth)
    assert recall >= 0.95
    assert precision >= 0.80


def test_patches_of_a_motif_in_four_turns_are_one_cloth(nitik20: Path) -> None:
    """20 motifs, of one cloth each; here by texture and colour alone."""
    paths = list(image_files(nitik20))
    motifs = [motif_of(path) for path in paths]
    looks = cloth_looks([resize(load_rgb(nitik20 / path), LOOK_SIDE) for path in paths], PLAIN)
    found = find_cloths(looks, motifs, np.arange(len(looks)), PLAIN.odds)
    assert pairs_found(found, motifs) == (1.0, 1.0)
    assert len(set(found.tolist())) == 20


@pytest.mark.slow
def test_a_network_tells_cloths_apart_better(cloths: Path, weights_035: Path) -> None:
    texture = best_texture(weights_035)
    assert isinstance(texture, NetworkTexture)
    labels, looks, truth = photographed(cloths, texture)
    found = find_cloths(looks, labels, np.arange(len(looks)), texture.odds)
    recall, precision = pairs_found(found, truth)
    assert recall >= 0.95
    assert precision >= 0.90


@pytest.mark.slow
def test_a_set_of_turned_patches_is_80_photographs_of_20_cloths(nitik20: Path, weights_035: Path) -> None:
    paths = list(image_files(nitik20))
    for texture in (PLAIN, best_texture(weights_035)):
        inspected = inspect_set(nitik20, paths, label_of=motif_of, texture=texture)
        assert pairs_found(inspected.copies, [path.split("_rot")[0] for path in paths]) == (1.0, 1.0)
        assert pairs_found(inspected.cloths, [motif_of(path) for path in paths]) == (1.0, 1.0)
        assert len(set(inspected.copies.tolist())) == 80
        assert len(set(inspected.cloths.tolist())) == 20


def test_drawn_cloths_are_told_apart_in_any_order(drawn: tuple[list[ClothLook], list[int]]) -> None:
    looks, truth = drawn
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(looks))
        found = find_cloths([looks[i] for i in order], ["kawung"] * len(looks), range(len(looks)), PLAIN.odds)
        assert pairs_found(found, [str(truth[i]) for i in order]) == (1.0, 1.0)
        assert all(found[first] == first <= index for index, first in enumerate(found.tolist()))


def test_different_motifs_are_never_one_cloth(drawn: tuple[list[ClothLook], list[int]]) -> None:
    """Not even where the pictures look exactly alike."""
    looks = drawn[0]
    labels = ["kawung", "parang"] * (len(looks) // 2)
    found = find_cloths(looks, labels, np.arange(len(looks)), PLAIN.odds)
    motifs = {(int(cloth), label) for cloth, label in zip(found, labels, strict=True)}
    assert len(motifs) == len(set(found.tolist())) == 6


def test_copies_stay_together_whatever_they_look_like(drawn: tuple[list[ClothLook], list[int]]) -> None:
    """One pair of copies between two cloths is no reason to join these on average; all the same it never parts."""
    looks, _ = drawn
    copies = np.arange(len(looks))
    copies[[5, 10]] = 2
    found = find_cloths(looks, ["kawung"] * len(looks), copies, PLAIN.odds)
    assert np.array_equal(found, found[copies])
    nothing = [None, looks[0], None, looks[11], None]
    assert find_cloths(nothing, list("aabbb"), np.array([0, 1, 0, 1, 4]), PLAIN.odds).tolist() == [0, 1, 0, 1, 4]


def test_nothing_and_one_photograph_are_grouped_too(drawn: tuple[list[ClothLook], list[int]]) -> None:
    assert find_cloths([], [], [], PLAIN.odds).tolist() == []
    assert find_cloths([None], ["kawung"], [0], PLAIN.odds).tolist() == [0]
    assert find_cloths(drawn[0][:1], ["kawung"], [0], PLAIN.odds).tolist() == [0]


def test_flat_pictures_are_never_one_cloth(tmp_path: Path) -> None:
    """Walls and lens caps look exactly alike, and show nothing."""
    (tmp_path / "kawung").mkdir()
    for grey in range(60, 68):
        pixels = np.full((96, 96, 3), grey, np.uint8)
        pixels[::9, ::7] += 1
        Image.fromarray(pixels).save(tmp_path / "kawung" / f"{grey}.png")
    inspected = inspect_set(tmp_path, list(image_files(tmp_path)), label_of=motif_of, cache=False)
    assert Counter(inspected.cloths.tolist()).most_common(1)[0][1] == 1


def test_cloths_are_looked_for_again_when_motifs_or_the_description_change(tmp_path: Path) -> None:
    """Groups of an earlier look are taken over only where nothing they rest on is another."""
    whole = picture("kawung", 0, size=2 * LOOK_SIDE, seed=4)
    (tmp_path / "kawung").mkdir()
    for name, rows in (("a", slice(0, LOOK_SIDE)), ("b", slice(LOOK_SIDE, None))):
        Image.fromarray(whole[rows, rows]).save(tmp_path / "kawung" / f"{name}.png")
    paths = list(image_files(tmp_path))
    assert inspect_set(tmp_path, paths, label_of=motif_of).cloths.tolist() == [0, 0]
    assert inspect_set(tmp_path, paths).cloths.tolist() == [0, 1]
    assert inspect_set(tmp_path, paths, label_of=lambda path: path).cloths.tolist() == [0, 1]
    assert inspect_set(tmp_path, paths, label_of=motif_of).cloths.tolist() == [0, 0]
