"""Draws textured shapes, thin ones among them, over a cluttered background, with their class mask."""

# Shapes: S side of the square image in pixels

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

CLASSES = ("background", "disc", "ring", "square", "cross", "triangle", "star", "line", "wave")
COLOURS = (
    (0, 0, 0), (228, 26, 28), (255, 160, 160), (55, 126, 184), (140, 210, 255), (77, 175, 74), (190, 240, 120),
    (255, 200, 0), (152, 78, 163),
)  # fmt: skip

# Two classes share a hue (of 180, as OpenCV counts) and differ in texture, so that colour alone does not decide.
HUES = (0, 0, 0, 105, 105, 55, 55, 25, 145)
TEXTURES = ("clutter", "plain", "stripes", "checks", "plain", "stripes", "plain", "plain", "plain")
FRACTION = 16.0  # cv2 draws with 4 fractional bits
SHIFT = 4


def draw(key: Sequence[int], size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Image [S, S, 3] RGB and mask [S, S], a function of the key alone."""
    random = np.random.default_rng(tuple(key))
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    image = background(random, size)
    mask = np.zeros((size, size), np.uint8)
    kinds = list(random.permutation(np.arange(1, len(CLASSES)))) + list(random.integers(1, len(CLASSES), 2))
    bulky = [kind for kind in kinds if CLASSES[kind] in ("disc", "square", "triangle")]
    for kind in bulky + [kind for kind in kinds if kind not in bulky]:  # thin ones lie on top
        region = np.zeros((size, size), np.uint8)
        outline(region, CLASSES[kind], random)
        left, top, width, height = cv2.boundingRect(region)
        box = (slice(top, top + height), slice(left, left + width))
        inside = region[box]
        colours = paint(random, kind, rows[box], columns[box], size)
        cv2.copyTo(colours, inside, image[box])
        cv2.copyTo(np.full_like(inside, kind), inside, mask[box])
    image *= lighting(random, rows, columns)[..., None]
    image += random.standard_normal(image.shape, dtype=np.float32) * random.uniform(3, 9)
    return image.clip(0, 255).astype(np.uint8), mask


def background(random: Generator, size: int) -> NDArray[np.float32]:
    """Muted blotches of several sizes."""
    image = np.full((size, size, 3), random.uniform(70, 150), np.float32)
    for cells, grey, tint in ((3, 25, 10), (max(1, size // 8), 14, 8), (max(1, size // 3), 10, 6)):
        blotches = random.standard_normal((cells, cells, 3), dtype=np.float32) * np.float32(tint)
        blotches += random.standard_normal((cells, cells, 1), dtype=np.float32) * np.float32(grey)
        image += cv2.resize(blotches, (size, size), interpolation=cv2.INTER_CUBIC)
    return image


def paint(
    random: Generator, kind: int, rows: NDArray[np.float32], columns: NDArray[np.float32], size: int
) -> NDArray[np.float32]:
    """The colour [., ., 3] of a shape of this class at the pixels of a box."""
    hue = (HUES[kind] + random.integers(-7, 8)) % 180
    pixel = np.array([[[hue, random.integers(120, 231), random.integers(150, 241)]]], np.uint8)
    colour = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)
    level: NDArray[Any]
    angle, period = random.uniform(0, np.pi), random.uniform(4.5, 6.5)
    across = rows * np.float32(np.sin(angle)) + columns * np.float32(np.cos(angle))
    if TEXTURES[kind] == "stripes":
        level = 0.68 + 0.32 * np.sign(np.sin(across * np.float32(2 * np.pi / period)))
    elif TEXTURES[kind] == "checks":
        along = columns * np.float32(np.sin(angle)) - rows * np.float32(np.cos(angle))
        turn = np.float32(2 * np.pi / (1.5 * period))
        level = 0.68 + 0.32 * np.sign(np.sin(across * turn) * np.sin(along * turn))
    else:
        level = 1 + across * np.float32(random.uniform(-0.25, 0.25) / size)
    return np.asarray(level[..., None] * colour, np.float32)


def lighting(random: Generator, rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """A brightness gradient across the image."""
    angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0, 0.45)
    ramp = ((rows - len(rows) / 2) * np.sin(angle) + (columns - len(rows) / 2) * np.cos(angle)) / len(rows)
    return np.asarray(random.uniform(0.8, 1.1) + strength * ramp, np.float32)


def outline(region: NDArray[np.uint8], kind: str, random: Generator) -> None:
    """Fills the shape's pixels in `region` with 1; sizes are shares of the image's side."""
    size = len(region)
    centre = random.uniform(0.12, 0.88, 2) * size
    angle = random.uniform(0, 2 * np.pi)
    thin = max(2, round(size * random.uniform(0.027, 0.042)))
    if kind == "disc":
        cv2.circle(region, fixed(centre), round(size * random.uniform(0.08, 0.15) * FRACTION), 1, -1, shift=SHIFT)
    elif kind == "ring":
        cv2.circle(region, fixed(centre), round(size * random.uniform(0.09, 0.17) * FRACTION), 1, thin + 1, shift=SHIFT)
    elif kind == "square":
        polygon(region, centre, angle, [size * random.uniform(0.11, 0.19)] * 4)
    elif kind == "triangle":
        polygon(region, centre, angle, [size * random.uniform(0.13, 0.21)] * 3)
    elif kind == "star":
        radius = size * random.uniform(0.12, 0.19)
        polygon(region, centre, angle, [radius, radius * 0.32] * 5)
    elif kind == "cross":
        reach = size * random.uniform(0.11, 0.18)
        for turn in (angle, angle + np.pi / 2):
            arm = reach * np.array([np.cos(turn), np.sin(turn)])
            cv2.line(region, fixed(centre - arm), fixed(centre + arm), 1, thin, shift=SHIFT)
    elif kind == "line":
        arm = size * random.uniform(0.25, 0.5) * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(region, fixed(centre - arm), fixed(centre + arm), 1, thin, shift=SHIFT)
    else:
        wave(region, centre, angle, thin, random)


def wave(region: NDArray[np.uint8], centre: NDArray[np.float64], angle: float, thin: int, random: Generator) -> None:
    """A sine curve of about two periods."""
    size = len(region)
    along = np.linspace(-0.35, 0.35, 40) * size
    across = size * random.uniform(0.03, 0.07) * np.sin(along * random.uniform(0.2, 0.35) * 96 / size)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = centre + np.stack([along, across], 1) @ turn
    cv2.polylines(region, [np.round(points * FRACTION).astype(np.int32)], False, 1, thin, shift=SHIFT)


def polygon(region: NDArray[np.uint8], centre: NDArray[np.float64], angle: float, radii: Sequence[float]) -> None:
    """A filled polygon whose corners lie at `radii` from the centre, evenly turned."""
    turns = angle + np.arange(len(radii)) * 2 * np.pi / len(radii)
    points = centre + np.array(radii)[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)
    cv2.fillPoly(region, [np.round(points * FRACTION).astype(np.int32)], 1, shift=SHIFT)


def fixed(point: NDArray[np.float64]) -> tuple[int, int]:
    """A point in cv2's fixed-point coordinates."""
    return round(point[0] * FRACTION), round(point[1] * FRACTION)
