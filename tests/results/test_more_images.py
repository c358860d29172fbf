"""What twice the training images would bring follows the power law that the scores follow."""

from __future__ import annotations

import numpy as np
import pytest

from seglight.results.cells import Cell
from seglight.results.estimate import Estimate
from seglight.results.more_images import learning_curves


def estimate(values: np.ndarray, noise: float) -> Estimate:
    draws = values + np.random.default_rng(0).normal(0, noise, (500, len(values)))
    return Estimate.of(values, draws, [[at] for at in range(len(values))], np.random.default_rng(0))


def test_a_doubling_brings_what_the_power_law_says() -> None:
    sizes = np.array([0.125, 0.25, 0.5, 1.0])
    cells = [Cell({"data.fraction": str(size)}) for size in sizes]
    (curve,) = learning_curves(cells, estimate(0.8 - 0.1 * sizes**-0.5, 0.001))
    assert curve.sizes == sizes.tolist()
    assert curve.doubled == pytest.approx(0.1 * (1 - 2**-0.5), abs=0.002)
    assert curve.low < 0.1 * (1 - 2**-0.5) < curve.high


def test_two_sizes_are_no_curve_and_other_axes_make_curves_of_their_own() -> None:
    cells = [Cell({"data.fraction": f, "skips": s}) for s in ("none", "add8") for f in ("0.25", "0.5", "1")]
    values = np.array([0.4, 0.5, 0.55, 0.45, 0.53, 0.57])
    assert [curve.name for curve in learning_curves(cells, estimate(values, 0.01))] == ["skips=none", "skips=add8"]
    assert learning_curves(cells[:2], estimate(values[:2], 0.01)) == []
