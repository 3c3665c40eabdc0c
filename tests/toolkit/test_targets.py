"""Mixup, class weights and label smoothing: what each image asks of the loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from batikkit.network.keras_backend import keras
from batikkit.settings import TrainConfig
from batikkit.training.batches import batches
from batikkit.training.inputs import Inputs, Split
from batikkit.training.targets import image_weights, mix, one_hot, smooth


def _cross_entropy(targets: np.ndarray, logits: np.ndarray, smoothing: float = 0.0) -> np.ndarray:
    return np.asarray(
        keras.losses.categorical_crossentropy(targets, logits, from_logits=True, label_smoothing=smoothing)
    )


def test_a_mixed_loss_is_the_sum_of_both_images_own_losses() -> None:
    rng = np.random.default_rng(1)
    labels, partners = rng.integers(0, 4, 16), rng.permutation(16)
    targets, weights = one_hot(labels, 4), rng.uniform(0.2, 5, 16).astype(np.float32)
    images, logits = rng.normal(size=(16, 3)).astype(np.float32), rng.normal(size=(16, 4)).astype(np.float32)
    mixed, asked, both = mix(images, targets, weights, share=0.3, partners=partners)
    assert mixed == pytest.approx(0.3 * images + 0.7 * images[partners], abs=1e-6)
    assert asked.sum(axis=1) == pytest.approx(np.ones(16), abs=1e-6)
    own = weights * _cross_entropy(targets, logits)
    theirs = weights[partners] * _cross_entropy(targets[partners], logits)
    assert both * _cross_entropy(asked, logits) == pytest.approx(0.3 * own + 0.7 * theirs, rel=1e-4)


@pytest.mark.parametrize("mixup", [0.0, 0.2, 1.0])
def test_mixing_takes_no_weight_from_a_rare_class(tmp_path: Path, mixup: float) -> None:
    """67 images against 11: in every batch each class asks as much of the loss as its images' weights say."""
    labels = np.array([0] * 67 + [1] * 11)
    pixels = np.zeros((78, 32, 32, 3), np.uint8)
    config = TrainConfig(mixup=mixup, class_weights=True, rotation=0.0, zoom=0.0, image_size=32, batch_size=16)
    fed = Inputs(config, Split(pixels, labels), Split(pixels[:2], labels[:2]), cache=tmp_path, cache_bytes=0)
    importance = image_weights(labels, 2, balanced=True)
    rare = []
    for epoch in range(3):
        order = fed.share.order(78, np.random.default_rng((config.seed, 0, epoch)))
        for number, batch in enumerate(batches(fed, classes=2, phase=0, epoch=epoch, cut=None)):
            chosen = order[number * 16 : number * 16 + 16]
            expected = importance[chosen] @ one_hot(labels[chosen], 2) / importance[chosen].sum()
            assert batch.weights @ batch.targets == pytest.approx(expected, abs=1e-5)
            rare.append(expected[1])
    assert np.mean(rare) == pytest.approx(0.48, abs=0.05)


def test_balanced_weights_give_every_class_the_same_sum() -> None:
    labels = np.array([0, 0, 0, 2, 2, 3])
    weights = image_weights(labels, 5, balanced=True)
    assert weights.mean() == pytest.approx(1)
    assert [weights[labels == c].sum() for c in (0, 2, 3)] == pytest.approx([2.0, 2.0, 2.0])
    assert np.array_equal(image_weights(labels, 5, balanced=False), np.ones(6))


@pytest.mark.parametrize("amount", [0.0, 0.1, 0.5])
def test_smoothing_is_keras_own(amount: float) -> None:
    rng = np.random.default_rng(2)
    targets, logits = one_hot(rng.integers(0, 5, 8), 5), rng.normal(size=(8, 5)).astype(np.float32)
    assert smooth(targets, amount).sum(axis=1) == pytest.approx(np.ones(8), abs=1e-6)
    ours = _cross_entropy(smooth(targets, amount), logits)
    assert ours == pytest.approx(_cross_entropy(targets, logits, amount), rel=1e-6)


def test_batches_ask_for_smoothed_answers(tmp_path: Path) -> None:
    labels, pixels = np.arange(6) % 3, np.zeros((6, 32, 32, 3), np.uint8)
    config = TrainConfig(label_smoothing=0.3, rotation=0.0, zoom=0.0, image_size=32)
    fed = Inputs(config, Split(pixels, labels), Split(pixels, labels), cache=tmp_path, cache_bytes=0)
    (batch,) = batches(fed, classes=3, phase=0, epoch=0, cut=None)
    assert sorted(set(np.round(batch.targets.ravel(), 6))) == pytest.approx([0.1, 0.8])
