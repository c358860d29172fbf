"""How sure the scores of cells are: images resampled, seeds as the outer level, differences paired by image.

A cell is all runs that differ in the seed alone. Its score is the mean over its runs. Two things make it uncertain:

images: all runs are scored again on the same resampled images. What is hard for all cells alike cancels in differences.

seeds: with few runs a cell, resampling them would understate how much they vary (with two runs by half). So the
variance between seeds is pooled over all cells that have several runs. It enters as Student's t, with as many degrees
of freedom as it was measured with. This supposes that seeds move every cell about as much. A cell with one run borrows
it. Where no cell has two runs it cannot be known: then intervals cover the images alone, and not another training.
"""

# Shapes: R resamples, M runs, C cells, P contrasts

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Contrasts:
    """Weighted sums of cells' scores with intervals [P] that all hold together at 95 %."""

    value: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Estimate:
    """A score of C cells: `value` [C], `draws` [R, C] of its deviation, and the seeds' variance where it is known."""

    value: Array
    draws: Array  # images and, where known, seeds
    images: Array  # [C, C], the covariance that images cause
    seeds: Array  # [C], how many runs each cell has
    seed_sd: float | None  # between runs of a cell
    freedom: int  # degrees of freedom behind `seed_sd`

    @classmethod
    def of(cls, scores: Array, resampled: Array, cells: Sequence[Sequence[int]], rng: np.random.Generator) -> Estimate:
        """From runs' scores [M], the same resampled [R, M], and the runs' indices in each cell."""
        mean = np.zeros((len(scores), len(cells)))
        for column, runs in enumerate(cells):
            mean[runs, column] = 1 / len(runs)
        present = np.nan_to_num(scores)
        value = present @ mean
        image_draws = np.nan_to_num(resampled - present) @ mean
        counts = np.array([len(runs) for runs in cells], float)
        freedom = int((counts - 1).sum())
        squares = sum(float(((present[runs] - present[runs].mean()) ** 2).sum()) for runs in map(list, cells))
        covariance = np.atleast_2d(np.cov(image_draws, rowvar=False))
        if freedom == 0:
            return cls(value, image_draws, covariance, counts, None, 0)
        sd = float(np.sqrt(squares / freedom))
        scale = np.sqrt(freedom / rng.chisquare(freedom, (len(resampled), 1)))
        seed_draws = sd * scale * rng.standard_normal(image_draws.shape) / np.sqrt(counts)
        return cls(value, image_draws + seed_draws, covariance, counts, sd, freedom)

    @property
    def covers(self) -> str:
        """What the intervals cover, in words."""
        return "images" if self.seed_sd is None else "images and seeds"

    def interval(self) -> tuple[Array, Array]:
        """Each cell's own 95 % interval, by percentiles; a score is between 0 and 1."""
        low, high = np.quantile(self.draws, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
        return np.clip(self.value + low, 0, 1), np.clip(self.value + high, 0, 1)

    def spread(self, weights: Array) -> Array:
        """The standard error [P] of contrasts [P, C], from the images' covariance and the seeds' variance."""
        variance = np.einsum("pc,cd,pd->p", weights, self.images, weights, optimize=True)
        if self.seed_sd is not None:
            variance = variance + (weights**2 / self.seeds) @ np.full(len(self.seeds), self.seed_sd**2)
        spread: Array = np.sqrt(np.maximum(variance, 0))
        return spread

    def contrasts(self, weights: Array) -> Contrasts:
        """Contrasts [P, C]; their intervals hold together: their width comes from the largest of P deviations."""
        if not len(weights):
            return Contrasts(*(np.zeros(0) for _ in range(3)))
        value, spread = weights @ self.value, self.spread(weights)
        largest = np.zeros(len(self.draws))
        for start in range(0, len(weights), 64):
            part = slice(start, start + 64)
            deviation = np.abs(self.draws @ weights[part].T) / np.where(spread[part] > 0, spread[part], np.inf)
            np.maximum(largest, deviation.max(1), out=largest)
        margin = np.quantile(largest, LEVEL) * spread
        return Contrasts(value, value - margin, value + margin)


@dataclass(frozen=True)
class Beaten:
    """A cell that another one beats: by how much, with an interval that is corrected for the number of cells."""

    cell: int
    winner: int
    difference: float
    low: float
    high: float


def best_cells(estimate: Estimate) -> tuple[list[int], list[Beaten]]:
    """The cells that cannot be told from the best at 95 %, best first, and those that it beats.

    The model confidence set (Hansen, Lunde & Nason 2011) with the range statistic, by step-down: while the largest
    difference within the set is clear among all its pairs, the cells that another one clearly beats leave the set. All
    cells that are equally good to the truth stay in it together with a probability of 95 % or more.
    """
    left = np.argsort(-estimate.value, kind="stable")
    beaten: list[Beaten] = []
    while len(left) > 1:
        draws, value = estimate.draws[:, left], estimate.value[left]
        largest = np.zeros(len(draws))
        spreads = np.zeros((len(left), len(left)))
        for one in range(len(left) - 1):
            weights = np.zeros((len(left) - one - 1, len(estimate.value)))
            weights[:, left[one]] = 1
            weights[np.arange(len(weights)), left[one + 1 :]] = -1
            spreads[one, one + 1 :] = spread = estimate.spread(weights)
            deviation = np.abs(draws[:, one, None] - draws[:, one + 1 :])
            deviation /= np.where(spread > 0, spread, np.inf)
            np.maximum(largest, deviation.max(1), out=largest)
        critical = float(np.quantile(largest, LEVEL))
        margins = critical * spreads
        difference = value[:, None] - value[None, :]  # rows are better, for the set is sorted
        loses = (np.triu(difference - margins, 1) > 0).any(0)
        if not loses.any():
            break
        for at in np.flatnonzero(loses):
            lower = difference[:at, at] - margins[:at, at]
            row = 0 if lower[0] > 0 else int(lower.argmax())  # the best one, where that is clear
            by, margin = float(difference[row, at]), float(margins[row, at])
            beaten.append(Beaten(int(left[at]), int(left[row]), by, by - margin, by + margin))
        left = left[~loses]
    return [int(cell) for cell in left], sorted(beaten, key=lambda b: b.difference)
