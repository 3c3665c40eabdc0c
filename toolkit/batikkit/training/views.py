"""Random views of training images: one affine warp and a colour change per image, as pure functions of a key.

The view drawn for (seed, view, image) never depends on batch order, so a resumed run sees the same pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from batikkit.network.keras_backend import tf
from batikkit.settings import TrainConfig

_Floats = NDArray[np.float32]
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
"""RGB to luma and the two chroma axes of NTSC, in whose plane a rotation is a change of hue."""


def draw_views(images: NDArray[np.uint8], *, config: TrainConfig, view: int, indices: NDArray[np.integer]) -> _Floats:
    """Draws one view of each image.

    Args:
        images: uint8 [B, S, S, 3], RGB.
        config: Its seed and augmentation settings.
        view: Number of the view; another number draws other changes.
        indices: int [B], the images' numbers in the training set.

    Returns:
        float32 [B, S, S, 3], RGB 0..255.
    """
    generators = [np.random.default_rng((config.seed, view, int(index))) for index in indices]
    side = images.shape[1]
    transforms = np.stack([_affine(config, rng, side) for rng in generators])
    warped = _warp(tf.constant(images), tf.constant(transforms))
    if config.brightness or config.contrast or config.saturation:
        warped = _recolour(warped, tf.constant(np.stack([_colour(config, rng) for rng in generators])))
    if config.recolour:
        keys = [np.random.default_rng((config.seed, 11, view, int(index))) for index in indices]
        matrices = np.stack([_other_colours(rng) if rng.random() < config.recolour else np.eye(3) for rng in keys])
        warped = _mix_channels(warped, tf.constant(matrices.astype(np.float32)))
    return np.asarray(warped)


def _affine(config: TrainConfig, rng: np.random.Generator, side: int) -> _Floats:
    """The 8 numbers of `ImageProjectiveTransformV3`: maps output pixels to input pixels, about the centre."""
    turn = rng.uniform(-1, 1) * config.rotation * 2 * np.pi
    quarters = int(rng.integers(4)) if config.quarter_turns else 0
    turn += quarters * np.pi / 2
    width, height = _crop(config, rng)
    zoom = 1.0 + rng.uniform(-1, 1) * config.zoom
    mirror_x = -1.0 if config.flips in ("horizontal", "both") and rng.random() < 0.5 else 1.0
    mirror_y = -1.0 if config.flips == "both" and rng.random() < 0.5 else 1.0
    cos, sin = np.cos(turn), np.sin(turn)
    scale = np.diag([mirror_x * width * zoom, mirror_y * height * zoom])
    matrix = np.array([[cos, -sin], [sin, cos]]) @ scale
    # What the crop leaves of the picture on each of its axes: a quarter turn lays the view's width along the height.
    kept = np.array([height, width] if quarters % 2 else [width, height])
    room = (1 - kept) / 2 + config.shift
    centre = (side - 1) / 2
    offset = centre + rng.uniform(-1, 1, 2) * room * side - matrix @ np.array([centre, centre])
    return np.array([*matrix[0], offset[0], *matrix[1], offset[1], 0, 0], np.float32)


def _crop(config: TrainConfig, rng: np.random.Generator) -> tuple[float, float]:
    """Width and height, as fractions of the side, of a random crop with aspect ratio between 3:4 and 4:3."""
    area = rng.uniform(config.crop_min, 1.0)
    aspect = np.exp(rng.uniform(-1, 1) * np.log(4 / 3)) if config.crop_min < 1 else 1.0
    return min(1.0, float(np.sqrt(area * aspect))), min(1.0, float(np.sqrt(area / aspect)))


def _colour(config: TrainConfig, rng: np.random.Generator) -> _Floats:
    """Brightness shift [0..255 scale], contrast, saturation, and three channel gains."""
    brightness, contrast, saturation = rng.uniform(-1, 1, 3)
    gains = 1 + rng.uniform(-1, 1, 3) * config.saturation / 3
    return np.array(
        [
            brightness * config.brightness * 255,
            1 + contrast * config.contrast,
            1 + saturation * config.saturation,
            *gains,
        ],
        np.float32,
    )


def _other_colours(rng: np.random.Generator) -> NDArray[np.float64]:
    """A 3x3 matrix, from colour to colour: grey, another hue (most often), or the channels in another order."""
    kind = rng.integers(4)
    if kind == 0:
        return np.tile(_TO_YIQ[0], (3, 1))
    if kind == 1:
        return np.eye(3)[rng.permutation(3)]
    angle = rng.uniform(-np.pi, np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return np.asarray(np.linalg.inv(_TO_YIQ) @ turn @ _TO_YIQ)


@tf.function(  # type: ignore[untyped-decorator]
    input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8), tf.TensorSpec([None, 8], tf.float32)]
)
def _warp(images: tf.Tensor, transforms: tf.Tensor) -> tf.Tensor:
    # On floats: on bytes the kernel cuts fractions off, which darkens every view by half a grey level.
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=transforms,
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


@tf.function(  # type: ignore[untyped-decorator]
    input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32), tf.TensorSpec([None, 6], tf.float32)]
)
def _recolour(images: tf.Tensor, colours: tf.Tensor) -> tf.Tensor:
    brightness, contrast, saturation = (colours[:, i, None, None, None] for i in range(3))
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    coloured = (grey + (images - grey) * saturation) * colours[:, None, None, 3:6]
    return tf.clip_by_value((coloured - mean) * contrast + mean + brightness, 0.0, 255.0)


@tf.function(  # type: ignore[untyped-decorator]
    input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32), tf.TensorSpec([None, 3, 3], tf.float32)]
)
def _mix_channels(images: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(tf.einsum("nhwc,ndc->nhwd", images, matrices), 0.0, 255.0)
