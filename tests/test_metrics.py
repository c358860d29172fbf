"""Scores are those of the FCN authors' score.py, whatever the batches, ranks or absent classes."""

import math

import numpy as np
import pytest
import torch

from seglight.metrics import SegmentationMetrics, class_table, scores


def reference(truth: np.ndarray, pred: np.ndarray, k: int) -> dict[str, float]:
    """Written from the definitions: hist[gt, pred] over 0 <= gt < K."""
    valid = truth < k
    hist = np.bincount(k * truth[valid].astype(int) + pred[valid], minlength=k * k).reshape(k, k)
    with np.errstate(invalid="ignore", divide="ignore"):
        iu = np.diag(hist) / (hist.sum(1) + hist.sum(0) - np.diag(hist))
        acc = np.diag(hist) / hist.sum(1)
    freq = hist.sum(1) / hist.sum()
    return {
        "miou": np.nanmean(iu),
        "pixel_acc": np.diag(hist).sum() / hist.sum(),
        "mean_acc": np.nanmean(acc),
        "fw_iou": (freq[freq > 0] * iu[freq > 0]).sum(),
    }


def sample(k: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, k - 1, (6, 17, 23)).astype(np.uint8)  # the last class never occurs
    truth[draw.random(truth.shape) < 0.1] = 255
    pred = np.where(draw.random(truth.shape) < 0.6, truth, draw.integers(0, k - 1, truth.shape)) % (k - 1)
    return torch.from_numpy(truth), torch.from_numpy(pred.astype(np.int64))


def test_scores_are_the_published_ones() -> None:
    truth, pred = sample()
    metrics = SegmentationMetrics(5, "abcde")
    metrics.update(pred, truth)
    expected = reference(truth.numpy(), pred.numpy(), 5)
    got = metrics.scores()
    assert {key: pytest.approx(value, abs=1e-12) for key, value in expected.items()} == {k: got[k] for k in expected}


def test_a_score_does_not_depend_on_the_batches() -> None:
    truth, pred = sample()
    whole, pieces = SegmentationMetrics(5), SegmentationMetrics(5)
    whole.update(pred, truth)
    for i in range(len(pred)):
        pieces.update(pred[i : i + 1], truth[i : i + 1])
    assert torch.equal(whole.compute(), pieces.compute())
    assert whole.compute().dtype == torch.int64


def test_an_absent_class_is_nan_and_left_out_of_the_mean() -> None:
    confusion = torch.tensor([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    got = scores(confusion, ["sky", "road", "train"])
    assert math.isnan(got["iou/train"])
    assert got["miou"] == pytest.approx((3 / 4 + 4 / 5) / 2)


def test_a_class_only_in_the_prediction_counts_as_zero() -> None:
    got = scores(torch.tensor([[3, 0, 1], [0, 4, 0], [0, 0, 0]]), ["sky", "road", "train"])
    assert got["iou/train"] == 0
    assert got["miou"] == pytest.approx((3 / 4 + 1 + 0) / 3)
    assert got["mean_acc"] == pytest.approx((3 / 4 + 1) / 2)


def test_nothing_but_ignored_pixels_is_nan_not_a_number() -> None:
    metrics = SegmentationMetrics(2)
    metrics.update(torch.zeros(1, 2, 2, dtype=torch.long), torch.full((1, 2, 2), 255, dtype=torch.uint8))
    assert all(math.isnan(value) for value in metrics.scores().values())


def test_the_table_has_precision_and_pixels() -> None:
    rows = class_table(torch.tensor([[3, 1], [2, 4]]), ["sky", "road"])
    assert rows[0] == {"class": "sky", "iou": 0.5, "accuracy": 0.75, "precision": pytest.approx(0.6), "pixels": 4}
