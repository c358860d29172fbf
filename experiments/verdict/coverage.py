"""How often the interval of mIoU holds the truth: images are drawn from a population whose mIoU is known.

    python experiments/verdict/coverage.py [TRIALS]

An image has some of the classes, a rare class in 1 image of 20. How many of its pixels are right varies from image to
image around a known share of each class. The truth is the mIoU of 200,000 such images.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.stats import binomtest

from seglight.results.estimate import Estimate
from seglight.results.resampling import Scores, resample

CLASSES, PIXELS, RESAMPLES = 8, 4000, 1000
OCCURS = np.array([1, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05])  # the share of images that has each class
RIGHT = np.array([0.95, 0.8, 0.75, 0.7, 0.85, 0.6, 0.7, 0.65])  # of its pixels


def draw(images: int, rng: np.random.Generator, better: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """tp, gt and pred [N, K] of images; `better` shifts how many pixels are right."""
    there = rng.random((images, CLASSES)) < OCCURS
    there[:, 0] = True
    gt = (there * PIXELS * rng.gamma(2, 0.5, (images, CLASSES))).astype(np.int64)
    right = np.clip(RIGHT + better + rng.normal(0, 0.1, (images, CLASSES)), 0, 1)
    tp = rng.binomial(gt, right)
    wrong = gt - tp
    pred = tp.copy()
    for truth in range(CLASSES):  # a wrong pixel falls on any class of the image, most on the background
        to = there * np.where(np.arange(CLASSES) == 0, 3.0, 1.0)
        to[:, truth] = 1e-9
        pred += rng.multinomial(wrong[:, truth], to / to.sum(1, keepdims=True))
    return tp, gt, pred


def miou(counts: tuple[np.ndarray, ...]) -> float:
    tp, gt, pred = (count.sum(0).astype(float) for count in counts)
    return float(Scores.of(tp[None], gt[None], pred[None]).overall["miou"][0])


def covered(images: int, trials: int, seed: int = 0) -> tuple[int, int]:
    """In how many trials the interval of a run's mIoU, and of a paired difference, holds the truth."""
    rng = np.random.default_rng(seed)
    truth = [miou(draw(200_000, np.random.default_rng(99), better)) for better in (0.0, 0.02)]
    alone = paired = 0
    for _ in range(trials):
        state = rng.integers(1 << 62)
        one, other = (draw(images, np.random.default_rng(state), better) for better in (0.0, 0.02))
        assert (one[1] == other[1]).all()  # the same images
        tp, pred = np.stack([one[0], other[0]]), np.stack([one[2], other[2]])
        drawn = resample(tp, one[1], pred, [images], RESAMPLES, rng)
        estimate = Estimate.of(np.array([miou(one), miou(other)]), drawn.overall["miou"], [[0], [1]], rng)
        low, high = estimate.interval()
        alone += bool(low[0] <= truth[0] <= high[0])
        found = estimate.contrasts(np.array([[-1.0, 1.0]]))
        paired += bool(found.low[0] <= truth[1] - truth[0] <= found.high[0])
    return alone, paired


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    for images in (50, 100, 400):
        for what, hits in zip(("mIoU", "a paired difference"), covered(images, trials), strict=True):
            bound = binomtest(hits, trials).proportion_ci(0.95)
            print(f"{images} images, {what}: {hits / trials:.1%} of {trials} ({bound.low:.1%} to {bound.high:.1%})")
