"""worst/: the images that a network does worst on, and where and how it is wrong in each."""

# Shapes: H W pixels

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from seglight.deploy.colours import Colour, overlay
from seglight.ignore import IGNORE_INDEX
from seglight.results.error_kinds import KINDS

WIDTH, GAP, TEXT = 460, 6, 15  # of a panel, between panels, of letters
LINE = TEXT + 7
TITLES = ("image", "ground truth", "prediction", "mistakes")
COLOURS: tuple[Colour, ...] = ((240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))  # Okabe and Ito's
Entry = tuple[str, Colour]


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
    of_classes = legend([(classes[k], palette[k]) for k in present], 3 * (WIDTH + GAP) - GAP)
    of_kinds = legend(list(zip(KINDS, COLOURS, strict=True)), WIDTH)
    lines = max(len(of_classes), len(of_kinds))
    page = Image.new("RGB", (len(panels) * (WIDTH + GAP) - GAP, (2 + lines) * LINE + height + 6), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(TEXT)
    draw.text((2, 2), title, fill="black", font=font)
    for number, (panel, name) in enumerate(zip(panels, TITLES, strict=True)):
        left = number * (WIDTH + GAP)
        draw.text((left + 2, LINE + 2), name, fill="black", font=font)
        large = panel.shape[1] >= WIDTH
        filtered = Image.Resampling.BOX if large else Image.Resampling.NEAREST
        page.paste(Image.fromarray(panel).resize((WIDTH, height), filtered), (left, 2 * LINE))
    for start, rows in ((0, of_classes), (3 * (WIDTH + GAP), of_kinds)):
        for number, row in enumerate(rows):
            top = 2 * LINE + height + 4 + number * LINE
            for left, name, colour in row:
                draw.rectangle(
                    (start + left, top + 3, start + left + TEXT, top + 3 + TEXT), fill=colour, outline="black"
                )
                draw.text((start + left + TEXT + 5, top + 1), name, fill="black", font=font)
    return page


def mistakes(image: NDArray[np.uint8], kinds: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image in pale grey, its wrong pixels in the colour of their kind."""
    grey = image.mean(2, keepdims=True).repeat(3, 2) * 0.5 + 110
    for kind, colour in enumerate(COLOURS, 1):
        grey[kinds == kind] = colour
    return np.asarray(grey, np.uint8)


def legend(entries: Sequence[Entry], width: int) -> list[list[tuple[int, str, Colour]]]:
    """Where each entry goes: (left, name, colour) in lines that are so wide at most."""
    font = ImageFont.load_default(TEXT)
    rows: list[list[tuple[int, str, Colour]]] = [[]]
    left = 2
    for name, colour in entries:
        needed = TEXT + 5 + int(font.getlength(name)) + 14
        if left + needed > width and rows[-1]:
            rows.append([])
            left = 2
        rows[-1].append((left, name, colour))
        left += needed
    return rows
