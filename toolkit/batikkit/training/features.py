"""What the frozen part of the network says of every image, computed once and kept on disk.

While a part of the backbone is frozen its output for a given view never changes. It is converted to float32 TFLite and
run under LiteRT, several times faster than in Keras. One pass over a view serves both phases: it gives the pooled
features that the head is trained on, and the cut tensor that fine-tuning starts from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batikkit.console import Advance
from batikkit.data.disk_array import new_array
from batikkit.network.frozen_graph import convert, converter, freeze
from batikkit.network.keras_backend import keras
from batikkit.processors import worker_count
from batikkit.tflite.interpreters import quiet_native


class FrozenFeatures:
    """The frozen part as LiteRT interpreters, one per processor it may use: images in, one array per named layer out.

    Each takes one image at a time: activations then stay in the processor's cache, which measured a sixth faster than
    batches of 4.

    Args:
        content: A `.tflite` file: float32 [1, S, S, 3] in.
        shapes: Layer -> shape of its output [...], which tells outputs apart.
    """

    def __init__(self, content: bytes, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.seconds = 0.0  # spent in the interpreters so far
        self._interpreters = [_interpreter(content) for _ in range(worker_count())]
        self.shapes = dict(shapes)
        self._outputs = _match_outputs(self._interpreters[0], self.shapes)

    @classmethod
    def of(cls, model: Any, layers: tuple[str, ...]) -> FrozenFeatures:
        """The outputs of some layers of a Keras model, whose weights are copied into the interpreter."""
        shapes = {name: tuple(model.get_layer(name).output.shape[1:]) for name in layers}
        return cls(frozen_part(model, layers), shapes)

    def __call__(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Runs float32 [N, S, S, 3] (0..255); returns float32 [N, ...] per layer."""
        started = time.perf_counter()
        lanes = len(self._interpreters)
        found = {name: np.empty((len(images), *shape), np.float32) for name, shape in self.shapes.items()}

        def run(lane: int) -> None:
            interpreter = self._interpreters[lane]
            source = interpreter.get_input_details()[0]["index"]
            for index in range(lane, len(images), lanes):
                interpreter.set_tensor(source, images[index : index + 1])
                interpreter.invoke()
                for name, output in self._outputs.items():
                    found[name][index] = interpreter.get_tensor(output)[0]

        with ThreadPoolExecutor(lanes) as pool:
            list(pool.map(run, range(lanes)))
        self.seconds += time.perf_counter() - started
        return found


def frozen_part(model: Any, layers: tuple[str, ...]) -> bytes:
    """What gives the outputs of some layers, as the `.tflite` file that `FrozenFeatures` runs."""
    body = keras.Model(model.input, [model.get_layer(name).output for name in layers])
    return convert(converter(freeze(body, batch=1)))


def new_features(folder: Path, name: str, shape: tuple[int, ...], *, count: int, views: int) -> NDArray[np.float16]:
    """Room for what one layer says of `views` views of `count` images: float16 [views, count, *shape], on disk.

    Raises:
        DiskFullError: there is no room for it.
    """
    return new_array(folder / f"{name}.npy", dtype=np.float16, shape=(views, count, *shape))


def fill_features(
    arrays: Mapping[str, NDArray[np.float16]],
    extract: FrozenFeatures,
    draw: Callable[[int, NDArray[np.intp]], NDArray[np.float32]],
    *,
    views: Sequence[int],
    advance: Advance | None = None,
) -> None:
    """Extracts some views of all images into arrays of `new_features`, one per layer.

    Args:
        arrays: Layer -> float16 [all views, N, ...].
        extract: The frozen part.
        draw: draw(view, indices) -> float32 images [B, S, S, 3].
        views: Numbers of the views.
        advance: Called with (images done, images in all).
    """
    count = next(iter(arrays.values())).shape[1]
    chunks = [(view, np.arange(s, min(s + 32, count))) for view in views for s in range(0, count, 32)]
    if not chunks:
        return
    done = 0
    with ThreadPoolExecutor(1) as ahead:  # the next images are drawn while these are extracted
        pending = ahead.submit(draw, *chunks[0])
        for number, (view, indices) in enumerate(chunks):
            images = pending.result()
            if number + 1 < len(chunks):
                pending = ahead.submit(draw, *chunks[number + 1])
            for layer, values in extract(images).items():
                arrays[layer][view, indices] = values
            done += len(indices)
            if advance:
                advance(done, len(views) * count)


def feature_bytes(shape: tuple[int, ...], *, images: int) -> int:
    """Disk space of one layer's float16 features for `images` views [bytes]."""
    return 2 * images * int(np.prod(shape))


def _interpreter(content: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with quiet_native():
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


def _match_outputs(interpreter: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Layer -> output tensor, told apart by shape: the converter does not keep the order of outputs."""
    found = {tuple(int(n) for n in d["shape"][1:]): int(d["index"]) for d in interpreter.get_output_details()}
    return {name: found[shape] for name, shape in shapes.items()}
