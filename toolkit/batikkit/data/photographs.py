"""Evaluating on a folder of photographs: decoding runs ahead on other cores while the network works."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit import processors
from batikkit.data.dataset import image_files
from batikkit.errors import InputError
from batikkit.images import load_pixels

AHEAD_PER_DECODER = 2
"""Decoded images that may wait for the network, per decoding thread: a few megabytes at 288 px."""


SWITCH_INTERVAL_S = 0.00005
"""For `sys.setswitchinterval` where a network runs while photographs are decoded: it wants the interpreter lock back
several times per image, and Python's 5 ms are as long as one run."""


@dataclass(frozen=True)
class Photographs:
    """Labelled photographs to evaluate on.

    Attributes:
        root: The folder, with one subfolder per motif.
        names: N paths relative to it.
        truth: int64 [N], index of each photograph's motif in the model's labels.
    """

    root: Path
    names: tuple[str, ...]
    truth: NDArray[np.int64]

    @property
    def files(self) -> list[str]:
        """The N files."""
        return [str(self.root / name) for name in self.names]


def find_photographs(root: Path, labels: Sequence[str]) -> Photographs:
    """Lists the photographs under `root`, whose subfolders are named as `labels`.

    Raises:
        InputError: no such folder, no image in it, or a subfolder that is no motif of the model.
    """
    names = tuple(name for name in image_files(root) if "/" in name)
    if not names:
        raise InputError(f"no images in subfolders of {root}: put each motif's photographs into a folder of its own")
    strangers = sorted({name.split("/")[0] for name in names} - set(labels))
    if strangers:
        raise InputError(
            f"{root} has a folder {strangers[0]!r}, which is no motif of this model: its motifs are {', '.join(labels)}"
        )
    truth = np.array([labels.index(name.split("/")[0]) for name in names], np.int64)
    return Photographs(root, names, truth)


def decoded_ahead(
    files: Sequence[str],
    *,
    image_size: int,
    prepare: Callable[[NDArray[np.uint8]], Any],
    decoders: int,
    cpus: Sequence[int] = (),
) -> Iterator[Any | None]:
    """Yields each file's prepared pixels in order, None for an unreadable one, while others are decoded in parallel.

    Args:
        files: Image files.
        image_size: Side of the square they are stretched to.
        prepare: Turns uint8 [image_size, image_size, 3] into what the network takes; runs in the decoding thread.
        decoders: Decoding threads; Pillow and NumPy release the interpreter lock.
        cpus: CPUs the decoding threads may use, though the network is pinned to fewer; empty leaves them where it is.
    """

    def spread_out() -> None:
        if cpus:
            processors.confine(cpus)  # on Linux of the calling thread alone

    def decode(file: str) -> Any | None:
        try:
            return prepare(load_pixels(Path(file), image_size))
        except InputError:
            return None

    with ThreadPoolExecutor(decoders, thread_name_prefix="decode", initializer=spread_out) as pool:
        waiting: deque[Future[Any | None]] = deque()
        for file in files:
            waiting.append(pool.submit(decode, file))
            if len(waiting) > AHEAD_PER_DECODER * decoders:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
