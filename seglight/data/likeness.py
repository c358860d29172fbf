"""Images that look alike: a hash of 256 bits that JPEG, a change of size or brightness hardly change (dHash)."""

# Shapes: N images, H W pixels, C channels

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 16
NEAR = 32  # of 256 bits: most copies differ by 5 to 30 (JPEG of quality 30, other sizes), other photos by 60 and more
FLAT = 32  # bits: of an image with fewer that are set, or not set, the hash says too little


def look_hash(image: NDArray[Any]) -> NDArray[np.uint64]:
    """[4] of an image [H, W, C]: whether each of 16 x 16 cells is brighter than its left neighbour."""
    some = np.ascontiguousarray(image[..., :4])  # OpenCV takes no more
    small = cv2.resize(some, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    grey = small.astype(np.float32).reshape(SIDE, SIDE + 1, -1).mean(-1)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).view(np.uint64)


def alike(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Pairs of an index into each of two lists of hashes [N, 4] whose images look alike."""
    kept = [np.flatnonzero(says_enough(hashes)) for hashes in (first, second)]
    for index in kept[0]:
        bits = np.bitwise_count(first[index] ^ second[kept[1]]).sum(1)
        yield from ((int(index), int(other)) for other in kept[1][bits <= NEAR])


def says_enough(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether hashes [N, 4] are of images that are not flat."""
    ones = np.bitwise_count(hashes).sum(1)
    return np.asarray((ones >= FLAT) & (ones <= 256 - FLAT))
