"""`batikkit fit` against an exhaustive grid: how much accuracy the search gives away, and how much time it saves.

    python benchmarks/peers/fit_grid.py DIR --weights FILE --weights FILE --sizes 128,192,224,288 --keep FOLDER
    python benchmarks/peers/fit_grid.py DIR ... --keep FOLDER --board board.json --budgets 4,8,16

The grid gives every network at every size the full trial: all views, and heads solved as training solves them, on all
folds. Features are computed once for all folds and both are killed and resumed like any search. For each budget the
search's choice is looked up in the grid; its time is that of its own scouts and of its finalists' full trials, as they
were measured. A choice is judged by what it was not chosen by: the grid's tested answers.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from batikkit.config import load_config
from batikkit.data.prepared import Grouping, load_dataset
from batikkit.fit.candidates import IMAGE_SIZES, Candidate, candidates
from batikkit.fit.folder import SearchFolder
from batikkit.fit.search import KEPT, Photographs, Search, photographs
from batikkit.fit.selection import choose, finalists
from batikkit.fit.trial import FULL, SCOUT, Trial
from batikkit.fit.weights import weights_at_hand
from batikkit.network.texture import best_texture


def accuracy(trial: Trial, photos: Photographs) -> float:
    return float(np.mean(trial.tested == photos.truth.labels))


def compared(
    scouts: dict[Candidate, Trial], grid: dict[Candidate, Trial], order: list[Candidate], photos: Photographs, keep: int
) -> dict[str, object]:
    """One budget: what the search would choose among `order`, fastest first, and what the grid says of that."""
    going = finalists({c: scouts[c] for c in order}, photos.truth, order, keep=keep)
    choice = choose(grid, photos.truth, going, order)
    best = max(order, key=lambda c: accuracy(grid[c], photos))
    spent = sum(scouts[c].seconds for c in order) + sum(grid[c].seconds for c in going.everyone)
    whole = sum(grid[c].seconds for c in order)
    return {
        "candidates": len(order),
        "finalists": len(going.everyone),
        "chosen": choice.winner.name,
        "grid_best": best.name,
        "chosen_accuracy": round(accuracy(grid[choice.winner], photos), 4),
        "grid_best_accuracy": round(accuracy(grid[best], photos), 4),
        "given_away_pp": round(100 * (accuracy(grid[best], photos) - accuracy(grid[choice.winner], photos)), 2),
        "honest_accuracy": round(float(choice.right.mean()), 4),
        "seconds": round(spent, 1),
        "grid_seconds": round(whole, 1),
        "share_of_time": round(spent / whole, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", action="append", default=[])
    parser.add_argument("--look-weights", default="imagenet", help="MobileNetV2 file that tells cloths apart")
    parser.add_argument("--sizes", default=",".join(map(str, IMAGE_SIZES)))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--keep", type=Path, required=True, help="folder for both; begun again, it goes on")
    parser.add_argument("--board", type=Path, help="what 'bench --table' wrote")
    parser.add_argument("--budgets", default="", help="p90 limits [ms] to compare under, such as 4,8,16")
    parser.add_argument("--finalists", type=int, default=KEPT)
    asked = parser.parse_args()
    config = load_config("best")
    grouping = Grouping(texture=best_texture(asked.look_weights), parts=asked.folds)
    data = load_dataset(asked.folder, grouping=grouping)
    photos = photographs(data.dataset, folds=asked.folds, ratios=config.ratios, seed=config.seed)
    weights = weights_at_hand(asked.weights)
    everyone = list(candidates(weights, map(int, asked.sizes.split(","))))
    results = {}
    for name, rung in (("scouts", SCOUT), ("grid", FULL)):
        search = Search(SearchFolder(asked.keep / name), photos, weights, lambda line: print(line, flush=True))
        search.folder.enter(photos.identity)
        started = time.perf_counter()
        results[name] = search.trials(everyone, rung)
        print(f"{name}: {time.perf_counter() - started:.0f} s now", flush=True)
    for candidate in everyone:
        scout, full = results["scouts"][candidate], results["grid"][candidate]
        print(f"{candidate.name}: {accuracy(full, photos):.1%}, scout {scout.seconds:.0f} s, full {full.seconds:.0f} s")
    for limit, order in _orders(asked.board, asked.budgets, everyone):
        found = compared(results["scouts"], results["grid"], order, photos, asked.finalists)
        print(json.dumps({"max_p90_ms": limit, **found}), flush=True)


def _orders(board: Path | None, budgets: str, everyone: list[Candidate]) -> list[tuple[float | None, list[Candidate]]]:
    """Budget -> what fits, fastest first; without a board one of everything."""
    if board is None:
        return [(None, everyone)]
    from batikkit.fit.budget import Ceiling, affordable
    from batikkit_benchmarks.report import read_report
    from batikkit_benchmarks.table import measured

    rows = [row for row in measured(read_report(board)) if row.candidate in everyone]
    limits = [None, *map(float, filter(None, budgets.split(",")))]
    ceilings = {limit: dict.fromkeys(("float16", "int8"), Ceiling(p90_ms=limit)) for limit in limits}
    return [(limit, list(affordable(rows, ceiling))) for limit, ceiling in ceilings.items()]


if __name__ == "__main__":
    main()
