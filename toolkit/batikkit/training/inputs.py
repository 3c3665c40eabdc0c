"""What training is fed: images, or what the frozen layers say of them, for this process's share of the data.

Worker `rank` of `size` owns every `size`-th image: it alone decodes, augments and extracts it. On one machine that is
all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.console import Advance, note, warn
from batikkit.data.dataset import Sample
from batikkit.data.pixels import decode_to_disk
from batikkit.errors import DiskFullError
from batikkit.processors import worker_count
from batikkit.settings import TrainConfig
from batikkit.training.clock import Clock
from batikkit.training.features import FrozenFeatures, feature_bytes, fill_features, new_features
from batikkit.training.targets import one_hot
from batikkit.training.views import draw_views

MOST_LANES = 8
"""Threads that draw views; the warp itself uses several processors, and every lane holds a batch in memory."""


@dataclass(frozen=True)
class Share:
    """Which images are this worker's: those whose number leaves `rank` when divided by `size`."""

    rank: int = 0
    size: int = 1

    def of(self, count: int) -> NDArray[np.intp]:
        """The numbers of this worker's images among `count`."""
        return np.arange(self.rank, count, self.size)

    def mine(self, indices: NDArray[np.intp]) -> NDArray[np.intp]:
        """Those of `indices` that are this worker's, in their order."""
        return np.asarray(indices[indices % self.size == self.rank])

    def order(self, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """A random order of `count` images, the same on every worker, in which every batch is shared out evenly."""
        lanes = np.full((-(-count // self.size), self.size), -1, np.intp)
        for rank in range(self.size):
            own = Share(rank, self.size).of(count)
            lanes[: len(own), rank] = rng.permutation(own)
        flat = lanes.ravel()
        return flat[flat >= 0]


@dataclass(frozen=True)
class Split:
    """Images of one split.

    Attributes:
        pixels: uint8 [M, S, S, 3] on disk, this worker's images in their order.
        labels: int64 [N], class indices of all workers' images; -1 where there is no label yet.
        answers: float32 [N, C], what to answer, rows sum to 1; None where that is the label.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    answers: NDArray[np.float32] | None = None

    def targets(self, indices: NDArray[np.intp], classes: int) -> NDArray[np.float32]:
        """What to answer to some of all workers' images: float32 [B, C]."""
        return one_hot(self.labels[indices], classes) if self.answers is None else self.answers[indices]


def load_split(
    root: Path,
    samples: tuple[Sample, ...],
    labels: tuple[str, ...],
    *,
    size: int,
    store: Path,
    advance: Advance | None = None,
    share: Share | None = None,
    unlabelled: Sequence[Path] = (),
) -> Split:
    """Decodes this worker's images of one split into `store`, at `size` x `size` pixels; those without a label last."""
    index = {label: number for number, label in enumerate(labels)}
    files = [*(root / sample.path for sample in samples), *unlabelled]
    pixels = decode_to_disk([files[i] for i in (share or Share()).of(len(files))], size, store, advance=advance)
    return Split(pixels, np.array([*(index[sample.label] for sample in samples), *[-1] * len(unlabelled)], np.int64))


@dataclass
class Features:
    """What one layer says of the images.

    Attributes:
        train: float16 [views, M, ...].
        validation: float16 [1, M, ...], of the plain images.
        drawn: How many views of `train` are filled, from the first.
    """

    train: NDArray[np.float16]
    validation: NDArray[np.float16]
    drawn: int = 0


class Inputs:
    """Batches for training and validation, from the feature cache where it holds them, else computed on the fly.

    Args:
        config: Image size, views, augmentation and seed.
        train: Images to learn from.
        validation: Images that choose the best epoch.
        cache: Existing folder for the feature cache.
        cache_bytes: Bound of the feature cache.
        share: This worker's share; all if None.
        clock: Told how long `augment` and `extract` take.
    """

    def __init__(
        self,
        config: TrainConfig,
        train: Split,
        validation: Split,
        *,
        cache: Path,
        cache_bytes: int,
        share: Share | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.config, self.train, self.validation, self.share = config, train, validation, share or Share()
        self._clock = clock or Clock()
        self._cache, self._cache_bytes = cache, cache_bytes
        self._features: dict[str, Features] = {}

    def cached(self, cut: str | None) -> bool:
        """Whether the output of layer `cut` is in the cache."""
        return cut in self._features

    def drawn(self, cut: str) -> int:
        """How many views of each training image the cache holds of layer `cut`."""
        return self._features[cut].drawn

    def reserve(self, net: Any, views: Mapping[str, int]) -> None:
        """Makes room for the outputs of as many layers as the cache may hold, the smallest first.

        A layer for which the disk has no room is told and left out.

        Args:
            net: The network.
            views: Layer -> how many views of each training image will be wanted of it.
        """
        shapes = {name: tuple(net.get_layer(name).output.shape[1:]) for name in views}
        seen, checked = len(self.train.pixels), len(self.validation.pixels)
        sizes = {name: feature_bytes(shapes[name], images=views[name] * seen + checked) for name in views}
        room = self._cache_bytes
        for name in sorted(views, key=lambda name: sizes[name]):
            if sizes[name] > room:
                note(
                    f"batikkit: features of layer {name} take {sizes[name] / 1e9:.2f} GB of which --cache-gb leaves "
                    f"{room / 1e9:.2f}: computing them on the fly, which is slower"
                )
                continue
            try:
                self._features[name] = Features(
                    new_features(self._cache, f"train-{name}", shapes[name], count=seen, views=views[name]),
                    new_features(self._cache, f"validation-{name}", shapes[name], count=checked, views=1),
                )
            except DiskFullError as error:
                self.release(name)
                warn(f"{error}; going on without the cache of layer {name}, which is slower")
            else:
                room -= sizes[name]

    def release(self, cut: str) -> None:
        """Gives back what was reserved for layer `cut`."""
        self._features.pop(cut, None)
        for part in ("train", "validation"):
            (self._cache / f"{part}-{cut}.npy").unlink(missing_ok=True)

    def extract(self, net: Any, cuts: Sequence[str], *, views: int, advance: Advance) -> None:
        """Fills the reserved room of layers `cuts` up to `views` views, in one pass.

        Args:
            net: The network; layers up to each cut must stay frozen from now on.
            cuts: Names of cached layers, of which equally many views were drawn so far.
            views: How many views of each training image are wanted by now.
            advance: Called with (images done, images in all).
        """
        wanted = {name: self._features[name] for name in cuts}
        begun = self.drawn(cuts[0])
        frozen = FrozenFeatures.of(net, tuple(wanted))
        rooms = {name: features.train for name, features in wanted.items()}
        fill_features(rooms, frozen, self._view, views=range(begun, views), advance=advance)
        if not begun:
            rooms = {name: features.validation for name, features in wanted.items()}
            fill_features(rooms, frozen, self._plain, views=range(1))
        for features in wanted.values():
            features.drawn = views
        self._clock.add("extract", frozen.seconds)

    def ahead(
        self, batches: Sequence[NDArray[np.intp]], *, cut: str | None, epoch: int
    ) -> Iterator[NDArray[np.floating]]:
        """Yields `batch` for each of `batches` in order, while the following ones are drawn by other threads.

        One thread reads cached features fast enough; drawing views takes all processors to keep a GPU busy.
        """
        lanes = min(worker_count(), MOST_LANES) if cut is None else 1
        waiting: deque[Future[NDArray[np.floating]]] = deque()
        with ThreadPoolExecutor(lanes) as pool:
            for indices in batches:
                waiting.append(pool.submit(self.batch, indices, cut=cut, epoch=epoch))
                if len(waiting) > lanes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def batch(self, indices: NDArray[np.intp], *, cut: str | None, epoch: int) -> NDArray[np.floating]:
        """Training inputs [B, ...] for this worker's images `indices`: outputs of `cut`, or pixels if None."""
        if cut is None:
            return self._view(epoch, indices // self.share.size)
        known = self._features[cut].train
        # Each image walks through its views from a start of its own, so that an epoch mixes all views.
        return np.asarray(known[(epoch + indices) % len(known), indices // self.share.size])

    def training_features(self, cut: str, views: int) -> NDArray[np.float16]:
        """What layer `cut` says of this worker's training images: float16 [views, M, ...]."""
        return self._features[cut].train[:views]

    def validation_inputs(self, cut: str | None) -> NDArray[np.generic]:
        """This worker's validation images [M, ...]: outputs of `cut`, or pixels if None."""
        return self.validation.pixels if cut is None else self._features[cut].validation[0]

    def _view(self, view: int, places: NDArray[np.intp]) -> NDArray[np.float32]:
        if not len(places):
            return self.train.pixels[places].astype(np.float32)
        indices = places * self.share.size + self.share.rank
        with self._clock.measuring("augment"):
            return draw_views(self.train.pixels[places], config=self.config, view=view, indices=indices)

    def _plain(self, _view: int, places: NDArray[np.intp]) -> NDArray[np.float32]:
        return self.validation.pixels[places].astype(np.float32)
