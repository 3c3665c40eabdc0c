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
from batikkit.data.layout import Layout, motifs_known, read_layout, refuse_empty, refuse_unread_kinds
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
    """Lists the photographs under `root`, whose motifs are told as `labels`; of a split the test part.

    Raises:
        InputError: no such folder, no image in it, a motif that the model does not have, or one without a photograph.
    """
    layout = motifs_known(root, read_layout(root), labels)
    refuse_empty(layout)
    refuse_unread_kinds(root, layout.motif_of)
    names = tuple(path for path in layout.motif_of if layout.split_of.get(path, "test") == "test")
    if not names:
        raise InputError(f"{root} has no photographs to test on: its {layout.split_source} hold others")
    _refuse_unreadable_motif(root, layout, names)
    truth = np.array([labels.index(layout.motif_of[name]) for name in names], np.int64)
    return Photographs(root, names, truth)


def _refuse_unreadable_motif(root: Path, layout: Layout, names: Sequence[str]) -> None:
    waiting: dict[str, list[str]] = {}
    for name in names:
        waiting.setdefault(layout.motif_of[name], []).append(name)
    for motif, files in waiting.items():
        if not any(_readable(root / file) for file in files):
            raise InputError(f"no photograph of {motif!r} in {root} can be read: replace them, or remove the folder")


def _readable(file: Path) -> bool:
    try:
        load_pixels(file, 32)
    except InputError:
        return False
    return True


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
