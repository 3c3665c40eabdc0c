"""One worker of a training, as `batikkit train` runs it; keeps the weights it ended with.

    python train_worker.py WEIGHTS_OUT LANES ARGUMENT...

LANES is 0, or the number of workers whose order of images a single process shall follow.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from batikkit import inputs, trainer
from batikkit.cli import main


def keep_weights(path: Path) -> None:
    fit = trainer.Trainer.fit

    def fit_and_keep(self: Any) -> None:
        fit(self)
        np.savez(path, *self.net.get_weights())

    trainer.Trainer.fit = fit_and_keep


def follow_order_of(lanes: int) -> None:
    order = inputs.Share.order
    inputs.Share.order = lambda _self, count, rng: order(inputs.Share(0, lanes), count, rng)


if __name__ == "__main__":
    keep_weights(Path(sys.argv[1]))
    if int(sys.argv[2]):
        follow_order_of(int(sys.argv[2]))
    main(sys.argv[3:])
