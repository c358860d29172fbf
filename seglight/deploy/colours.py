"""Classes shown in colour: laid over an image, and in colours that colour-blind people tell apart."""

# Shapes: H W pixels

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from seglight.colours import Colour, table
from seglight.ignore import IGNORED

BLACK: Colour = (0, 0, 0)
STRENGTH = 0.55  # of the colours in an overlay
# The eight colours of Okabe and Ito (2008, jfly.uni-koeln.de/color) but black: told apart with any kind of sight.
OKABE_ITO: tuple[Colour, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
)  # fmt: skip
# How linear RGB looks without red, green or blue cones (Machado et al. 2009, severity 1; IEEE TVCG 15(6), table 1).
SIGHT = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
)
# Linear sRGB to CIE XYZ, divided by the white point D65: the first step to CIELAB.
XYZ = np.array([[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0178, 0.1094, 0.8728]])


def overlay(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], palette: Sequence[Colour], strength: float = STRENGTH
) -> NDArray[np.uint8]:
    """Class colours laid over the image [H, W, 3]; ignored pixels are nearly white, as in predicted masks."""
    mixed = image * np.float32(1 - strength)
    mixed += (table(palette) * np.float32(strength))[mask]
    return np.asarray(np.rint(mixed, out=mixed), np.uint8)


def safe_palette(palette: Sequence[Colour]) -> tuple[Colour, ...]:
    """As many colours that colour-blind people tell apart; a class that is black (mostly background) stays so."""
    chosen = iter(safe_colours(len(palette)))
    return tuple(BLACK if tuple(colour) == BLACK else next(chosen) for colour in palette)


@cache
def safe_colours(count: int) -> tuple[Colour, ...]:
    """Okabe and Ito's colours, then each time the one farthest from all before, by the sight that sees least of it."""
    steps = np.linspace(0, 255, 9).round()
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 3)
    candidates = np.concatenate([np.array([BLACK, IGNORED, *OKABE_ITO]), grid])
    seen = looks(candidates)  # [sights, N, 3]
    first = 2 + len(OKABE_ITO)
    nearest = np.full(len(candidates), np.inf)
    chosen: list[int] = []
    for number in range(first + max(0, count - len(OKABE_ITO))):
        pick = number if number < first else int(nearest.argmax())
        chosen.append(pick)
        away = np.linalg.norm(seen - seen[:, pick : pick + 1], axis=-1).min(0)
        nearest = np.minimum(nearest, away)
    red_green_blue = candidates[chosen[2 : 2 + count]].astype(int).tolist()
    return tuple((red, green, blue) for red, green, blue in red_green_blue)


def looks(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours [N, 3], 0 to 255, as each sight sees them, in CIELAB [4, N, 3], where distances are differences seen."""
    values = colours / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.einsum("sij,nj->sni", SIGHT, linear), 0, 1)
    xyz = seen @ XYZ.T
    bent = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(bent, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)
