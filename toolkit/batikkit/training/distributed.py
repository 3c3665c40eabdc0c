"""Several processors, or several machines, training one model: a thin layer over `tf.distribute`.

Every worker holds the whole model and its own share of the images. A step sums the gradients of all, so that the
weights stay equal everywhere; the chief (rank 0) alone writes to the run folder.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.console import warn
from batikkit.errors import BatikkitError, InputError
from batikkit.network import model
from batikkit.network.keras_backend import tf
from batikkit.settings import TrainConfig
from batikkit.tflite.interpreters import quiet_native
from batikkit.training.cluster import STRATEGIES, VARIABLE, Cluster, WorkerLostError, meet, reachable, read_cluster
from batikkit.training.inputs import Share

TIMEOUT_S = 600.0
_LOST = "finished epochs are kept; start all workers again with --resume"


class Workers:
    """The processes that train together, seen from one of them. Without arguments: this process alone.

    Args:
        strategy: A `tf.distribute` strategy, or None for one processor.
        cluster: The other machines, if any.
        timeout_s: How long a step may wait for the others.
    """

    def __init__(self, strategy: Any = None, *, cluster: Cluster | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self.strategy, self._cluster, self._timeout_s = strategy, cluster, timeout_s
        self.share = Share(cluster.rank, len(cluster.addresses)) if cluster else Share()
        self.chief = self.share.rank == 0
        self.name = f"{cluster.rank} at {cluster.addresses[cluster.rank]}" if cluster else "0"
        self.port = cluster.addresses[cluster.rank].rsplit(":", 1)[1] if cluster else "0"

    def scope(self) -> Any:
        """Variables made within belong to all."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Bounds the wait for the others within the block, and gives their loss a name.

        Raises:
            WorkerLostError: one of them died. When one hangs instead, this process ends with the same words.
        """
        if not self._cluster:
            yield
            return
        # Nothing in Python can interrupt a collective operation, hence the hard end.
        timer = threading.Timer(self._timeout_s, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (
            tf.errors.UnavailableError,
            tf.errors.AbortedError,
            tf.errors.CancelledError,
            tf.errors.DeadlineExceededError,
            tf.errors.InternalError,
        ) as error:
            raise WorkerLostError(f"worker {self.name}: another worker stopped answering; {self._lost()}") from error
        finally:
            timer.cancel()

    def total(self, values: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float64]:
        """The element-wise sum of every worker's float64 `values`, equal on all."""
        if not self._cluster:
            return np.array(values, np.float64)
        with self.waiting():
            # One of a machine's replicas carries its values, the others nothing.
            local = len(self.strategy.extended.worker_devices)
            spread = self.strategy.experimental_distribute_values_from_function(
                lambda context: tf.constant(values, tf.float64) * float(context.replica_id_in_sync_group % local == 0)
            )
            return np.asarray(self.strategy.reduce(tf.distribute.ReduceOp.SUM, spread, axis=None))

    def agree(self, *facts: object) -> None:
        """Checks that all workers were given the same facts, compared by what `repr` says of them.

        Raises:
            InputError: they were not.
        """
        if not self._cluster:
            return
        digest = hashlib.sha256("\0".join(map(repr, facts)).encode()).digest()
        words = np.frombuffer(digest, ">u4").astype(np.float64)  # exact, and so is their sum
        chief = self.total(tuple(words) if self.chief else (0.0,) * len(words))
        if self.total((float(np.any(words != chief)),))[0]:
            raise InputError("the workers differ in photographs, settings or weights: give all of them the same")

    def replicate(self, net: Any, config: TrainConfig) -> Any:
        """`net` with its weights, as a model that all workers share."""
        if not self.strategy:
            return net
        with self.waiting(), self.scope():
            shared = model.build_model(config, classes=int(net.output.shape[1]))
            shared.set_weights(net.get_weights())
        return shared

    def plain(self, net: Any, config: TrainConfig) -> Any:
        """`net` with its weights, as a model of this process alone."""
        if not self.strategy:
            return net
        with self.waiting():
            weights = net.get_weights()
        alone = model.build_model(config, classes=int(net.output.shape[1]))
        alone.set_weights(weights)
        return alone

    @contextlib.contextmanager
    def leaving(self) -> Iterator[None]:
        """Ends the process with the block when several machines train: TensorFlow's own farewell waits without end."""
        if not self._cluster:
            yield
            return
        code = 0
        try:
            yield
        except BatikkitError as error:
            warn(str(error))
            code = error.exit_code
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def _lost(self) -> str:
        assert self._cluster
        others = [address for rank, address in enumerate(self._cluster.addresses) if rank != self.share.rank]
        silent = [address for address in others if not reachable(address)]
        return (f"nobody listens at {', '.join(silent)}; " if silent else "") + _LOST

    def _give_up(self) -> None:
        warn(f"worker {self.name}: no answer from the others for {self._timeout_s:g} s; {self._lost()}")
        os._exit(WorkerLostError.exit_code)


def join(strategy: str = "auto", *, timeout_s: float = TIMEOUT_S) -> Workers:
    """Finds the processors and machines to train on. Must come before anything else is asked of TensorFlow.

    Args:
        strategy: `mirrored` (all GPUs of this machine), `multi-worker` (the machines of `TF_CONFIG`), or `auto`
            (whichever of these there is, else one processor).
        timeout_s: How long to wait for other machines, here and at every step.

    Raises:
        InputError: no such strategy, or `TF_CONFIG` does not fit it.
        WorkerLostError: another worker did not come in time.
    """
    if strategy not in STRATEGIES:
        raise InputError(f"--strategy {strategy!r}: choose {', '.join(STRATEGIES)}")
    cluster = read_cluster(os.environ) if strategy != "mirrored" else None
    if cluster:
        meet(cluster, timeout_s=timeout_s)
        return Workers(_multi_worker(timeout_s), cluster=cluster, timeout_s=timeout_s)
    if strategy == "multi-worker":
        raise InputError(f"--strategy multi-worker needs {VARIABLE} with at least two workers: see docs/training.md")
    if strategy == "mirrored" or len(tf.config.list_physical_devices("GPU")) > 1:
        with quiet_native():
            return Workers(tf.distribute.MirroredStrategy())
    return Workers()


def _multi_worker(timeout_s: float) -> Any:
    # Everybody has been seen a moment ago; should one die right now, TensorFlow would wait without end, deaf to Python.
    faulthandler.dump_traceback_later(timeout_s, exit=True)
    try:
        with quiet_native():
            return tf.distribute.MultiWorkerMirroredStrategy()
    finally:
        faulthandler.cancel_dump_traceback_later()
