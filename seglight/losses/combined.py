"""Losses made of losses. Shapes: B batch, K classes, * pixels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from seglight.ignore import IGNORE_INDEX
from seglight.values import number


class Sum(nn.Module):
    """A weighted sum of losses."""

    def __init__(self, losses: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        if len(weights) != len(losses):
            raise ValueError(f"loss.weights={list(weights)}: {len(losses)} numbers are needed, one for each loss")
        for weight in weights:
            number("loss.weights", weight)
        self.losses, self.weights = nn.ModuleList(losses), list(weights)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        total: Tensor = sum(w * loss(logits, labels) for w, loss in zip(self.weights, self.losses, strict=True))  # type: ignore[assignment]
        return total


class Labelled(nn.Module):
    """Another library's loss: 0 for a batch without a label, and pixels in a row are an image of one column.

    segmentation_models_pytorch's focal loss is NaN and its Lovász loss no scalar without a label, and that takes
    logits [B, K, N] for those of a single class.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        if bool((labels == IGNORE_INDEX).all()):
            return logits.sum() * 0.0
        if logits.dim() == 3:
            logits, labels = logits[..., None], labels[..., None]
        return self.loss(logits.float(), labels.long())  # type: ignore[no-any-return]
