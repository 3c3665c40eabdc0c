"""How many augmented views a second the training inputs deliver, which is what a GPU would wait for.

    python benchmarks/peers/view_rate.py --preset best --lanes 1,2

Draws epochs of random pictures through `Inputs.ahead`, as the `keras` engine is fed, with so many drawing threads.
Prints views per second by the wall clock and processor milliseconds per view; the latter bounds what any number of
processors can deliver, and is what to look at on a machine that is busy otherwise.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from batikkit.config import load_config
from batikkit.data.inspection import worker_count
from batikkit.training import inputs
from batikkit.training.inputs import Inputs, Split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="best")
    parser.add_argument("--lanes", default=f"1,{worker_count()}", help="drawing threads, one measurement each")
    parser.add_argument("--images", type=int, default=512)
    asked = parser.parse_args()
    config = load_config(asked.preset)
    shape = (asked.images, config.image_size, config.image_size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    split = Split(pixels, np.zeros(len(pixels), np.int64))
    batches = np.array_split(np.arange(asked.images), -(-asked.images // config.batch_size))
    with tempfile.TemporaryDirectory() as folder:
        fed = Inputs(config, split, split, cache=Path(folder), cache_bytes=0)
        for lanes in (int(lane) for lane in asked.lanes.split(",")):
            inputs.worker_count = lambda count=lanes: count
            list(fed.ahead(batches[:2], cut=None, epoch=0))  # traces the graph
            started, used = time.perf_counter(), time.process_time()
            for epoch in range(2):
                for _ in fed.ahead(batches, cut=None, epoch=epoch):
                    pass
            wall, used = time.perf_counter() - started, time.process_time() - used
            drawn = 2 * asked.images
            print(
                json.dumps(
                    {
                        "preset": asked.preset,
                        "image_size": config.image_size,
                        "lanes": lanes,
                        "views_per_s": round(drawn / wall),
                        "processor_ms_per_view": round(1e3 * used / drawn, 2),
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
