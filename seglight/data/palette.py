"""Colours of classes, and those for classes that have none of their own."""

from __future__ import annotations

from seglight.colours import Colour


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
