"""Pictures of images with masks laid over them: panels side by side, and sheets of samples."""

# Shapes: H W pixels, K classes

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from seglight.colours import Colour
from seglight.deploy.colours import overlay, safe_colours

WIDTH, MARGIN, COLUMNS = 300, 6, 3  # of a sheet
TEXT = 15  # pixels, the height of letters
LINE = TEXT + 7
OBJECT_COLOURS = 12  # that neighbours are told apart by
GAP = 4  # pixels between panels
TITLE = 14  # pixels above the panels in a run's predictions/*.png, as results/pictures.py reads them
Entry = tuple[str, Colour]


def letters(size: int = TEXT) -> Any:
    """Pillow's own font."""
    return ImageFont.load_default(size)


def side_by_side(panels: Sequence[NDArray[np.uint8]], titles: Sequence[str], title: int | None = None) -> Image.Image:
    """One picture of equally large panels [H, W, 3], each under its title.

    title: the pixels above the panels; None: as many as can be read where the picture is shown smaller than it is.
    """
    height, width = panels[0].shape[:2]
    title = max(LINE, width // 24) if title is None else title
    font = letters(round(title * TEXT / LINE) if title >= LINE else title - 2)
    picture = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height + title), "white")
    for i, (panel, text) in enumerate(zip(panels, titles, strict=True)):
        head = Image.new("RGB", (width, title), "white")
        ImageDraw.Draw(head).text((2, title / 2), text, fill="black", font=font, anchor="lm")
        picture.paste(head, (i * (width + GAP), 0))
        picture.paste(Image.fromarray(panel), (i * (width + GAP), title))
    return picture


def objects_over(image: NDArray[np.uint8], ids: NDArray[Any]) -> NDArray[np.uint8]:
    """The image [H, W, 3] with the objects of `ids` [H, W] in colours that change from one to the next, edged white."""
    colours = safe_colours(OBJECT_COLOURS)
    covered = overlay(image, (np.maximum(ids, 1) - 1) % OBJECT_COLOURS, colours)
    edge = np.zeros(ids.shape, bool)
    edge[1:] |= ids[1:] != ids[:-1]
    edge[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    shown = np.where((ids > 0)[..., None], covered, image)
    return np.where(edge[..., None], np.uint8(255), shown)


def sheet(
    samples: Iterable[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]],
    palette: Sequence[Colour],
    classes: Sequence[str],
    title: str,
) -> Image.Image:
    """Name, image and overlay of each sample side by side, in columns, under a legend of the classes there."""
    tiles, present = [], set[int]()
    for name, image, mask in samples:
        tiles.append(tile(name, image, overlay(image, mask, palette)))
        present |= set(np.unique(mask).tolist())
    rows = [tiles[start : start + COLUMNS] for start in range(0, len(tiles), COLUMNS)]
    width = MARGIN + COLUMNS * (2 * WIDTH + 2 * MARGIN)
    entries = [(classes[i], palette[i]) for i in sorted(present) if i < len(classes)]
    top = LINE * (len(legend(entries, width)) + 1) + MARGIN
    heights = [max(image.height for image in row) + MARGIN for row in rows]
    page = Image.new("RGB", (width, top + sum(heights)), "white")
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, 2), printable(title), fill="black", font=letters())
    draw_legend(draw, entries, width, MARGIN, LINE)
    for line, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(line):
            page.paste(picture, (MARGIN + column * (2 * WIDTH + 2 * MARGIN), top))
        top += height
    return page


def tile(name: str, image: NDArray[np.uint8], covered: NDArray[np.uint8]) -> Image.Image:
    """Image and overlay at one width under their name."""
    height = max(1, round(image.shape[0] * WIDTH / image.shape[1]))
    height = min(height, 2 * WIDTH)
    out = Image.new("RGB", (2 * WIDTH + 2, height + LINE), "white")
    caption = printable(f"{name}  {image.shape[1]} x {image.shape[0]}")
    ImageDraw.Draw(out).text((0, 2), caption, fill="black", font=letters())
    for left, pixels in ((0, image), (WIDTH + 2, covered)):
        out.paste(Image.fromarray(pixels).resize((WIDTH, height), Image.Resampling.BILINEAR), (left, LINE))
    return out


def legend(entries: Sequence[Entry], width: int) -> list[list[tuple[int, str, Colour]]]:
    """Where each entry goes: (left, name, colour) in lines that are so wide at most."""
    font = letters()
    rows: list[list[tuple[int, str, Colour]]] = [[]]
    left = 2
    for name, colour in entries:
        needed = TEXT + 5 + int(font.getlength(printable(name))) + 14
        if left + needed > width and rows[-1]:
            rows.append([])
            left = 2
        rows[-1].append((left, name, colour))
        left += needed
    return rows


def draw_legend(draw: ImageDraw.ImageDraw, entries: Sequence[Entry], width: int, left: int, top: int) -> None:
    """The classes with their colours, from (left, top) on, in as many lines as `legend` says."""
    for number, row in enumerate(legend(entries, width)):
        line = top + number * LINE
        for start, name, colour in row:
            box = (left + start, line + 3, left + start + TEXT, line + 3 + TEXT)
            draw.rectangle(box, fill=tuple(colour), outline="black")
            draw.text((left + start + TEXT + 5, line + 1), printable(name), fill="black", font=letters())


def printable(text: str) -> str:
    """What Pillow's own font can draw."""
    return text.encode("latin-1", "replace").decode("latin-1")
