"""What the network is asked to answer and how much each answer counts: one-hot, weights, mixup, smoothing. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def one_hot(labels: NDArray[np.integer], classes: int) -> Floats:
    """Float32 [B, C] of int [B] labels."""
    return np.asarray(np.eye(classes, dtype=np.float32)[labels])


def image_weights(labels: NDArray[np.integer], classes: int, *, balanced: bool) -> Floats:
    """Float32 [N]: each image's weight in the loss, mean 1; `balanced` gives every class that occurs the same sum."""
    if not balanced:
        return np.ones(len(labels), np.float32)
    counts = np.bincount(labels, minlength=classes)
    return np.asarray(len(labels) / (np.count_nonzero(counts) * counts[labels]), np.float32)


def smooth(targets: Floats, amount: float) -> Floats:
    """Float32 [B, C]: `amount` of each row's mass spread evenly over all classes (Szegedy et al. 2016)."""
    spread = np.float32(amount)
    return np.asarray(targets * (np.float32(1) - spread) + spread / np.float32(targets.shape[1]))


def mix(
    inputs: NDArray[np.floating], targets: Floats, weights: Floats, *, share: float, partners: NDArray[np.intp]
) -> tuple[Floats, Floats, Floats]:
    """Every image mixed with its partner (mixup, Zhang et al. 2018; on features: manifold mixup, Verma et al. 2019).

    The loss of a mixed image is share x weight x loss against its own target, plus the same of its partner: each
    target keeps the weight of the image that it came from.

    Args:
        inputs: [B, ...] images or features.
        targets: Float32 [B, C], rows sum to 1.
        weights: Float32 [B], each image's weight in the loss.
        share: Of the image itself, 0..1.
        partners: Int [B], indices into the batch.

    Returns:
        Inputs, targets and weights, as given; the weights' sum stays the same when `partners` is a permutation.
    """
    own, other = np.float32(share), np.float32(1) - np.float32(share)
    wide = inputs.astype(np.float32)
    mixed = np.asarray(own * wide + other * wide[partners], np.float32)
    parts = own * weights, other * weights[partners]
    both = parts[0] + parts[1]
    summed = parts[0][:, None] * targets + parts[1][:, None] * targets[partners]
    return mixed, np.asarray(summed / both[:, None], np.float32), both
