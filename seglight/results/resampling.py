"""Scores of many runs on resampled images: counts are summed by matrix products, never image by image.

The sums are exact: every count and every sum of counts is a whole number below 2^53, which float64 holds.
"""

# Shapes: R resamples, N images, M runs, K classes

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SCORES = ("miou", "pixel_acc", "mean_acc", "fw_iou")
ROWS = 256  # resamples at a time: their weights and sums stay in the processor's cache
CLASS_RESAMPLES = 2000  # of the IoU of each class: enough for its interval, and 150 classes fit in memory


@dataclass(frozen=True)
class Scores:
    """`SCORES` by name, each [..., M], and `iou` [..., M, K]; an absent class is NaN."""

    overall: dict[str, Array]
    iou: Array

    @classmethod
    def of(cls, tp: Array, gt: Array, pred: Array) -> Scores:
        """From pixel counts: tp and pred [..., M, K], gt [..., 1, K]; as `seglight.metrics.scores`."""
        with np.errstate(invalid="ignore", divide="ignore"):
            union = gt + pred - tp
            iou = tp / union
            there = union > 0
            total = gt.sum(-1)
            overall = {
                "miou": np.where(there, iou, 0).sum(-1) / there.sum(-1),
                "pixel_acc": tp.sum(-1) / total,
                "mean_acc": np.where(gt > 0, tp / gt, 0).sum(-1) / (gt > 0).sum(-1),
                "fw_iou": (np.where(gt > 0, iou, 0) * gt).sum(-1) / total,
            }
        return cls(overall, iou)


def weights(sizes: Sequence[int], resamples: int, rng: np.random.Generator) -> Iterator[Array]:
    """How often each image is drawn, [<=ROWS, N] at a time; `sizes` images of each data set are drawn within it."""
    for start in range(0, resamples, ROWS):
        rows = min(ROWS, resamples - start)
        parts = []
        for size in sizes:
            drawn = rng.integers(0, size, (rows, size)) + np.arange(rows)[:, None] * size
            parts.append(np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size))
        yield np.concatenate(parts, 1).astype(np.float64)


def resample(
    tp: NDArray[np.int64], gt: NDArray[np.int64], pred: NDArray[np.int64], sizes: Sequence[int], resamples: int,
    rng: np.random.Generator,
) -> Scores:  # fmt: skip
    """Scores on R resamples of the images: tp and pred [M, N, K], gt [N, K]. Every run gets the same images.

    `iou` has the first CLASS_RESAMPLES of them alone.
    """
    runs, _, classes = tp.shape
    columns = np.concatenate([*tp, *pred, gt], 1).astype(np.float64)  # [N, (2 M + 1) K]
    overall: dict[str, list[Array]] = {name: [] for name in SCORES}
    iou: list[Array] = []
    done = 0
    for drawn in weights(sizes, resamples, rng):
        sums = (drawn @ columns).reshape(len(drawn), 2 * runs + 1, classes)
        scores = Scores.of(sums[:, :runs], sums[:, -1:], sums[:, runs:-1])
        for name, values in scores.overall.items():
            overall[name].append(values)
        if done < CLASS_RESAMPLES:
            iou.append(scores.iou.astype(np.float32))
        done += len(drawn)
    return Scores({name: np.concatenate(parts) for name, parts in overall.items()}, np.concatenate(iou))
