"""worst/: the images that a network does worst on, and where and how it is wrong in each."""

# Shapes: H W pixels

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from seglight.colours import Colour
from seglight.deploy.colours import overlay
from seglight.ignore import IGNORE_INDEX
from seglight.results.drawing import GAP, LINE, Entry, draw_legend, legend, letters, printable
from seglight.results.error_kinds import KINDS

WIDTH = 460  # of a panel
TITLES = ("image", "ground truth", "prediction", "mistakes")
COLOURS: tuple[Colour, ...] = ((240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))  # Okabe and Ito's


def draw_mistakes(
    title: str,
    image: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    kinds: NDArray[np.uint8],
    palette: Sequence[Colour],
    classes: Sequence[str],
) -> Image.Image:
    """Image [H, W, 3], ground truth, prediction and error map [H, W] side by side, under a title and legends."""
    panels = [image, overlay(image, truth, palette), overlay(image, prediction, palette), mistakes(image, kinds)]
    height = max(1, round(image.shape[0] * WIDTH / image.shape[1]))
    present = sorted({*np.unique(truth).tolist(), *np.unique(prediction).tolist()} - {IGNORE_INDEX})
    of_classes = [(classes[k], palette[k]) for k in present], 3 * (WIDTH + GAP) - GAP, 0
    of_kinds: tuple[list[Entry], int, int] = list(zip(KINDS, COLOURS, strict=True)), WIDTH, 3 * (WIDTH + GAP)
    lines = max(len(legend(entries, width)) for entries, width, _ in (of_classes, of_kinds))
    page = Image.new("RGB", (len(panels) * (WIDTH + GAP) - GAP, (2 + lines) * LINE + height + 6), "white")
    draw = ImageDraw.Draw(page)
    draw.text((2, 2), printable(title), fill="black", font=letters())
    for number, (panel, name) in enumerate(zip(panels, TITLES, strict=True)):
        left = number * (WIDTH + GAP)
        draw.text((left + 2, LINE + 2), name, fill="black", font=letters())
        large = panel.shape[1] >= WIDTH
        filtered = Image.Resampling.BOX if large else Image.Resampling.NEAREST
        page.paste(Image.fromarray(panel).resize((WIDTH, height), filtered), (left, 2 * LINE))
    for entries, width, left in (of_classes, of_kinds):
        draw_legend(draw, entries, width, left, 2 * LINE + height + 4)
    return page


def mistakes(image: NDArray[np.uint8], kinds: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image in pale grey, its wrong pixels in the colour of their kind."""
    grey = image.mean(2, keepdims=True).repeat(3, 2) * 0.5 + 110
    for kind, colour in enumerate(COLOURS, 1):
        grey[kinds == kind] = colour
    return np.asarray(grey, np.uint8)
