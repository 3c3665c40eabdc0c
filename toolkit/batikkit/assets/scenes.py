"""Draws the golden photographs: cloth with a colour card in a corner, in shapes that give mistakes away.

They must tell every usual mistake from every other: not square (crop, padding), not symmetric (turns, mirrors),
saturated colours (channel order), true black and white (a value scaled once too often), fine detail (nearest
neighbour), and one stored sideways with an EXIF orientation. They are drawn, so that no photograph is passed on.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from batikkit.assets.strangers import CHECKING, draw_foreign
from batikkit.data.synth import MOTIFS, draw_motif

ORIENTATION = 0x0112
"""EXIF tag of the orientation; 6 means: turn a quarter clockwise to see it upright."""

_COLOURS = 16
_CARD = ((0, 0, 0), (255, 255, 255), (220, 20, 30), (20, 160, 60), (30, 60, 220))


@dataclass(frozen=True)
class Scene:
    """One golden photograph to draw.

    Attributes:
        name: Ends the file's name.
        width: Of the stored picture, in sides of the model's input.
        height: Likewise.
        orientation: EXIF orientation that is written into the file.
        card: Whether the colour card lies on the cloth.
        foreign: Show something that is no motif.
    """

    name: str
    width: float
    height: float
    orientation: int = 1
    card: bool = True
    foreign: bool = False


SCENES = (
    Scene("as-is", 1.0, 1.0, card=False),
    Scene("card", 1.0, 1.0),
    Scene("landscape", 1.75, 1.25),
    Scene("portrait", 1.25, 1.75),
    Scene("sideways", 1.625, 1.25, orientation=6),
    Scene("wide", 2.25, 1.125),
    Scene("tall", 1.125, 2.25),
    Scene("enlarged", 0.75, 0.5),
    Scene("close-up", 1.375, 1.125, card=False),
    Scene("not-batik", 1.5, 1.25, foreign=True),
)
"""Two need no resizing, so that they judge the runtime alone; the others judge the way there as well."""


def draw_scene(scene: Scene, *, number: int, image_size: int, attempt: int) -> bytes:
    """Draws a scene as a PNG file; the same bytes for the same arguments (and versions of NumPy and Pillow).

    Args:
        scene: What to draw.
        number: Position among the scenes; picks the motif.
        image_size: Side of the model's input [pixels].
        attempt: Another attempt gives another cloth.
    """
    width, height = round(scene.width * image_size), round(scene.height * image_size)
    side = max(width, height, 32)
    if scene.foreign:
        pixels = draw_foreign({"rings": CHECKING["rings"]}, per_kind=attempt + 1, size=side, seed=1)[attempt]
    else:
        motif = list(MOTIFS)[number % len(MOTIFS)]
        pixels = draw_motif(motif, size=side, rng=np.random.default_rng((2, number, attempt)), variety=0.06)
    # Few colours without dithering keep the file at some kilobytes: camera noise does not compress.
    image = Image.fromarray(pixels[:height, :width]).quantize(_COLOURS, dither=Image.Dither.NONE).convert("RGB")
    if scene.card:
        _lay_card(image)
    return _encode(image, scene.orientation)


def _lay_card(image: Image.Image) -> None:
    """Five swatches down the left edge and a black bar along the top: no turn or mirror image looks the same."""
    pen = ImageDraw.Draw(image)
    wide, high = image.width // 6, image.height // 9
    pen.rectangle((0, 0, image.width * 2 // 3, high), fill=_CARD[0])
    for index, colour in enumerate(_CARD):
        top = high + 1 + index * high
        pen.rectangle((0, top, wide, top + high - 1), fill=colour)


def _encode(image: Image.Image, orientation: int) -> bytes:
    stream = io.BytesIO()
    if orientation == 1:
        image.save(stream, "PNG", optimize=True)
    else:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        image.save(stream, "PNG", optimize=True, exif=exif)
    return stream.getvalue()
