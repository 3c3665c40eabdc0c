"""Dealing groups: over seeds no size is favoured by any part, and in each seed the shares are kept."""

from __future__ import annotations

import csv
import itertools
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from batikkit.data.dataset import Sample
from batikkit.data.dealing import deal, deal_evenly, take_arc
from batikkit.data.prepared import load_dataset
from batikkit.data.split import SPLITS, assign_splits, fold_rows

SHARES = {"train": 0.7, "validation": 0.2, "test": 0.1}


def name_groups(sizes: Sequence[int], label: str = "a") -> dict[str, int]:
    return {f"{label}{index}": size for index, size in enumerate(sizes)}


def sizes_by_part(classes: Sequence[Sequence[int]], seed: int) -> dict[str, Counter[int]]:
    """Part -> size of group -> images in groups of that size."""
    found: dict[str, Counter[int]] = defaultdict(Counter)
    for label, sizes in enumerate(classes):
        groups = name_groups(sizes, f"{label}-")
        for group, part in deal(groups, SHARES, seed=seed).items():
            found[part][groups[group]] += groups[group]
    return found


COLLECTIONS = {
    "40 % in pairs": [[2] * 10 + [1] * 30] * 6,
    "40 % in pairs, small classes": [[2] * 4 + [1] * 12] * 6,
    "groups of four": [[4] * 5 + [1] * 30] * 6,
    "every size": [[8] * 5 + [4] * 10 + [2] * 20 + [1] * 40] * 3,
    "cloths of 30 and loose photographs": [[30] * 8 + [1] * 160] * 6,
    "cloths of 30": [[30] * cloths for cloths in (9, 3, 4, 9, 3, 3)],
    "one group half as large again as the test part": [[15] + [1] * 85] * 6,
}


@pytest.mark.parametrize("classes", COLLECTIONS.values(), ids=COLLECTIONS.keys())
def test_each_part_is_made_of_groups_of_every_size_as_the_whole_is(classes: list[list[int]]) -> None:
    """Within four standard errors of the mean over 60 seeds: each size's share of the part's images."""
    parts = [sizes_by_part(classes, seed) for seed in range(60)]
    whole = Counter(size for sizes in classes for size in sizes)
    total = sum(size * count for size, count in whole.items())
    for part, size in itertools.product(SPLITS, whole):
        wanted = size * whole[size] / total
        sums = np.array([[p[part][size], p[part].total()] for p in parts], float)
        # A ratio of means, with the standard error of a ratio (its residuals): the parts' sizes vary from seed to seed.
        share = sums[:, 0].sum() / sums[:, 1].sum()
        residuals = sums[:, 0] - share * sums[:, 1]
        error = residuals.std(ddof=1) / np.sqrt(len(parts)) / sums[:, 1].mean()
        assert abs(share - wanted) <= 4 * error + 0.005, (part, size, share, wanted, error)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("name", [name for name in COLLECTIONS if name != "cloths of 30"])
def test_every_class_keeps_its_shares(name: str, seed: int) -> None:
    for label, sizes in enumerate(COLLECTIONS[name]):
        groups = name_groups(sizes, f"{label}-")
        counts: Counter[str] = Counter()
        for group, part in deal(groups, SHARES, seed=seed).items():
            counts[part] += groups[group]
        for part, share in SHARES.items():
            # Half the largest group is what rounding costs when groups are whole; a group more is what chance may add.
            assert abs(counts[part] - share * sum(sizes)) <= 1.5 * max(sizes), (part, counts)


def test_where_a_part_holds_one_cloth_each_cloth_is_as_likely() -> None:
    for count in (3, 4, 8):
        tested = Counter(
            group
            for seed in range(400)
            for group, part in deal(name_groups([30] * count), SHARES, seed=seed).items()
            if part == "test"
        )
        assert tested.total() == 400
        expected = 400 / count
        assert all(abs(tested[group] - expected) < 4 * np.sqrt(expected) for group in name_groups([30] * count))


def test_a_giant_group_is_tested_seldom_and_does_not_swamp_the_test_part() -> None:
    """Half of the images are one group, five times the test part: it is tested now and then, else the shares hold."""
    groups = name_groups([50] + [1] * 50)
    homes, tested, others = Counter(), [], []
    for seed in range(600):
        dealt = deal(groups, SHARES, seed=seed)
        home, sizes = dealt["a0"], Counter()
        for group, part in dealt.items():
            sizes[part] += groups[group]
        homes[home] += 1
        tested.append(sizes["test"])
        if home == "train":
            others.append(tuple(sizes[part] for part in SPLITS))
    assert 0 < homes["test"] < 0.1 * 600
    assert 0 < homes["validation"] < 0.2 * 600
    assert np.mean(tested) < 12
    assert set(others) == {(70, 20, 10)}


def test_two_groups_are_trained_and_tested_and_a_giant_mostly_trained() -> None:
    alike = [deal(name_groups([29, 31]), SHARES, seed=seed)["a0"] for seed in range(200)]
    assert set(alike) == {"train", "test"}
    assert 60 < alike.count("test") < 140
    giant = [deal(name_groups([50, 1]), SHARES, seed=seed)["a0"] for seed in range(200)]
    assert giant.count("train") > 180
    assert deal({"only": 4}, SHARES, seed=0) == {"only": "train"}


@pytest.mark.parametrize("seed", range(100))
def test_no_part_stays_empty_and_the_order_of_groups_is_no_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = name_groups(rng.choice([1, 2, 3, 30], rng.integers(3, 9)).tolist())
    dealt = deal(groups, SHARES, seed=seed)
    assert set(dealt.values()) == set(SPLITS)
    assert deal(dict(reversed(groups.items())), SHARES, seed=seed) == dealt


def test_batik10s_copies_are_in_every_part(batik10: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """52 of 545 photographs have a copy: over 60 seeds each part holds its share of them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    samples = load_dataset(batik10).dataset.samples
    sizes = Counter(sample.group for sample in samples)
    whole = np.mean([sizes[sample.group] > 1 for sample in samples])
    assert whole > 0.09
    shares = defaultdict(list)
    for seed in range(60):
        rows = assign_splits(samples, ratios=tuple(SHARES.values()), seed=seed)
        for part, share in SHARES.items():
            copied = [sizes[row.sample.group] > 1 for row in rows if row.split == part]
            assert len(copied) / len(samples) == pytest.approx(share, abs=0.015)
            shares[part].append(np.mean(copied))
    for part in SPLITS:
        error = np.std(shares[part], ddof=1) / np.sqrt(60)
        assert abs(np.mean(shares[part]) - whole) <= 4 * error + 0.002, (part, np.mean(shares[part]), whole)


def test_each_real_cloth_is_tested_as_often_as_its_fellows(cloths: Path) -> None:
    with (cloths / "truth.csv").open(encoding="utf-8") as stream:
        images = Counter(row["cloth"] for row in csv.DictReader(stream))
    classes: dict[str, dict[str, int]] = defaultdict(dict)
    for cloth, count in images.items():
        classes[cloth.split("-")[0]][cloth] = count
    assert len(images) == 31
    for groups in classes.values():
        places = Counter((g, p) for seed in range(200) for g, p in deal(groups, SHARES, seed=seed).items())
        for part in SPLITS:
            times = [places[group, part] for group in groups]
            assert max(times) - min(times) < 8 * np.sqrt(np.mean(times))


def test_equal_parts_take_the_largest_first() -> None:
    sizes = name_groups([9, 5, 4, 3, 3, 2, 1])
    dealt = deal_evenly(sizes, 3, seed=0, label="a")
    counts = Counter(dict.fromkeys(range(3), 0))
    for group, part in dealt.items():
        counts[part] += sizes[group]
    assert sorted(counts.values()) == [9, 9, 9]
    starts = {deal_evenly({"only": 1}, 3, seed=seed, label="a")["only"] for seed in range(30)}
    assert starts == {0, 1, 2}


def test_an_arc_takes_the_groups_whose_middle_it_covers() -> None:
    circle = {"a": 4, "b": 2, "c": 1, "d": 3}
    assert take_arc(circle, 0.4, start=0) == {"a"}
    assert take_arc(circle, 0.4, start=2.6) == {"b", "c"}
    assert take_arc(circle, 0.4, start=8.4) == {"d", "a"}
    # "a" and "d" are over twice the arc, which then lies between the middles of "b" and "c": the next one is taken.
    assert take_arc(circle, 0.1, start=1.2) == {"c"}
    assert take_arc({"a": 40, "b": 2, "c": 2}, 0.2, start=0) == {"b", "c"}
    assert take_arc({"a": 30, "b": 30}, 0.2, start=16) == {"b"}
    assert take_arc({"a": 1, "b": 1}, 1.0, start=0) == {"a"}
    assert take_arc({"a": 30}, 0.2, start=0) == take_arc(circle, 0.0, start=0) == set()


@pytest.mark.parametrize("name", [name for name in COLLECTIONS if name != "cloths of 30"])
def test_validation_of_folds_is_made_of_every_size_too(name: str) -> None:
    samples = [
        Sample(f"{label}/{group}_{index}", str(label), "", f"{label}-{group}")
        for label, sizes in enumerate(COLLECTIONS[name])
        for group, size in enumerate(sizes)
        for index in range(size)
    ]
    size_of = Counter(sample.group for sample in samples)
    taken: Counter[int] = Counter()
    for seed, fold in itertools.product(range(12), range(5)):
        rows = fold_rows(samples, folds=5, fold=fold, ratios=tuple(SHARES.values()), seed=seed)
        found = [size_of[row.sample.group] for row in rows if row.split == "validation"]
        assert len(found) / len(samples) == pytest.approx(0.8 * 2 / 9, abs=0.06)
        taken.update(found)
    for size, images in Counter(size_of[sample.group] for sample in samples).items():
        assert taken[size] / taken.total() == pytest.approx(images / len(samples), abs=0.025)


def test_a_deal_is_the_same_in_another_process() -> None:
    """Python's own hashes differ from process to process; a split must not."""
    code = (
        "from batikkit.data.dealing import deal;"
        "print(deal({f'g{i}': 1 + i % 3 for i in range(20)}, {'train': .7, 'validation': .2, 'test': .1}, seed=4))"
    )
    shown = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(shown) == 1
