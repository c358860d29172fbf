"""Cross entropy: its mean, its sum, weighted by class, and of the hardest pixels.

Shapes: B batch, K classes, * pixels.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seglight.ignore import IGNORE_INDEX
from seglight.values import number, one_of


class CrossEntropy(nn.Module):
    """The mean over labelled pixels (0 where there is none), or the sum (the FCN authors' normalize: false)."""

    def __init__(self, reduction: Literal["mean", "sum"] = "mean") -> None:
        super().__init__()
        self.reduction = one_of("loss.reduction", reduction, ("mean", "sum"))

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        total = pixel_losses(logits, labels).sum()
        return total if self.reduction == "sum" else total / (labels != IGNORE_INDEX).sum().clamp(min=1)


class WeightedCrossEntropy(nn.Module):
    """The weighted mean, each class weighted by median frequency balancing over the data set's own pixels."""

    weights: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", None, persistent=False)

    def set_class_counts(self, counts: Tensor) -> None:
        """counts [K]: pixels of each class in the training split."""
        self.weights = median_frequency(counts)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.weights is None:
            raise ValueError("loss=weighted_ce has no class counts yet: set_class_counts(counts [K])")
        weights = pixel_weights(self.weights.to(logits.device), labels)
        return (weights * pixel_losses(logits, labels)).sum() / weights.sum().clamp(min=1e-12)


class OHEM(nn.Module):
    """The mean over hard pixels: those whose class got less than `threshold`, at least the `share` that is hardest.

    Online hard example mining (Shrivastava et al. 2016) on pixels.
    """

    def __init__(self, threshold: float = 0.7, share: float = 1 / 16) -> None:
        super().__init__()
        number("loss.threshold", threshold, 0, 1, above=True)
        number("loss.share", share, 0, 1)
        self.threshold, self.share = threshold, share

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses = pixel_losses(logits, labels)[labels != IGNORE_INDEX].sort(descending=True).values
        hard = int((losses > -math.log(self.threshold)).sum())
        kept = max(hard, int(self.share * len(losses)), 1)
        return losses[:kept].sum() / kept


def pixel_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy [B, *] of every pixel, 0 where it is not labelled."""
    rows = logits.float().movedim(1, -1)  # torch's softmax is faster along the last dimension than across it
    flat = F.cross_entropy(rows.flatten(0, -2), labels.long().flatten(), ignore_index=IGNORE_INDEX, reduction="none")
    return flat.view(labels.shape)


def pixel_weights(class_weights: Tensor, labels: Tensor) -> Tensor:
    """The weight [B, *] of every pixel's class, 0 where it is not labelled."""
    labelled = labels != IGNORE_INDEX
    return class_weights[labels.long() * labelled] * labelled


def median_frequency(counts: Tensor) -> Tensor:
    """Weights [K]: the median class's share of all labelled pixels over the class's own; 0 for an absent one.

    After Eigen & Fergus (2015, section 6.3.2), whose shares, which `check` prints, are of the images with the class.
    """
    counts = counts.double()
    present = counts > 0
    return torch.where(present, counts[present].median() / counts.clamp(min=1), 0.0).float()
