"""The same images in every run: the masks that predictions/*.png show, as small pictures and counts for the page."""

# Shapes: H W pixels, K classes, I images

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seglight.colours import Colour
from seglight.deploy.colours import STRENGTH
from seglight.ignore import IGNORE_INDEX, IGNORED
from seglight.results.compared import ComparedRun
from seglight.results.drawing import GAP, TITLE

SIDE = 224  # pixels of a thumbnail's longest side
IMAGES = 8
TOLERANCE = 2.0  # levels of a channel: what rounding leaves when colours are read back from an overlay
MATCHED = 0.98  # of an overlay's pixels, or the palette is another one
Mask = NDArray[np.uint8]  # [H, W]
Panels = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


@dataclass
class PicturedImage:
    """An image that runs predicted: JPEG, ground truth and each run's mask as PNG, in base64; and what disagrees."""

    name: str
    image: str
    truth: str
    masks: dict[str, str] = field(default_factory=dict)  # by run
    cells: dict[str, list[list[int]]] = field(default_factory=dict)  # by run: truth, prediction, pixels
    disagreement: float = 0.0  # the share of pixels on which two runs differ, on average over pairs


def pictured(runs: Sequence[ComparedRun], count: int = IMAGES) -> list[PicturedImage]:
    """Up to `count` images, those first on which the runs disagree most; without any where no run has pictures."""
    names: dict[str, None] = {}
    for run in runs:
        folder = run.run.path / "predictions"
        names.update(dict.fromkeys(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))))
    images = [found for name in list(names)[:count] if (found := one_image(runs, name))]
    return sorted(images, key=lambda image: -image.disagreement)


def one_image(runs: Sequence[ComparedRun], name: str) -> PicturedImage | None:
    """An image with the masks of the runs that have it in the same size."""
    found: PicturedImage | None = None
    first: Panels | None = None
    palette, kept = runs[0].palette, []
    truth: Mask | None = None
    for run in runs:
        panels = panels_of(run.run.path / "predictions" / name)
        if panels is None or (first is not None and not np.array_equal(panels[1], first[1])):
            continue  # no picture, or of another size or ground truth
        if found is None:
            truth = read_back(panels[0], panels[1], palette)
            if truth is None:
                continue
            first, found = panels, PicturedImage(name.removesuffix(".png"), jpeg(panels[0]), png(truth, palette))
        prediction = read_back(panels[0], panels[2], palette)
        if prediction is not None and truth is not None:
            found.masks[run.name] = png(prediction, palette)
            found.cells[run.name] = confusion(truth, prediction)
            kept.append(thumbnail(prediction))
    if found is not None:
        found.disagreement = disagreement(kept)
    return found


def panels_of(path: Path) -> Panels | None:
    """Image, ground truth and prediction [H, W, 3] out of a picture of the three; None where there is none."""
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))[TITLE:]
    except (OSError, ValueError):
        return None
    width = (pixels.shape[1] - 2 * GAP) // 3
    if width < 1 or pixels.shape[0] < 1:
        return None
    image, truth, prediction = (pixels[:, start : start + width] for start in (0, width + GAP, 2 * (width + GAP)))
    return image, truth, prediction


def read_back(image: NDArray[np.uint8], overlay: NDArray[np.uint8], palette: Sequence[Colour]) -> Mask | None:
    """The class indices [H, W] of colours that were laid over an image; None where they are not the palette's."""
    laid = (overlay.astype(np.float32) - image * np.float32(1 - STRENGTH)) / np.float32(STRENGTH)
    red, green, blue = np.ascontiguousarray(np.moveaxis(laid, -1, 0))
    mask = np.zeros(image.shape[:2], np.uint8)
    nearest = np.full(mask.shape, np.inf, np.float32)
    for index, colour in (*enumerate(palette), (IGNORE_INDEX, IGNORED)):
        distance = np.maximum(np.maximum(np.abs(red - colour[0]), np.abs(green - colour[1])), np.abs(blue - colour[2]))
        closer = distance < nearest
        mask[closer] = index
        nearest[closer] = distance[closer]
    return mask if (nearest <= TOLERANCE).mean() >= MATCHED else None


def confusion(truth: Mask, prediction: Mask) -> list[list[int]]:
    """Its pixels as [truth, prediction, count], without those that have no label."""
    seen = truth != IGNORE_INDEX
    counts = np.bincount(truth[seen].astype(np.int64) * 256 + prediction[seen], minlength=1)
    return [[int(at) // 256, int(at) % 256, int(counts[at])] for at in np.flatnonzero(counts)]


def disagreement(masks: Sequence[Mask]) -> float:
    """The share of pixels on which two of these masks differ, on average over all pairs."""
    if len(masks) < 2:
        return 0.0
    stack = np.stack(masks).reshape(len(masks), -1)
    same = sum(((stack == value).sum(0).astype(np.float64) ** 2).sum() for value in np.unique(stack))
    pairs = len(masks) * (len(masks) - 1)
    return float(1 - (same / stack.shape[1] - len(masks)) / pairs)


def thumbnail(pixels: NDArray[np.uint8], smooth: bool = False) -> NDArray[np.uint8]:
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX if smooth else Image.Resampling.NEAREST)
    return np.asarray(picture)


def jpeg(image: NDArray[np.uint8]) -> str:
    return encoded(Image.fromarray(thumbnail(image, smooth=True)), "JPEG", quality=80)


def png(mask: Mask, palette: Sequence[Colour]) -> str:
    """A mask as a palette PNG with as few bits a pixel as its classes need."""
    small = thumbnail(mask)
    values = np.unique(small)
    picture = Image.fromarray(np.searchsorted(values, small).astype(np.uint8))
    colours = [IGNORED if value == IGNORE_INDEX else palette[value] for value in values]
    picture.putpalette([int(channel) for colour in colours for channel in colour])
    bits = next(bits for bits in (1, 2, 4, 8) if len(values) <= 1 << bits)
    return encoded(picture, "PNG", bits=bits, optimize=True)


def encoded(picture: Image.Image, kind: str, **settings: Any) -> str:
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return base64.b64encode(file.getvalue()).decode()
