"""Boundary IoU is the authors' own, class by class; the F-score forgives what is near."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from seglight.results.boundary_scores import BoundaryScores, f_score


def authors_boundary(mask: NDArray[np.uint8], ratio: float = 0.02) -> NDArray[np.uint8]:
    """Section 4 and the released code of Cheng et al. 2021: a mask minus its erosion, in an image framed by zeros."""
    height, width = mask.shape
    times = max(1, round(ratio * float(np.sqrt(height**2 + width**2))))
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=times)
    return mask - eroded[1:-1, 1:-1]


def blobs(seed: int, height: int = 90, width: int = 140) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).random((4, height, width)).astype(np.float32)
    return np.argmax([cv2.GaussianBlur(one, (0, 0), 7) for one in noise], 0).astype(np.uint8)


def test_the_boundary_iou_of_each_class_is_the_authors() -> None:
    counted = BoundaryScores(5)
    shared, union = np.zeros(5), np.zeros(5)
    for seed in range(4):
        truth, prediction = blobs(seed), np.roll(blobs(seed), seed, 1)
        prediction[:30] = blobs(9)[:30]
        counted.update(truth, prediction)
        for k in range(5):
            true, found = (authors_boundary((mask == k).astype(np.uint8)) for mask in (truth, prediction))
            shared[k] += ((true * found) > 0).sum()
            union[k] += ((true + found) > 0).sum()
    np.testing.assert_array_equal(counted.band, np.stack([shared, union], 1))
    assert np.isnan(counted.iou()[4])
    assert (counted.iou()[:4] < 1).all()


def test_pixels_without_a_label_count_nowhere() -> None:
    truth, prediction = blobs(0), blobs(0)
    truth[40:60, 50:80] = 255
    prediction[42:58, 52:78] = 3
    counted = BoundaryScores(4)
    counted.update(truth, prediction)
    labelled = truth != 255
    for k in range(4):
        true, found = (authors_boundary((mask == k).astype(np.uint8)) > 0 for mask in (truth, prediction))
        assert counted.band[k].tolist() == [(true & found & labelled).sum(), ((true | found) & labelled).sum()]


@pytest.mark.parametrize(("moved", "score"), [(0, 1.0), (1, 1.0), (3, 0.0)])
def test_a_boundary_within_the_tolerance_is_met(moved: int, score: float) -> None:
    """100 x 100: the tolerance is 1 pixel. Two halves that are some pixels off."""
    truth, prediction = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    truth[:, 50:], prediction[:, 50 + moved :] = 1, 1
    counted = BoundaryScores(3)
    counted.update(truth, prediction)
    assert counted.f()[:2].tolist() == [score, score]
    assert np.isnan(counted.f()[2])


def test_the_f_score_is_the_harmonic_mean_of_precision_and_recall() -> None:
    true, found = np.zeros((50, 50), bool), np.zeros((50, 50), bool)
    true[10, :40] = found[10, :10] = found[30, :10] = True  # half of what is found, and 11 of 40 (one beside it)
    assert f_score(true, found, 1) == pytest.approx(2 * 0.5 * (11 / 40) / (0.5 + 11 / 40))
    assert f_score(true, np.zeros_like(true), 1) == 0
