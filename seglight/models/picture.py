"""A network's feature sizes as a picture: one block a part, as high as its map and as wide as its channels are many."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from seglight.models.anatomy import Part

HEIGHT, GAP, LABEL = 260, 26, 64  # pixels: of a full-size map, between blocks, for the text below
ENCODER, DECODER = (66, 113, 174), (226, 135, 67)


def draw(parts: Sequence[Part], size: tuple[int, int]) -> Image.Image:
    """Blocks from left to right; height: square root of the map's, width: logarithm of the channels."""
    shown = [part for part in parts if part.output is not None and len(part.output) == 3]
    font = ImageFont.load_default(12)
    widths = [10 + 5 * math.log2(part.output[0] + 1) for part in shown if part.output]
    slots = [max(width, font.getlength(text(part)[1])) + GAP for part, width in zip(shown, widths, strict=True)]
    picture = Image.new("RGB", (math.ceil(sum(slots)) + GAP, HEIGHT + LABEL + 2 * GAP), "white")
    pen = ImageDraw.Draw(picture)
    left = float(GAP)
    for part, width, slot in zip(shown, widths, slots, strict=True):
        assert part.output is not None
        height = HEIGHT * min(math.sqrt(part.output[1] / size[0]), 1.25)
        middle, centre = GAP + HEIGHT / 2, left + (slot - GAP) / 2
        box = (centre - width / 2, middle - height / 2, centre + width / 2, middle + height / 2)
        colour = ENCODER if part.name.startswith("encoder") else DECODER
        pen.rectangle(box, fill=colour, outline=(40, 40, 40))
        for line, words in enumerate(text(part)):
            pen.text((centre, GAP + HEIGHT + 14 + 15 * line), words, "black", font, anchor="mt")
        left += slot
    return picture


def text(part: Part) -> list[str]:
    """The lines below a block."""
    assert part.output is not None
    channels, height, width = part.output
    return [part.name.removeprefix("encoder.").removeprefix("decoder."), f"{channels} x {height} x {width}"]
