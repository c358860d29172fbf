"""How much more images would bring: a learning curve over the number of training images."""

# Shapes: R resamples, F fractions

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seglight.results.cells import Cell
from seglight.results.costs import number
from seglight.results.estimate import LEVEL, Estimate

AXES = ("data.fraction", "data.train_images")
LEAST = 3  # sizes, for a curve with three unknowns
POWERS = np.linspace(0.05, 2, 40)  # of n in score = ceiling - gap n^-power
Array = NDArray[np.float64]


@dataclass(frozen=True)
class LearningCurve:
    """Scores at several sizes with all else equal, and what twice the largest is expected to add, with its interval."""

    axis: str
    name: str  # the levels of all other axes
    cells: list[int]
    sizes: list[float]
    doubled: float
    low: float
    high: float


def learning_curves(cells: Sequence[Cell], estimate: Estimate) -> list[LearningCurve]:
    """One curve for each setting of the other axes that has three sizes or more."""
    curves = []
    for axis in AXES:
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for at, cell in enumerate(cells):
            if (size := number(cell.axes.get(axis))) is not None and size > 0:
                groups[tuple(f"{key}={level}" for key, level in cell.axes.items() if key != axis)].append(at)
        for others, members in groups.items():
            members.sort(key=lambda at: float(cells[at].axes[axis]))
            sizes = [float(cells[at].axes[axis]) for at in members]
            if len(set(sizes)) < LEAST:
                continue
            fitted = gain_of_doubling(np.array(sizes), estimate.value[members] + np.zeros((1, 1)))[0]
            draws = gain_of_doubling(np.array(sizes), estimate.value[members] + estimate.draws[:, members])
            low, high = np.quantile(draws, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
            curves.append(LearningCurve(axis, " ".join(others), members, sizes, float(fitted), float(low), float(high)))
    return curves


def gain_of_doubling(sizes: Array, scores: Array) -> Array:
    """What a power law (Hestness et al. 2017) through scores [R, F] adds from the largest size to twice that, [R]."""
    best = np.full(len(scores), np.inf)
    gain = np.zeros(len(scores))
    for power in POWERS:
        design = np.stack([np.ones_like(sizes), -((sizes / sizes.max()) ** -power)], 1)
        solution = np.linalg.pinv(design) @ scores.T  # [2, R]: ceiling, gap
        solution[1] = np.maximum(solution[1], 0)  # more images do no harm
        solution[0] = (scores.T + solution[1] * (sizes[:, None] / sizes.max()) ** -power).mean(0)
        error = ((design @ solution - scores.T) ** 2).sum(0)
        better = error < best
        best[better] = error[better]
        gain[better] = (solution[1] * (1 - 2.0**-power))[better]
    return gain
