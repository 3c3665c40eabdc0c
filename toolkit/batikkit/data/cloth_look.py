"""What a photograph shows of its cloth, wherever on the cloth and from however near it was taken.

Two parts: how often each colour occurs, and texture at four scales, so that a cloth is known again from nearer or
farther. Neither depends on place or turn; both keep a cloth apart from others of its motif, which differ in drawing and
dye. Texture is described by a network's first layers where there is a pretrained one, else by plain statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LOOK_SIDE = 224
"""Photographs are stretched to this side [pixels] before they are described."""

SCALES = 4
"""Descriptions per photograph, each of a picture half in area of the one before: views up to 2.8 times nearer meet."""

COLOUR_BINS = (6, 7, 7)
"""Of L*, a*, b*. Finer bins tell one lamp from another rather than one cloth from another."""

COLOURS = int(np.prod(COLOUR_BINS))
_LAB_LOW, _LAB_HIGH = np.array((0, -70, -70), np.float32), np.array((100, 70, 70), np.float32)
_COLOUR_SIDE = 128

# sRGB (D65) to XYZ of the white point, IEC 61966-2-1.
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32)
_TO_XYZ = (_XYZ / np.array([[0.9505], [1.0], [1.089]], np.float32)).T
_GAMMA = np.arange(256) / 255
_LINEAR = np.where(_GAMMA > 0.04045, ((_GAMMA + 0.055) / 1.055) ** 2.4, _GAMMA / 12.92).astype(np.float32)

_LEVELS = (160, 112, 80, 56, 40, 28, 20, 14)
_OCTAVES = 3
_FIELDS = 10
_PAIRS = np.triu_indices(_FIELDS, 1)

_Pixels = NDArray[np.uint8]
_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Odds:
    """Log-odds that two photographs show one cloth: `constant + texture log(1 - t) + colour log(1 - c)`, where `t` is
    the cosine of their textures at the scales that fit best and `c` the Bhattacharyya coefficient of their colours."""

    texture: float
    colour: float
    constant: float


class Texture(Protocol):
    """Describes texture."""

    @property
    def name(self) -> str:
        """What describes, for reports and caches."""

    @property
    def odds(self) -> Odds:
        """What its cosines mean."""

    def __call__(self, pixels: _Pixels) -> _Floats:
        """Float32 [N, SCALES, D] of unit length from uint8 [N, LOOK_SIDE, LOOK_SIDE, 3], RGB."""


@dataclass(frozen=True)
class ClothLook:
    """The look of one photograph's cloth.

    Attributes:
        texture: float16 [SCALES, D], rows of unit length.
        colours: float16 [COLOURS], square roots of the shares of each colour, of unit length.
    """

    texture: NDArray[np.float16]
    colours: NDArray[np.float16]


def cloth_looks(pictures: list[_Pixels], texture: Texture) -> list[ClothLook]:
    """Describes pictures, uint8 [LOOK_SIDE, LOOK_SIDE, 3] each."""
    if not pictures:
        return []
    textures = texture(np.stack(pictures)).astype(np.float16)
    return [ClothLook(one, colours(picture)) for one, picture in zip(textures, pictures, strict=True)]


def colours(picture: _Pixels) -> NDArray[np.float16]:
    """How often each colour of CIE L*a*b* occurs in uint8 [H, W, 3]: float16 [COLOURS], square roots of shares."""
    few = np.asarray(Image.fromarray(picture).resize((_COLOUR_SIDE, _COLOUR_SIDE), Image.Resampling.NEAREST))
    place = (lab(few) - _LAB_LOW) * (np.array(COLOUR_BINS, np.float32) / (_LAB_HIGH - _LAB_LOW))
    one, two, three = np.moveaxis(np.clip(place, 0, np.array(COLOUR_BINS) - 1).astype(np.int64), -1, 0)
    index = (one * COLOUR_BINS[1] + two) * COLOUR_BINS[2] + three
    counts = np.bincount(index.ravel(), minlength=COLOURS)
    return np.asarray(np.sqrt(counts / counts.sum()), np.float16)


def lab(pixels: _Pixels) -> _Floats:
    """CIE 1976 L*a*b* (float32 [..., 3]: 0..100, about -100..100 twice) of sRGB pixels (CIE 15)."""
    xyz = _LINEAR[pixels] @ _TO_XYZ
    bent = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + np.float32(16 / 116))
    x, y, z = np.moveaxis(bent, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def at_scales(picture: _Pixels, sides: tuple[int, ...]) -> list[_Pixels]:
    """The picture at several sides [pixels], uint8 [side, side, 3] each."""
    image = Image.fromarray(picture)
    return [np.asarray(image.resize((side, side), Image.Resampling.BILINEAR)) for side in sides]


class PlainTexture:
    """Correlations between colours, gradients and curvatures (region covariance, Tuzel et al. 2006) over three octaves.

    Needs no weights and no framework. It tells cloths of one motif apart less well than a network does.
    """

    name = "colour and texture statistics, without a network"
    odds = Odds(texture=-1.54, colour=-2.14, constant=-6.0)

    def __call__(self, pixels: _Pixels) -> _Floats:
        """As `Texture`."""
        return np.stack([self._describe(picture) for picture in pixels])

    def _describe(self, picture: _Pixels) -> _Floats:
        levels = [_correlations(lab(level)) for level in at_scales(picture, _LEVELS)]
        # Two levels make an octave.
        rows = np.stack([np.concatenate(levels[first : first + 2 * _OCTAVES : 2]) for first in range(SCALES)])
        return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6), np.float32)


def _correlations(pixels: _Floats) -> _Floats:
    """Float32 [45]: how ten fields of a picture [H, W, 3] correlate; none has a direction, so turns change nothing."""
    planes = np.moveaxis(pixels, -1, 0)
    centre, above, below = planes[:, 1:-1, 1:-1], planes[:, :-2, 1:-1], planes[:, 2:, 1:-1]
    left, right = planes[:, 1:-1, :-2], planes[:, 1:-1, 2:]
    slope = np.sqrt((right - left) ** 2 + (below - above) ** 2)
    across, down = right + left - 2 * centre, below + above - 2 * centre
    light = planes[0]
    twist = (light[2:, 2:] + light[:-2, :-2] - light[2:, :-2] - light[:-2, 2:]) / 4
    ridge = np.sqrt((across[0] - down[0]) ** 2 + 4 * twist**2)
    fields = np.concatenate([centre, slope, across + down, ridge[None]]).reshape(_FIELDS, -1)
    fields = np.sign(fields) * np.log1p(np.abs(fields))
    fields -= fields.mean(axis=1, keepdims=True)
    covariance = fields @ fields.T / fields.shape[1]
    deviation = np.sqrt(np.diag(covariance)) + np.float32(1e-2)  # a flat field correlates with nothing
    return np.asarray((covariance / deviation[:, None] / deviation)[_PAIRS], np.float32)
