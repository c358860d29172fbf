"""The transforms of an augmentation as images of floating-point numbers, or of other bands than RGB, need them."""

# Shapes: H W pixels, C channels

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import albumentations as A

OF_COLOURS = (A.ToGray, A.HueSaturationValue, A.RGBShift, A.ChannelShuffle, A.ToSepia, A.ChannelDropout)


def adapted(pipeline: Any, channels: int, factor: float) -> Any:
    """A copy of a pipeline for images of `channels`, whose values are the usual ones times `factor`.

    What is filled in follows. Where there are other channels than RGB, a change of colours is one of brightness and
    contrast, in all channels alike, and what exists for RGB alone is left out.
    """
    made = copy.deepcopy(pipeline)
    for owner, place, transform in list(leaves_of(made)):
        for name in ("fill", "cval", "value"):
            value = getattr(transform, name, None)
            if isinstance(value, int | float | Sequence) and not isinstance(value, str):
                filled = fill(value, channels, factor)
                theirs = type(transform).__module__.startswith("albumentations")
                if theirs and channels > 4 and isinstance(filled, tuple):  # than OpenCV's borders have
                    filled = sum(filled) / channels
                setattr(transform, name, filled)
        if channels not in (1, 3):
            owner.transforms[place] = without_colours(transform)
    return made


def leaves_of(compose: Any) -> Iterator[tuple[Any, int, Any]]:
    """Every transform with what holds it, and its place there."""
    for place, child in enumerate(compose.transforms):
        if isinstance(child, A.BaseCompose):
            yield from leaves_of(child)
        else:
            yield compose, place, child


def fill(value: Any, channels: int, factor: float) -> Any:
    """A number, or a colour repeated to as many channels (RGBRGB...)."""
    if isinstance(value, int | float):
        return value * factor
    values = list(value)
    return tuple(values[channel % len(values)] * factor for channel in range(channels))


def without_colours(transform: Any) -> Any:
    """The transform, or what stands for it where channels are no colours."""
    if isinstance(transform, A.ColorJitter):
        brightness, contrast = ((low - 1, high - 1) for low, high in (transform.brightness, transform.contrast))
        return A.RandomBrightnessContrast(brightness, contrast, p=transform.p)
    return A.NoOp(p=transform.p) if isinstance(transform, OF_COLOURS) else transform
