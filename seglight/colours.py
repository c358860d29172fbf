"""The colours of classes: VOC's, of every value that a mask may hold, and masks as palette images."""

# Shapes: H W pixels

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seglight.ignore import IGNORE_INDEX, IGNORED

Colour = tuple[int, int, int]


def palette_image(mask: NDArray[np.uint8], palette: Sequence[Colour]) -> Image.Image:
    """A palette image of class indices [H, W]: stores the indices, shows the colours; ignored pixels nearly white."""
    image = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8))
    image.putpalette(table(palette).ravel().tolist())
    return image


def table(palette: Sequence[Colour]) -> NDArray[np.uint8]:
    """The colour of each of the 256 values that a mask may hold, [256, 3]; black where there is no such class."""
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = np.reshape(palette, (-1, 3))  # there may be none
    colours[IGNORE_INDEX] = IGNORED
    return colours


def voc_colours(count: int) -> tuple[Colour, ...]:
    """Pascal VOC's colour map (VOCcolormap.m): the bits of the index spread over the three channels."""
    colours = []
    for index in range(count):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
        colours.append((channels[0], channels[1], channels[2]))
    return tuple(colours)
