"""A small version of experiments/verdict/coverage.py: intervals hold the mIoU of a population that is known."""

from __future__ import annotations

import runpy
from pathlib import Path

from scipy.stats import binom

EXPERIMENT = Path(__file__).resolve().parents[2] / "experiments" / "verdict" / "coverage.py"


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    trials = 40
    hits = runpy.run_path(str(EXPERIMENT))["covered"](60, trials)
    assert min(hits) >= binom.ppf(0.001, trials, 0.93)  # 95 %, less what is asked of so few images
