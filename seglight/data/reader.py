"""Reads one pair of a data set: the step between file names and arrays."""

# Shapes: H W pixels

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seglight.data.decode import read_image, read_mask
from seglight.data.labels import Labels
from seglight.data.pair import Pair
from seglight.ignore import IGNORE_INDEX


class Reader(Protocol):
    """What a dataset reads its samples with; small and picklable, since it travels to the workers."""

    def __call__(self, pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Image [H, W, 3] RGB and mask [H, W] of class indices, all 255 where there are no labels."""

    def mask(self, pair: Pair) -> NDArray[np.uint8]:
        """The mask alone."""


@dataclass(frozen=True)
class FileReader:
    """Reads image and mask files; a wrong one raises ValueError or FileNotFoundError that names it."""

    labels: Labels

    def __call__(self, pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        image = read_image(pair.image, pair.frame)
        if pair.mask is None:
            return image, np.full(image.shape[:2], IGNORE_INDEX, np.uint8)
        mask = self.mask(pair)
        if mask.shape != image.shape[:2]:
            raise size_mismatch(pair, (image.shape[0], image.shape[1]), (mask.shape[0], mask.shape[1]))
        return image, mask

    def mask(self, pair: Pair) -> NDArray[np.uint8]:
        if pair.mask is None:
            raise ValueError(f"{pair.image}: this split has no masks")
        return self.labels(read_mask(pair.mask, pair.frame), pair.mask)


def size_mismatch(pair: Pair, image: tuple[int, int], mask: tuple[int, int]) -> ValueError:
    """Names both files and both sizes."""
    return ValueError(
        f"{pair.mask}: the mask is {mask[1]} x {mask[0]} pixels; expected {image[1]} x {image[0]}, "
        f"the size of its image {pair.image}"
    )
