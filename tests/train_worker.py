"""One worker of a training, as `batikkit train` runs it; keeps the weights it ended with.

    python train_worker.py WEIGHTS_OUT LANES EPOCHS ARGUMENT...

LANES is 0, or the number of workers whose order of images a single process shall follow. EPOCHS is 0, or the number of
finished epochs after which this worker kills itself.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from batikkit.cli import main
from batikkit.training import inputs, trainer


def keep_weights(path: Path) -> None:
    fit = trainer.Trainer.fit

    def fit_and_keep(self: Any) -> None:
        fit(self)
        np.savez(path, *self.net.get_weights())

    trainer.Trainer.fit = fit_and_keep


def follow_order_of(lanes: int) -> None:
    order = inputs.Share.order
    inputs.Share.order = lambda _self, count, rng: order(inputs.Share(0, lanes), count, rng)


def die_after(epochs: int) -> None:
    save = trainer.Trainer._save

    def save_and_die(self: Any, *, engine: Any) -> None:
        save(self, engine=engine)
        if len(self.progress.history) == epochs:
            os.kill(os.getpid(), signal.SIGKILL)

    trainer.Trainer._save = save_and_die


if __name__ == "__main__":
    keep_weights(Path(sys.argv[1]))
    if int(sys.argv[2]):
        follow_order_of(int(sys.argv[2]))
    if int(sys.argv[3]):
        die_after(int(sys.argv[3]))
    main(sys.argv[4:])
