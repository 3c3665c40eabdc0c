"""One epoch's batches. What chance decides here follows from (seed, phase, epoch, step), from nothing before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batikkit.training.inputs import Inputs
from batikkit.training.targets import image_weights, mix, smooth


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's food, of which this worker holds B images.

    Attributes:
        inputs: [B, ...] pixels, or what the frozen layers say of them.
        targets: Float32 [B, C], rows sum to 1.
        weights: Float32 [B], each image's weight in the loss; those of all workers sum to 1.
        key: Seeds dropout.
        images: How many images all workers hold.
        at: Fraction of the epoch that is over after this step.
    """

    inputs: NDArray[np.floating]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    key: tuple[int, int]
    images: int
    at: float


def batches(inputs: Inputs, *, classes: int, phase: int, epoch: int, cut: str | None) -> Iterator[Batch]:
    """The batches of an epoch.

    Args:
        inputs: Images or cached features, with the settings.
        classes: C.
        phase: Index of the phase.
        epoch: Epochs finished in it.
        cut: The layer whose cached output is fed; None for pixels.
    """
    config, labels, share = inputs.config, inputs.train.labels, inputs.share
    importance = image_weights(labels, classes, balanced=config.class_weights)
    order = share.order(len(labels), np.random.default_rng((config.seed, phase, epoch)))
    whole = [order[start : start + config.batch_size] for start in range(0, len(order), config.batch_size)]
    own = [share.mine(batch) for batch in whole]
    for step, fed in enumerate(inputs.ahead(own, cut=cut, epoch=epoch)):
        targets = inputs.train.targets(own[step], classes)
        weights = importance[own[step]] / importance[whole[step]].sum()
        if config.mixup:
            rng = np.random.default_rng((config.seed, 7, phase, epoch, step))
            share_of_own = rng.beta(config.mixup, config.mixup)
            partners = rng.permutation(len(own[step]))
            fed, targets, weights = mix(fed, targets, weights, share=share_of_own, partners=partners)
        targets = smooth(targets, config.label_smoothing)
        key = (config.seed * 31 + phase, epoch * 100_003 + step)
        yield Batch(fed, targets, weights, key, images=len(whole[step]), at=(step + 1) / len(whole))
