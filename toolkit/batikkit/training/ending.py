"""Whatever stops a training, it ends with one line that says how to go on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from batikkit.errors import BatikkitError, DiskFullError
from batikkit.network.keras_backend import tf
from batikkit.training.distributed import Workers
from batikkit.training.job import Job
from batikkit.training.schedule import DivergedError
from batikkit.training.stopping import stoppable


class OutOfMemoryError(BatikkitError):
    """A step does not fit into memory."""

    exit_code = 1


@contextlib.contextmanager
def told(job: Job, workers: Workers) -> Iterator[None]:
    """Adds to whatever ends the block how to go on.

    Raises:
        StoppedError, DivergedError, DiskFullError, OutOfMemoryError: as named.
    """
    run = str(job.run) if workers.chief else "RUN"
    onwards = f"finished epochs are kept, continue with: batikkit train --resume {run}"
    try:
        with stoppable(f"stopped; {onwards}"):
            yield
    except DivergedError as error:
        raise DivergedError(f"{error}; the last good epoch is kept in {run}") from error
    except DiskFullError as error:
        raise DiskFullError(f"{error}; {onwards}") from error
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        size = job.config.batch_size
        raise OutOfMemoryError(
            f"out of memory with batches of {size} at {job.config.image_size} pixels; {onwards} "
            f"--set batch_size={max(1, size // 2)}"
        ) from error
