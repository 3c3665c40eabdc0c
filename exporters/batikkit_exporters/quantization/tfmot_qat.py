"""int8 by quantization-aware training with tensorflow-model-optimization (TFMOT), from the Keras model.

TFMOT rounds weights and activations while the model trains, on labels or on the float model's own answers, and
TensorFlow's converter then writes what was rehearsed.

Three things need help on the way to a file that takes raw pixels and is integer-only:

* TFMOT knows no `Rescaling` layer, and the converter would leave it in float: a depthwise layer of one weight per
  colour computes the same in integers.
* Its ranges start at -6..6 and follow what they see by a thousandth a step, which a few dozen steps do not carry
  anywhere: they start where they would end, at the mean of the photographs' own.
* Batch normalization stays as it was trained, as in any fine-tuning on few photographs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.errors import InputError, MissingExtraError, first_line
from batikkit.network import frozen_graph
from batikkit.network.keras_backend import keras, tf

BATCH = 16
RANGE_IMAGES = 48
"""Photographs that set the ranges before training."""
Advance = Callable[[int, int], None]
Model = Any
Targets = NDArray[np.int64] | NDArray[np.float32]


def load_tfmot() -> Any:
    """The package.

    Raises:
        MissingExtraError: it is not installed, or something that it needs.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it asks for TensorFlow's version by a class that is deprecated
            import tensorflow_model_optimization as tfmot
    except ImportError as error:
        package = (error.name or "tensorflow_model_optimization").split(".")[0].replace("_", "-")
        raise MissingExtraError(package, "qat") from error
    return tfmot


def train_qat(
    model: Model,
    images: NDArray[np.uint8],
    targets: Targets,
    *,
    epochs: int = 4,
    learning_rate: float = 1e-5,
    seed: int = 0,
    advance: Advance = lambda _done, _total: None,
) -> bytes:
    """Trains a copy of the model and converts it.

    Args:
        model: A flat `tf_keras.Model` with its scaling inside, float32 [N, S, S, 3] 0..255 -> float32 [N, C].
        images: Photographs of the train split, uint8 [N, S, S, 3].
        targets: What to answer: labels int64 [N] in 0..C-1, or probabilities float32 [N, C].
        epochs: Times each photograph is shown.
        learning_rate: Of Adam; falls to 0 along a cosine.
        seed: Orders the photographs.
        advance: Called after every step.

    Returns:
        A `.tflite` file: uint8 pixels with quantization (1, 0) in, integer kernels, float32 scores out.

    Raises:
        MissingExtraError: TFMOT is not installed.
        InputError: the model has a layer that TFMOT cannot quantize.
    """
    rehearsal = prepare(model, images[:: -(-len(images) // RANGE_IMAGES)])
    fine_tune(rehearsal, images, targets, epochs=epochs, learning_rate=learning_rate, seed=seed, advance=advance)
    return convert_qat(rehearsal)


def prepare(model: Model, images: NDArray[np.uint8] | None) -> Model:
    """A copy of the model that rounds as its int8 file will.

    Args:
        model: As for `train_qat`.
        images: Photographs that set its ranges, uint8 [N, S, S, 3]; None leaves TFMOT's own start of -6..6.

    Raises:
        MissingExtraError: TFMOT is not installed.
        InputError: the model has a layer that TFMOT cannot quantize.
    """
    quantization = load_tfmot().quantization.keras
    scaling = {layer.name for layer in model.layers if isinstance(layer, keras.layers.Rescaling)}
    # Wrapped as any other depthwise layer its weights would train; an addition has none, only its output is rounded.
    no_weights = quantization.default_8bit.Default8BitQuantizeRegistry().get_quantize_config(keras.layers.Add())
    try:
        annotated = keras.models.clone_model(
            trainable_twin(model),
            clone_function=lambda layer: quantization.quantize_annotate_layer(
                layer, no_weights if layer.name in scaling else None
            ),
        )
        with quantization.quantize_scope():
            rehearsal = quantization.quantize_apply(annotated)
    except (ValueError, RuntimeError) as error:  # it raises either for a layer it does not know
        reason = first_line(error)[:160]
        raise InputError(f"tensorflow-model-optimization cannot quantize {model.name!r}: {reason}") from error
    _set_ranges(rehearsal, _mean_ranges(model, images) if images is not None else {})
    # Weights' ranges are set by use.
    rehearsal(np.zeros((1, *model.input.shape[1:]), np.float32), training=True)
    return rehearsal


def trainable_twin(model: Model) -> Model:
    """A copy that answers alike, its scaling a depthwise layer; all of it trains but that and batch normalization."""

    def copied(layer: Any) -> Any:
        if isinstance(layer, keras.layers.Rescaling):
            return keras.layers.DepthwiseConv2D(1, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    twin = keras.models.clone_model(model, clone_function=copied)
    for layer, copy in zip(model.layers, twin.layers, strict=True):
        is_scaling = isinstance(layer, keras.layers.Rescaling)
        copy.set_weights(_scaling_weights(layer) if is_scaling else layer.get_weights())
        copy.trainable = not is_scaling and not isinstance(layer, keras.layers.BatchNormalization)
    return twin


def _scaling_weights(layer: Any) -> list[NDArray[np.float32]]:
    ones = np.ones(3, np.float32)
    return [(ones * layer.scale).reshape(1, 1, 3, 1), ones * layer.offset]


def _mean_ranges(model: Model, images: NDArray[np.uint8]) -> dict[str, tuple[float, float]]:
    """Smallest and largest output of each layer, by name, as a mean over batches; of a softmax layer, of its logits."""

    def without_softmax(layer: Any) -> Any:
        config = layer.get_config()
        return layer.__class__.from_config(config | ({"activation": "linear"} if _is_softmax(layer) else {}))

    twin = keras.models.clone_model(model, clone_function=without_softmax)
    twin.set_weights(model.get_weights())
    names = [layer.name for layer in twin.layers]
    inside = keras.Model(twin.input, [layer.output for layer in twin.layers])

    @tf.function  # type: ignore[untyped-decorator]
    def ends(batch: Any) -> Any:
        return [(tf.reduce_min(value), tf.reduce_max(value)) for value in inside(batch, training=False)]

    # Whole batches only: the moving average that follows sees no others.
    size = min(BATCH, len(images))
    starts = range(0, len(images) - size + 1, size)
    seen = np.array([ends(tf.constant(images[s : s + size].astype(np.float32))) for s in starts])
    ranges = {name: (float(low), float(high)) for name, (low, high) in zip(names, seen.mean(axis=0), strict=True)}
    scalings = [layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling)]
    return ranges | {layer.name: (layer.offset, 255 * layer.scale + layer.offset) for layer in scalings}


def _is_softmax(layer: Any) -> bool:
    return getattr(layer, "activation", None) is keras.activations.softmax


def _set_ranges(rehearsal: Model, ranges: dict[str, tuple[float, float]]) -> None:
    """Gives every activation quantizer the range of its layer, by name, and the input's that of pixels."""
    for wrapper in rehearsal.layers:
        inner = getattr(wrapper, "layer", None)
        low, high = (0.0, 255.0) if inner is None else ranges.get(inner.name, (-6.0, 6.0))
        for weight in wrapper.weights:
            kind = weight.name.split("/")[-1].removesuffix(":0")
            if inner is not None and not kind.startswith(("output_", "pre_activation_", "post_activation_")):
                continue  # the layer's own weights, and their ranges
            if kind.endswith("_min"):
                weight.assign(min(low, 0.0))
            elif kind.endswith("_max"):
                weight.assign(max(high, 0.0))


def fine_tune(
    model: Model,
    images: NDArray[np.uint8],
    targets: Targets,
    *,
    epochs: int,
    learning_rate: float,
    seed: int = 0,
    advance: Advance = lambda _done, _total: None,
    callbacks: tuple[Any, ...] = (),
) -> None:
    """Trains a Keras model in place, as TFMOT's guides do; arguments as for `train_qat`."""
    keras.utils.set_random_seed(seed)
    total = epochs * -(-len(images) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, total)
    loss = "sparse_categorical_crossentropy" if targets.ndim == 1 else "kullback_leibler_divergence"
    model.compile(keras.optimizers.Adam(rate), loss=loss)
    done = iter(range(1, total + 1))
    step = keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: advance(next(done), total))
    pixels = tf.data.Dataset.from_tensor_slices((images, targets)).shuffle(len(images), seed=seed).batch(BATCH)
    pixels = pixels.map(lambda image, target: (tf.cast(image, tf.float32), target))
    model.fit(pixels, epochs=epochs, verbose=0, callbacks=[step, *callbacks])


def convert_qat(rehearsal: Model) -> bytes:
    """The int8 file of a trained `prepare`d model."""
    converter = frozen_graph.converter(frozen_graph.freeze(rehearsal))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type, converter.inference_output_type = tf.uint8, tf.float32
    return frozen_graph.convert(converter)
