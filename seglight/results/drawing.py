"""Pictures of images with masks laid over them: panels side by side, and sheets of samples."""

# Shapes: H W pixels, K classes

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from seglight.deploy.colours import Colour, overlay

WIDTH, CAPTION, MARGIN, COLUMNS = 300, 16, 6, 3  # of a sheet
GAP = 4  # pixels between panels
TITLE = 14  # pixels above them
__all__ = ["outlined", "overlay", "sheet", "side_by_side"]


def side_by_side(panels: Sequence[NDArray[np.uint8]], titles: Sequence[str]) -> Image.Image:
    """One picture of equally large panels [H, W, 3], each under its title."""
    height, width = panels[0].shape[:2]
    picture = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height + TITLE), "white")
    draw = ImageDraw.Draw(picture)
    for i, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        picture.paste(Image.fromarray(panel), (i * (width + GAP), TITLE))
        draw.text((i * (width + GAP) + 2, 1), title, fill="black")
    return picture


def outlined(image: NDArray[np.uint8], ids: NDArray[Any]) -> NDArray[np.uint8]:
    """The image [H, W, 3] with a white line, one pixel wide, around each object of `ids` [H, W]."""
    edge = np.zeros(ids.shape, bool)
    edge[1:] |= ids[1:] != ids[:-1]
    edge[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    return np.where(edge[..., None], np.uint8(255), image)


def sheet(
    samples: Iterable[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]],
    palette: Sequence[Colour],
    classes: Sequence[str],
    title: str,
) -> Image.Image:
    """Name, image and overlay of each sample side by side, in columns, under a legend of the classes there."""
    tiles, present = [], set()
    for name, image, mask in samples:
        tiles.append(tile(name, image, overlay(image, mask, palette)))
        present |= set(np.unique(mask).tolist())
    rows = [tiles[start : start + COLUMNS] for start in range(0, len(tiles), COLUMNS)]
    width = MARGIN + COLUMNS * (2 * WIDTH + 2 * MARGIN)
    legend = legend_rows([(classes[i], palette[i]) for i in sorted(present) if i < len(classes)], width)
    heights = [max(image.height for image in row) + MARGIN for row in rows]
    page = Image.new("RGB", (width, CAPTION * (len(legend) + 2) + sum(heights)), "white")
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, 4), printable(title), fill="black")
    for number, row in enumerate(legend):
        for left, name, colour in row:
            top = CAPTION * (number + 1) + 4
            draw.rectangle((left, top, left + 10, top + 10), fill=colour, outline="black")
            draw.text((left + 14, top), printable(name), fill="black")
    y = CAPTION * (len(legend) + 2)
    for line, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(line):
            page.paste(picture, (MARGIN + column * (2 * WIDTH + 2 * MARGIN), y))
        y += height
    return page


def tile(name: str, image: NDArray[np.uint8], covered: NDArray[np.uint8]) -> Image.Image:
    """Image and overlay at one width under their name."""
    height = max(1, round(image.shape[0] * WIDTH / image.shape[1]))
    height = min(height, 2 * WIDTH)
    out = Image.new("RGB", (2 * WIDTH + 2, height + CAPTION), "white")
    ImageDraw.Draw(out).text((0, 2), printable(f"{name}  {image.shape[1]} x {image.shape[0]}"), fill="black")
    for left, pixels in ((0, image), (WIDTH + 2, covered)):
        out.paste(Image.fromarray(pixels).resize((WIDTH, height), Image.Resampling.BILINEAR), (left, CAPTION))
    return out


def legend_rows(entries: Sequence[tuple[str, Colour]], width: int) -> list[list[tuple[int, str, Colour]]]:
    """Where each entry goes: (left, name, colour) in lines."""
    rows: list[list[tuple[int, str, Colour]]] = [[]]
    left = MARGIN
    for name, colour in entries:
        if left + 24 + 7 * len(name) > width:
            rows.append([])
            left = MARGIN
        rows[-1].append((left, name, colour))
        left += 30 + 7 * len(name)
    return rows


def printable(text: str) -> str:
    """What Pillow's built-in font can draw."""
    return text.encode("latin-1", "replace").decode("latin-1")
