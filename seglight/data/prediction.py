"""Predicted masks as files that show their classes in colour and still store class indices."""

# Shapes: H W pixels

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seglight.data.palette import IGNORED, Colour
from seglight.ignore import IGNORE_INDEX


def palette_image(mask: NDArray[np.uint8], palette: Sequence[Colour]) -> Image.Image:
    """A palette image of class indices [H, W]; ignored pixels (255) are near white, as in VOC."""
    colours: list[Colour] = [(0, 0, 0)] * 256
    colours[: len(palette)] = list(palette)
    colours[IGNORE_INDEX] = IGNORED
    image = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8), mode=None)
    image.putpalette([channel for colour in colours for channel in colour])
    return image


def inside(folder: str | Path, name: str) -> Path:
    """`folder`/`name`; ValueError where the name, or a link on its way, leads out of the folder."""
    path = Path(folder) / name
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise ValueError(f"{name} leads out of {folder}, where it would be written; expected a name inside it")
    return path


def prediction_file(folder: str | Path, name: str) -> Path:
    """`folder`/`name`.png, its folder made; ValueError where a data set's list names an image that leads out of it."""
    path = inside(folder, f"{name}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def save_png(image: Image.Image, path: Path) -> None:
    """Writes a PNG that is there whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        image.save(partial, "PNG")
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
