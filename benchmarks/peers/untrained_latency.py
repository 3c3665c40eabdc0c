"""Whether an untrained network's file takes as long as a trained one's: both in one process, turn by turn.

    python benchmarks/peers/untrained_latency.py runs/<id>/export --network mobilenet-v2-1

Every round loads both files anew, in the other order than the round before, since the place in memory alone moves a
median by some percent; in a round the two answer in turn, so that whatever else the machine does meets both. Told is
the ratio of the rounds' medians, untrained to trained, and whether the files are equally long.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from batikkit.fit.candidates import parse
from batikkit.fit.pack import Pack, read_pack
from batikkit.labels import read_labels


def loaded(content: bytes) -> Any:
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def round_ms(trained: bytes, untrained: bytes, *, runs: int, swapped: bool) -> tuple[float, float]:
    """Median milliseconds of both, in that order."""
    contents = (untrained, trained) if swapped else (trained, untrained)
    networks = [loaded(content) for content in contents]
    source = networks[0].get_input_details()[0]
    image = np.random.default_rng(0).integers(0, 256, source["shape"]).astype(source["dtype"])
    times: list[list[float]] = [[], []]
    for turn in range(runs + 5):
        for number in (0, 1) if turn % 2 else (1, 0):
            networks[number].set_tensor(networks[number].get_input_details()[0]["index"], image)
            begun = time.perf_counter()
            networks[number].invoke()
            times[number].append(1e3 * (time.perf_counter() - begun))
    first, second = (float(np.median(values[5:])) for values in times)
    return (second, first) if swapped else (first, second)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path, help="export folder of a run")
    parser.add_argument("--network", required=True, help="its backbone and width, such as mobilenet-v2-0.35")
    parser.add_argument("--pack", type=Path, help="what 'fit --pack' wrote of the same motifs (made here)")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--runs", type=int, default=60)
    asked = parser.parse_args()
    pack = read_pack(asked.pack) if asked.pack else made(asked.network, read_labels(asked.export / "labels.txt"))
    for variant in ("float16", "int8"):
        trained = (asked.export / f"{variant}.tflite").read_bytes()
        side = int(loaded(trained).get_input_details()[0]["shape"][1])
        untrained = pack.file(parse(f"{asked.network}-{side}"), variant)
        rounds = [round_ms(trained, untrained, runs=asked.runs, swapped=bool(turn % 2)) for turn in range(asked.rounds)]
        ratios = [after / before for before, after in rounds]
        print(
            json.dumps(
                {
                    "variant": variant,
                    "bytes": [len(trained), len(untrained)],
                    "trained_p50_ms": [round(before, 2) for before, _ in rounds],
                    "ratio": round(float(np.exp(np.mean(np.log(ratios)))), 3),
                    "ratios": [round(ratio, 3) for ratio in ratios],
                }
            ),
            flush=True,
        )


def made(network: str, labels: tuple[str, ...]) -> Pack:
    from batikkit_exporters.export.untrained import untrained_pack

    candidate = parse(f"{network}-96")
    return untrained_pack([(candidate.network, candidate.alpha)], labels)


if __name__ == "__main__":
    main()
