"""What kind of mistake each wrong pixel is: boundary, swap, missed or invented. Every wrong pixel is exactly one.

boundary: the pixel is within d pixels of a boundary in the ground truth, that is of a pixel with another label. 255 is
a label of its own here, for VOC draws it along the objects. d is a share of the image's diagonal, and at least 2.

The other wrong pixels, where one class is named background:
missed: an object's pixel that is predicted as background.
invented: a pixel of the background that is predicted as an object.
swap: an object's pixel that is predicted as another class of object.

Where no class is the background, everything is an object, and segments decide: connected pixels of one class. Diagonal
neighbours are not connected. A ground-truth segment is *found* where at least half of it is predicted right. A
predicted segment is *real* where at least half of its labelled pixels are right.
missed: the ground-truth segment is not found, and a real neighbour lies over it.
invented: the ground-truth segment is found, and the predicted one is not real.
swap: both (a part of what was found takes another class), or neither (the whole of it takes another class).
"""

# Shapes: H W pixels, R runs (pixels of one label that follow each other in a row)

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from seglight.ignore import IGNORE_INDEX

KINDS = ("boundary", "swap", "missed", "invented")
BOUNDARY, SWAP, MISSED, INVENTED = range(1, 5)  # in an error map; 0 is right, 255 has no label
WIDTH = 0.005  # of the diagonal
LEAST = 2  # pixels


def boundary_pixels(height: int, width: int, share: float = WIDTH) -> int:
    """How many pixels next to a boundary belong to it, on each side of it."""
    return max(LEAST, round(share * float(np.hypot(height, width))))


def error_map(
    truth: NDArray[np.uint8], prediction: NDArray[np.uint8], background: int | None, share: float = WIDTH
) -> NDArray[np.uint8]:
    """The kind of each pixel [H, W]: 0 right, 1 boundary, 2 swap, 3 missed, 4 invented, 255 without a label."""
    kinds = np.zeros(truth.shape, np.uint8)
    labelled = truth != IGNORE_INDEX
    kinds[~labelled] = IGNORE_INDEX
    wrong = labelled & (truth != prediction)
    if not wrong.any():
        return kinds
    kinds[wrong] = BOUNDARY
    height, width = truth.shape
    inner = np.flatnonzero(wrong & ~near_boundary(truth, boundary_pixels(height, width, share)))
    if background is None:
        right = labelled & ~wrong
        found = share_right(truth, right, labelled, inner) >= 0.5
        real = share_right(prediction, right, labelled, inner) >= 0.5
        missed, invented = ~found & real, found & ~real
    else:
        missed, invented = prediction.flat[inner] == background, truth.flat[inner] == background
    kinds.flat[inner] = np.select([missed, invented], [MISSED, INVENTED], SWAP)
    return kinds


def error_counts(kinds: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pixels of each of `KINDS` in an error map."""
    return np.bincount(kinds.ravel(), minlength=256)[1 : len(KINDS) + 1].astype(np.int64)


def near_boundary(labels: NDArray[np.uint8], distance: int) -> NDArray[np.bool_]:
    """Pixels [H, W] closer than `distance` to one that has a neighbour of another label; that one is at 0."""
    away = np.ones(labels.shape, np.uint8)
    across, down = labels[:, 1:] == labels[:, :-1], labels[1:] == labels[:-1]
    away[:, 1:] &= across
    away[:, :-1] &= across
    away[1:] &= down
    away[:-1] &= down
    near: NDArray[np.bool_] = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) < distance
    return near


def share_right(
    labels: NDArray[np.uint8], right: NDArray[np.bool_], labelled: NDArray[np.bool_], pixels: NDArray[np.intp]
) -> NDArray[np.float64]:
    """For each of these pixels (flat indices): which share of the labelled pixels of its segment is right."""
    starts, segment = segments(labels)
    totals = [
        np.bincount(segment, np.add.reduceat(counted.ravel(), starts, dtype=np.int64)) for counted in (right, labelled)
    ]
    of_pixel = segment[np.searchsorted(starts, pixels, "right") - 1]
    shares: NDArray[np.float64] = totals[0][of_pixel] / totals[1][of_pixel]
    return shares


def segments(labels: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """The flat index [R] at which each run of [H, W] begins, and the number [R] of the connected segment it is in."""
    begins = np.ones(labels.shape, bool)
    begins[:, 1:] = labels[:, 1:] != labels[:, :-1]
    starts = np.flatnonzero(begins)
    run = np.cumsum(begins, dtype=np.int32).reshape(labels.shape) - 1
    # two runs of one label touch where the later of them begins
    touch = (labels[1:] == labels[:-1]) & (begins[1:] | begins[:-1])
    above, below = run[:-1][touch], run[1:][touch]
    graph = coo_array((np.ones(len(above), bool), (above, below)), (len(starts), len(starts)))
    return starts, connected_components(graph, directed=False)[1]
