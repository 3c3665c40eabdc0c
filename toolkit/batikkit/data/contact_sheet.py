"""Many pictures on one sheet, so that a person can judge them at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from batikkit.errors import InputError

GAP_PX = 4
LABEL_PX = 16
PAPER = (250, 248, 244)
INK = (40, 30, 25)


def contact_sheet(
    images: Sequence[NDArray[np.uint8]], *, columns: int, labels: Sequence[str] | None = None
) -> Image.Image:
    """Lay pictures out in rows on light paper, each centred in a tile of the largest size.

    Args:
        images: uint8 [H, W, 3] each, RGB; sizes may differ.
        columns: Pictures per row.
        labels: One short text under each picture; an empty text leaves the space blank.

    Returns:
        The sheet, RGB.

    Raises:
        InputError: There are no pictures, `columns` is below 1, or labels and pictures differ in number.
    """
    if not images:
        raise InputError("a contact sheet needs at least one image: got none")
    if columns < 1:
        raise InputError(f"columns must be at least 1: got {columns}")
    if labels is not None and len(labels) != len(images):
        raise InputError(f"one label per image: got {len(labels)} labels for {len(images)} images")
    columns = min(columns, len(images))
    tile_h, tile_w = max(i.shape[0] for i in images), max(i.shape[1] for i in images)
    step_x, step_y = tile_w + GAP_PX, tile_h + GAP_PX + (LABEL_PX if labels is not None else 0)
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * step_x + GAP_PX, rows * step_y + GAP_PX), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, image in enumerate(images):
        left, top = GAP_PX + number % columns * step_x, GAP_PX + number // columns * step_y
        height, width = image.shape[:2]
        sheet.paste(Image.fromarray(image), (left + (tile_w - width) // 2, top + (tile_h - height) // 2))
        if labels is not None and labels[number]:
            _write(draw, labels[number], left + tile_w // 2, top + tile_h + LABEL_PX // 2, tile_w)
    return sheet


def _write(draw: ImageDraw.ImageDraw, text: str, centre_x: int, centre_y: int, width: int) -> None:
    """Write `text` centred, cut short with an ellipsis where it would run into the next tile."""
    font = ImageFont.load_default(size=12)
    shown = text
    while len(shown) > 1 and draw.textlength(shown, font=font) > width:
        shown = shown.rstrip("…")[:-1] + "…"
    draw.text((centre_x, centre_y), shown, font=font, fill=INK, anchor="mm")
