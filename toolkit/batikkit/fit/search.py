"""The search: scouts of everything that fits, full trials of the few best, the choice. Begun again, it goes on."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from batikkit.config import to_toml
from batikkit.console import progress
from batikkit.data.dataset import Dataset
from batikkit.data.split import SplitRow, assign_folds, encode_split, fold_rows
from batikkit.digest import file_sha256
from batikkit.fit.candidates import Candidate
from batikkit.fit.folder import Identity, SearchFolder
from batikkit.fit.heads import Known, held_out_answers, paired_answers
from batikkit.fit.network import features
from batikkit.fit.selection import Choice, Truth, choose, finalists
from batikkit.fit.trial import FULL, SCOUT, Trial, read_trial, write_trial
from batikkit.settings import TrainConfig
from batikkit.training.inputs import load_split

KEPT = 3
"""Scouts that go on to a full trial."""
_POLL_S = 1.0
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Photographs:
    """What is searched on.

    Attributes:
        dataset: The samples, whose groups never cross folds.
        truth: Motif and fold of each.
        splits: For each fold, which photographs train, choose and test.
        seed: Dealt the folds.
    """

    dataset: Dataset
    truth: Truth
    splits: tuple[tuple[SplitRow, ...], ...]
    seed: int

    @property
    def identity(self) -> Identity:
        """What tells this search from others."""
        digest = hashlib.sha256(b"".join(encode_split(rows) for rows in self.splits)).hexdigest()
        return Identity(digest, len(self.splits), self.seed)


def photographs(dataset: Dataset, *, folds: int, ratios: Sequence[float], seed: int) -> Photographs:
    """Deals the samples to folds.

    Raises:
        InputError: a motif has fewer groups than folds.
    """
    samples = dataset.samples
    number = {label: index for index, label in enumerate(dataset.labels)}
    labels = np.array([number[sample.label] for sample in samples], np.int64)
    dealt = np.array(assign_folds(samples, folds=folds, seed=seed), np.int64)
    splits = (fold_rows(samples, folds=folds, fold=fold, ratios=ratios, seed=seed) for fold in range(folds))
    return Photographs(dataset, Truth(labels, dealt), tuple(splits), seed)


@dataclass(frozen=True, eq=False)
class Found:
    """What a search came to.

    Attributes:
        scouts: Every candidate's.
        full: Those of the finalists.
        choice: The winner, and how right choosing so is.
    """

    scouts: Mapping[Candidate, Trial]
    full: Mapping[Candidate, Trial]
    choice: Choice[Candidate]


@dataclass(frozen=True, eq=False)
class Search:
    """One process's part in a search.

    Attributes:
        folder: Shared with all others.
        photos: What is searched on.
        weights: Backbone and width -> file.
        say: Told what begins.
    """

    folder: SearchFolder
    photos: Photographs
    weights: Mapping[tuple[str, float], Path]
    say: Say

    def run(self, order: Sequence[Candidate], *, keep: int = KEPT) -> Found:
        """Searches among candidates, of which those that come first are preferred among equals.

        Raises:
            InputError: the folder holds another search, or weights cannot be used.
        """
        self.folder.enter(self.photos.identity)
        truth = self.photos.truth
        scouts = self.trials(order, SCOUT)
        going = finalists(scouts, truth, order, keep=keep)
        full = self.trials(going.everyone, FULL)
        return Found(scouts, full, choose(full, truth, going, order))

    def trials(self, wanted: Sequence[Candidate], rung: str) -> dict[Candidate, Trial]:
        """The trials of some candidates: there already, made here, or made by others meanwhile."""
        found: dict[Candidate, Trial] = {}
        while left := [candidate for candidate in wanted if candidate not in found]:
            # Processes that begin at one moment begin at different places.
            turned = os.getpid() % len(left)
            before = len(found)
            for candidate in (*left[turned:], *left[:turned]):
                trial = self._kept(candidate, rung) or self._made(candidate, rung, len(found), len(wanted))
                if trial is not None:
                    found[candidate] = trial
            if len(found) == before:
                time.sleep(_POLL_S)
        return {candidate: found[candidate] for candidate in wanted}

    def _file(self, candidate: Candidate, rung: str) -> Path:
        return self.folder.path("trials", f"{candidate.name}.{rung}.json")

    def _kept(self, candidate: Candidate, rung: str) -> Trial | None:
        return read_trial(self._file(candidate, rung), made_from=self._made_from(candidate))

    def _made_from(self, candidate: Candidate) -> str:
        weights = file_sha256(self._weights(candidate))
        return hashlib.sha256(f"{weights} {to_toml(self._config(candidate))}".encode()).hexdigest()

    def _weights(self, candidate: Candidate) -> Path:
        return self.weights[candidate.network, candidate.alpha]

    def _config(self, candidate: Candidate) -> TrainConfig:
        return candidate.config(seed=self.photos.seed)

    def _made(self, candidate: Candidate, rung: str, done: int, total: int) -> Trial | None:
        """The trial, made here; None where another process is at it."""
        with self.folder.claim(f"{candidate.name}.{rung}") as mine:
            if not mine:
                return None
            known = self._kept(candidate, rung)  # made since it was looked for
            if known is None:
                self.say(f"[{done + 1}/{total}] {rung}: {candidate.title}")
                known = self._solve(candidate, rung)
                write_trial(self._file(candidate, rung), known)
            return known

    def _solve(self, candidate: Candidate, rung: str) -> Trial:
        started, config, truth = time.perf_counter(), self._config(candidate), self.photos.truth
        with tempfile.TemporaryDirectory(prefix="batikkit-") as scratch, progress(candidate.name) as advance:
            learned, plain = features(
                self.folder, candidate, config, self._weights(candidate),
                lambda: self._pixels(candidate.image_size, Path(scratch)),
                views=config.views if rung == FULL else 0, advance=advance,
            )  # fmt: skip
        known = Known(learned, plain, truth.labels, truth.folds)
        tested = np.empty(0, np.int64)
        if rung == FULL:
            splits = [np.array([row.split for row in rows]) for rows in self.photos.splits]
            tested = held_out_answers(known, splits, config)
        return Trial(self._made_from(candidate), time.perf_counter() - started, paired_answers(known, config), tested)

    def _pixels(self, side: int, scratch: Path) -> NDArray[np.uint8]:
        data = self.photos.dataset
        return load_split(data.root, data.samples, data.labels, size=side, store=scratch / "pixels.npy").pixels
