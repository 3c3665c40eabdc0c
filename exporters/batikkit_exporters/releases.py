"""Which TensorFlow Lite release first ran an operator: what decides the oldest runtime that loads a file.

The releases are those of TensorFlow Lite's `runtime_version.cc`, for the operators that batikkit writes itself.
"""

from __future__ import annotations

from collections.abc import Iterable

# Operator -> releases of its versions 1, 2, ...
_RELEASES: dict[str, tuple[str, ...]] = {
    "ADD": ("1.5.0", "1.14.0", "2.4.0"),
    "SUB": ("1.6.0", "1.14.0"),
    "MUL": ("1.5.0", "1.14.0", "1.15.0", "2.3.0"),
    "PAD": ("1.5.0", "1.14.0", "2.4.0"),
    "CONV_2D": ("1.5.0", "1.14.0", "1.14.0", "2.3.0"),
    "DEPTHWISE_CONV_2D": ("1.5.0", "1.12.0", "1.14.0", "2.2.0", "2.3.0"),
    "FULLY_CONNECTED": ("1.5.0", "1.10.0", "1.14.0", "1.14.0", "2.0.0", "2.1.0", "2.3.0"),
    "MEAN": ("1.6.0", "1.14.0", "2.4.0"),
    "AVERAGE_POOL_2D": ("1.5.0", "1.14.0", "2.3.0"),
    "MAX_POOL_2D": ("1.5.0", "1.14.0", "2.3.0"),
    "RESHAPE": ("1.5.0",),
    "RELU": ("1.5.0", "2.1.0"),
    "RELU6": ("1.5.0", "1.14.0"),
    "SOFTMAX": ("1.5.0", "1.14.0", "2.3.0"),
    "QUANTIZE": ("1.14.0", "1.15.0"),
    "DEQUANTIZE": ("1.13.1", "1.14.0", "1.15.0"),
}


def oldest_runtime(operators: Iterable[tuple[str, int]]) -> str:
    """The newest of the releases that (operator, version) pairs ask for, such as `1.15.0`.

    Raises:
        KeyError, IndexError: a pair that batikkit does not write; its release has to be added above.
    """
    needed = [_RELEASES[kind][version - 1] for kind, version in operators]
    return max(needed, key=lambda release: tuple(map(int, release.split("."))))
