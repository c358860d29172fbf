"""Whether a network is right as often as it is sure: expected calibration error (Guo et al. 2017, section 3)."""

# Shapes: B batch, K classes, H W pixels, M bins

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from seglight.ignore import IGNORE_INDEX

BINS = 15  # the paper's


class Calibration(Metric):
    """Pixels by how sure the network was of its class, in M bins of equal width, summed over ranks.

    `update(logits [B, K, H, W], mask [B, H, W])`; `compute()` is a table [M, 3], float64: pixels, how many of them were
    right, the sum of their confidences. 255 is left out.
    """

    def __init__(self, bins: int = BINS) -> None:
        super().__init__()
        self.add_state("table", torch.zeros(bins, 3, dtype=torch.float64), dist_reduce_fx="sum")
        self.table: Tensor

    def update(self, logits: Tensor, mask: Tensor) -> None:
        labelled = mask != IGNORE_INDEX
        sure, predicted = (values[labelled] for values in logits.softmax(1).max(1))
        bins = len(self.table)
        place = (sure * bins).long().clamp_(max=bins - 1)
        for column, weights in enumerate((None, (predicted == mask[labelled]).double(), sure.double())):
            self.table[:, column] += torch.bincount(place, weights, minlength=bins)

    def compute(self) -> Tensor:
        return self.table


def expected_calibration_error(table: Any) -> float:
    """The mean distance of confidence and accuracy over the pixels; NaN where there are none."""
    pixels, right, sure = torch.as_tensor(table).cpu().T
    return float((right - sure).abs().sum() / pixels.sum())
