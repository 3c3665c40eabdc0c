"""Which pretrained weights are at hand for which candidates, and which have to be left out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from batikkit.errors import InputError
from batikkit.fit.candidates import WIDTHS, all_backbones
from batikkit.network.weight_file import backbone_width, is_hdf5, packed_lite0

Backbone = tuple[str, float]


def weights_at_hand(named: Sequence[str]) -> dict[Backbone, Path]:
    """Backbone and width -> its weight file.

    Args:
        named: Files of the user's; none, or `imagenet`: what Keras downloaded before and what the extra `lite0` brings.

    Raises:
        InputError: a file is no MobileNetV2 whose width can be told, or there are no weights at all.
    """
    found: dict[Backbone, Path] = {}
    lite0 = packed_lite0()
    if lite0 is not None:
        found["efficientnet-lite0", 1.0] = lite0
    for name in named or ("imagenet",):
        found |= _downloaded() if name == "imagenet" else dict([_told(Path(name))])
    if not found:
        raise InputError(
            "no pretrained weights here to choose among: name files with --weights PATH (also several times), or pip "
            "install 'batikkit[lite0]'"
        )
    return found


def missing(found: Mapping[Backbone, Path]) -> str:
    """A sentence on what has to be left out for want of weights; empty: nothing."""
    widths = {
        network: [f"{alpha:g}" for alpha in alphas if (network, alpha) not in found]
        for network, alphas in WIDTHS.items()
    }
    absent = [f"{network} at width {', '.join(lacking)}" for network, lacking in widths.items() if lacking]
    if not absent:
        return ""
    return f"left out for want of pretrained weights: {'; '.join(absent)}; --weights PATH brings them in"


def _downloaded() -> dict[Backbone, Path]:
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    found = {}
    for network, alpha in all_backbones():
        file = home / f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_224_no_top.h5"
        if network == "mobilenet-v2" and file.is_file():
            found[network, alpha] = file
    return found


def _told(file: Path) -> tuple[Backbone, Path]:
    if not file.is_file():
        raise InputError(f"no weight file {file}: name MobileNetV2 no-top .h5 files, or EfficientNet-Lite0's .pth")
    if file.suffix == ".pth":
        return ("efficientnet-lite0", 1.0), file
    width = backbone_width(file) if is_hdf5(file) else None
    if width is None:
        raise InputError(f"{file} is no MobileNetV2 no-top .h5 file whose width can be told: name another --weights")
    return ("mobilenet-v2", width), file
