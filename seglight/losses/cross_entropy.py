"""Cross entropy in its forms. Shapes: B batch, K classes, * pixels."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

IGNORE_INDEX = 255


class CrossEntropy(nn.Module):
    """The mean over labelled pixels (0 where there is none), or the sum (the FCN authors' normalize: false)."""

    def __init__(self, reduction: Literal["mean", "sum"] = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        labels = labels.long()
        total = F.cross_entropy(logits.float(), labels, ignore_index=IGNORE_INDEX, reduction="sum")
        return total if self.reduction == "sum" else total / (labels != IGNORE_INDEX).sum().clamp(min=1)
