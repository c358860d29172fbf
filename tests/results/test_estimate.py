"""Intervals hold as often as they say, and equal cells are seldom called winner and loser."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import binom

from seglight.results.estimate import Estimate, best_cells

RESAMPLES = 1000


def trained(rng: np.random.Generator, truth: np.ndarray, seeds: int, images: int = 60, sd: float = 0.01) -> Estimate:
    """Cells whose true means are `truth`, each of `seeds` runs that scatter by `sd`, scored as a mean over images."""
    runs = np.repeat(truth, seeds) + rng.normal(0, sd, len(truth) * seeds)
    scores = 0.5 + runs[:, None] + rng.normal(0, 0.1, images) + rng.normal(0, 0.03, (len(runs), images))
    drawn = rng.multinomial(images, np.ones(images) / images, RESAMPLES) / images
    cells = [list(range(at * seeds, (at + 1) * seeds)) for at in range(len(truth))]
    return Estimate.of(scores.mean(1), drawn @ scores.T, cells, rng)


def least_likely(trials: int, rate: float) -> int:
    """How many false winners chance alone gives in fewer than 1 of 1000 tests at this rate."""
    return int(binom.ppf(0.999, trials, rate))


@pytest.mark.parametrize("cells", [2, 6])
def test_cells_that_differ_in_nothing_name_a_false_winner_in_5_percent_at_most(cells: int) -> None:
    rng, trials = np.random.default_rng(0), 150
    false = sum(bool(best_cells(trained(rng, np.zeros(cells), 2))[1]) for _ in range(trials))
    assert false <= least_likely(trials, 0.05)


def test_cells_that_differ_by_two_points_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    found = [best_cells(trained(rng, np.array([0, 0.02]), 5, sd=0.005)) for _ in range(40)]
    right = [members == [1] for members, _ in found]
    assert np.mean(right) >= 0.9
    _, (beaten,) = found[right.index(True)]
    assert (beaten.cell, beaten.winner) == (0, 1)
    assert 0 < beaten.low < beaten.difference < beaten.high < 0.05


def test_the_interval_of_a_difference_covers_the_truth_with_two_seeds_a_cell() -> None:
    rng, trials = np.random.default_rng(0), 200
    hits = 0
    for _ in range(trials):
        found = trained(rng, np.array([0.0, 0.02]), 2).contrasts(np.array([[-1.0, 1.0]]))
        hits += bool(found.low[0] <= 0.02 <= found.high[0])
    assert trials - hits <= least_likely(trials, 0.05)


def test_one_seed_a_cell_covers_the_images_alone_and_one_cell_with_several_lends_its_seeds() -> None:
    rng = np.random.default_rng(0)
    assert trained(rng, np.zeros(3), 1).covers == "images"
    scores = np.array([0.50, 0.52, 0.53])
    resampled = scores + rng.normal(0, 0.001, (RESAMPLES, 1))  # all images are hard for all runs alike
    alone = Estimate.of(scores, resampled, [[0], [1], [2]], rng)
    borrowed = Estimate.of(scores, resampled, [[0, 1], [2]], rng)
    assert borrowed.covers == "images and seeds"
    assert borrowed.seed_sd == pytest.approx(0.02 / np.sqrt(2))  # of 0.50 and 0.52
    assert best_cells(alone)[0] == [2]
    assert best_cells(borrowed)[0] == [1, 0]  # 0.02 is no more than the seeds of cell 0 differ by


def test_the_best_cells_are_those_of_the_model_confidence_set() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from arch.bootstrap import MCS
    rng, images = np.random.default_rng(3), 200
    for gaps in ([0, 0, 0, 0.03, 0.06], [0, 0.02, 0.04, 0.06, 0.08], [0, 0, 0, 0, 0]):
        losses = rng.normal(0, 0.1, (images, 1)) + rng.normal(0, 0.05, (images, 5)) + np.array(gaps)
        theirs = MCS(losses, size=0.05, reps=RESAMPLES, method="R", bootstrap="stationary", block_size=1, seed=1)
        theirs.compute()
        drawn = rng.multinomial(images, np.ones(images) / images, RESAMPLES) / images
        ours = best_cells(Estimate.of(-losses.mean(0), drawn @ -losses, [[at] for at in range(5)], rng))[0]
        clear = theirs.pvalues[(theirs.pvalues.Pvalue < 0.03) | (theirs.pvalues.Pvalue > 0.07)].index
        assert set(ours) & set(clear) == set(theirs.included) & set(clear)


def test_two_runs_with_the_same_scores_cannot_be_told_apart() -> None:
    scores = np.array([0.5, 0.5])
    resampled = np.repeat(np.random.default_rng(0).normal(0.5, 0.01, (RESAMPLES, 1)), 2, 1)
    members, beaten = best_cells(Estimate.of(scores, resampled, [[0], [1]], np.random.default_rng(0)))
    assert (sorted(members), beaten) == ([0, 1], [])
