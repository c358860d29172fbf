"""How well boundaries are met: boundary IoU (Cheng et al. 2021) and the boundary F-score (Csurka et al. 2013)."""

# Shapes: H W pixels, K classes, D pixels of distance

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from seglight.ignore import IGNORE_INDEX

BAND = 0.02  # of the diagonal: boundary IoU looks at what is so near to a boundary, inside the mask
TOLERANCE = 0.0075  # of the diagonal: the F-score takes boundaries so near to each other for the same
OUTSIDE = 254  # the label around the image; no data set has as many classes


class BoundaryScores:
    """Counts boundary pixels of each class, image by image.

    `band` int64 [K, 2]: the pixels of the intersection and of the union of the bands of ground truth and prediction,
    over all images, as mIoU counts. `scores` float64 [K, 2]: the sum of the images' F-scores and how many images there
    are that have the class in ground truth or prediction.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.band = np.zeros((num_classes, 2), np.int64)
        self.scores = np.zeros((num_classes, 2))

    def update(self, truth: NDArray[np.uint8], prediction: NDArray[np.uint8]) -> None:
        """Counts one image, from its masks [H, W]. Pixels without a label (255) count nowhere."""
        labelled = truth != IGNORE_INDEX
        diagonal = float(np.hypot(*truth.shape))
        distance = max(1, round(BAND * diagonal))
        bands = [labelled & band(mask, distance) for mask in (truth, prediction)]
        both = bands[0] & bands[1] & (truth == prediction)
        shared, true, predicted = (self.count(mask[pixels]) for mask, pixels in (
            (truth, both), (truth, bands[0]), (prediction, bands[1])
        ))  # fmt: skip
        self.band += np.stack([shared, true + predicted - shared], 1)
        there = (self.count(truth[labelled]) + self.count(prediction[labelled])) > 0
        tolerance = max(1, round(TOLERANCE * diagonal))
        edges = [labelled & band(mask, 1, frame=False) for mask in (truth, prediction)]
        for k in np.flatnonzero(there):
            true_edge, predicted_edge = edges[0] & (truth == k), edges[1] & (prediction == k)
            self.scores[k] += f_score(true_edge, predicted_edge, tolerance), 1

    def add(self, other: BoundaryScores) -> None:
        """Counts other images too."""
        self.band += other.band
        self.scores += other.scores

    def count(self, labels: NDArray[np.uint8]) -> NDArray[np.int64]:
        return np.bincount(labels, minlength=self.num_classes).astype(np.int64)

    def iou(self) -> NDArray[np.float64]:
        """Boundary IoU of each class [K]; NaN where it never occurs."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.band[:, 0] / self.band[:, 1])

    def f(self) -> NDArray[np.float64]:
        """The mean F-score of each class [K] over the images that have it; NaN where none has."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.scores[:, 0] / self.scores[:, 1])


def band(labels: NDArray[np.uint8], distance: int, frame: bool = True) -> NDArray[np.bool_]:
    """Pixels of which another label lies within `distance` rows and columns; `frame`: outside the image counts as one.

    Each class's mask minus its erosion `distance` times by 3 x 3, as the authors compute it, for all classes at once.
    """
    border = cv2.BORDER_CONSTANT if frame else cv2.BORDER_REPLICATE
    wide = cv2.copyMakeBorder(labels, distance, distance, distance, distance, border, value=OUTSIDE)
    window = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    differs = cv2.dilate(wide, window) != cv2.erode(wide, window)
    found: NDArray[np.bool_] = differs[distance:-distance, distance:-distance]
    return found


def f_score(true: NDArray[np.bool_], predicted: NDArray[np.bool_], tolerance: int) -> float:
    """The harmonic mean of the shares of predicted and of true boundary pixels that the other has within `tolerance`.

    1 where neither has a boundary, 0 where one alone has.
    """
    if not true.any() and not predicted.any():
        return 1.0
    if not true.any() or not predicted.any():
        return 0.0
    precision = (cv2.distanceTransform((~true).astype(np.uint8), cv2.DIST_L2, 5)[predicted] <= tolerance).mean()
    recall = (cv2.distanceTransform((~predicted).astype(np.uint8), cv2.DIST_L2, 5)[true] <= tolerance).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall > 0 else 0.0
