from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from batikkit.errors import InputError
from batikkit.evaluation.predictions import Predictions, pool, read_predictions, write_predictions

LABELS = ("kawung", 'parang, "rusak"', "sido asih")


def make_predictions(count: int, *, first: int = 0, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(3), count).astype(np.float32)
    paths = tuple(f"kawung/{first + number}, copy.jpg" for number in range(count))
    return Predictions(LABELS, paths, paths, rng.integers(0, 3, count), probabilities)


def test_a_file_is_read_back_exactly(tmp_path: Path) -> None:
    written = make_predictions(40)
    write_predictions(tmp_path / "p.csv", written)
    read = read_predictions(tmp_path / "p.csv")
    assert (read.labels, read.paths, read.groups) == (LABELS, written.paths, written.groups)
    assert np.array_equal(read.truth, written.truth)
    assert np.array_equal(read.probabilities, written.probabilities)
    assert read.probabilities.dtype == np.float32


def test_folds_are_pooled_once_each() -> None:
    parts = [make_predictions(5), make_predictions(4, first=5, seed=1)]
    whole = pool(parts)
    assert len(whole.paths) == 9
    assert whole.right.sum() == sum(part.right.sum() for part in parts)
    with pytest.raises(InputError, match="tested twice"):
        pool([parts[0], parts[0]])


@pytest.mark.parametrize(
    "damage", ["", "path,label\na,b\n", "{head}\nx.jpg,kawung,g,kawung,0.5\n", "{head}\nx,unknown,g,kawung,1,0,0\n"]
)
def test_damaged_files_are_named(tmp_path: Path, damage: str) -> None:
    head = "path,label,group,predicted,p:kawung,p:parang,p:sido"
    (tmp_path / "p.csv").write_text(damage.replace("{head}", head))
    with pytest.raises(InputError, match=r"p\.csv is damaged"):
        read_predictions(tmp_path / "p.csv")
    with pytest.raises(InputError, match="cannot read"):
        read_predictions(tmp_path / "none.csv")
