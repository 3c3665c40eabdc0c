"""One worker of a training, as `batikkit train` runs it, of a short network; keeps the weights it ended with.

    python train_worker.py WEIGHTS_OUT LANES EPOCHS ARGUMENT...

LANES is 0, or the number of workers whose order of images a single process shall follow. EPOCHS is 0, or the number of
finished epochs after which this worker kills itself.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from batikkit.cli import main
from batikkit.training import inputs, session
from batikkit.training.state import State
from short_network import shorten


def keep_weights(path: Path) -> None:
    fit = session.fit

    def fit_and_keep(net: Any, *args: Any, **options: Any) -> Iterator[State]:
        yield from fit(net, *args, **options)
        np.savez(path, *net.get_weights())

    session.fit = fit_and_keep


def follow_order_of(lanes: int) -> None:
    order = inputs.Share.order
    inputs.Share.order = lambda _self, count, rng: order(inputs.Share(0, lanes), count, rng)


def die_after(epochs: int) -> None:
    fit = session.fit

    def fit_and_die(*args: Any, **options: Any) -> Iterator[State]:
        for state in fit(*args, **options):
            yield state
            if len(state.history) == epochs:
                os.kill(os.getpid(), signal.SIGKILL)

    session.fit = fit_and_die


if __name__ == "__main__":
    shorten()
    keep_weights(Path(sys.argv[1]))
    if int(sys.argv[2]):
        follow_order_of(int(sys.argv[2]))
    if int(sys.argv[3]):
        die_after(int(sys.argv[3]))
    main(sys.argv[4:])
