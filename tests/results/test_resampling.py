"""Scores on resampled images are those of the images drawn, exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seglight.metrics import scores
from seglight.results.resampling import SCORES, Scores, resample, weights


def counts(runs: int = 3, images: int = 7, classes: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    confusion = rng.integers(0, 50_000, (runs, images, classes, classes)) * (rng.random((images, classes, 1)) < 0.5)
    confusion += np.swapaxes(np.zeros_like(confusion), -1, -2)
    gt = confusion[0].sum(-1)
    tp = np.minimum(np.diagonal(confusion, axis1=-2, axis2=-1), gt)
    return tp, gt, tp + rng.integers(0, 100, (runs, images, classes))


def test_scores_are_those_of_the_confusion_matrix() -> None:
    confusion = torch.tensor([[50, 3, 0], [7, 20, 0], [0, 0, 0]])
    want = scores(confusion, ("a", "b", "absent"))
    c = confusion.numpy().astype(float)
    got = Scores.of(np.diag(c)[None], c.sum(1)[None], c.sum(0)[None])
    assert {name: got.overall[name].item() for name in SCORES} == pytest.approx({name: want[name] for name in SCORES})
    assert got.iou[0, :2].tolist() == pytest.approx([want["iou/a"], want["iou/b"]])
    assert np.isnan(got.iou[0, 2])


def test_every_run_is_scored_on_the_same_drawn_images_to_the_last_bit() -> None:
    tp, gt, pred = counts()
    got = resample(tp, gt, pred, [7], 300, np.random.default_rng(5))
    drawn = np.concatenate(list(weights([7], 300, np.random.default_rng(5)))).astype(np.int64)
    for at in (0, 255, 256, 299):  # on both sides of a border between chunks
        images = np.repeat(np.arange(7), drawn[at])  # image by image, in whole numbers
        want = Scores.of(
            *(a.astype(float) for a in (tp[:, images].sum(1), gt[images].sum(0)[None], pred[:, images].sum(1)))
        )
        for name in SCORES:
            assert got.overall[name][at].tolist() == want.overall[name].tolist()


def test_each_data_set_keeps_its_number_of_images() -> None:
    drawn = np.concatenate(list(weights([3, 5], 400, np.random.default_rng(0))))
    assert drawn.shape == (400, 8)
    assert (drawn[:, :3].sum(1) == 3).all()
    assert (drawn[:, 3:].sum(1) == 5).all()
    assert drawn.mean(0) == pytest.approx(np.ones(8), abs=0.2)
