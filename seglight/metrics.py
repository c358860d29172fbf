"""Every score from one confusion matrix, summed over the whole split and all ranks.

Shapes: B batch, H W pixels, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from seglight.ignore import IGNORE_INDEX


class SegmentationMetrics(MulticlassConfusionMatrix):
    """torchmetrics' confusion matrix [K, K] int64 (rows ground truth, columns prediction) and the scores it gives.

    `update(pred [B, H, W], mask [B, H, W])` counts every pixel whose label is not 255; `compute()` is the matrix,
    summed over ranks.
    """

    def __init__(self, num_classes: int, classes: Sequence[str] | None = None) -> None:
        super().__init__(num_classes=num_classes, ignore_index=IGNORE_INDEX, validate_args=False)
        self.classes = list(classes or (str(k) for k in range(num_classes)))

    def scores(self) -> dict[str, float]:
        """`scores(confusion, classes)` of all that was counted, on every rank."""
        return scores(self.compute(), self.classes)


def scores(confusion: Tensor, classes: Sequence[str]) -> dict[str, float]:
    """miou, pixel_acc, mean_acc, fw_iou and iou/<class> from a confusion matrix [K, K], in float64.

    As the FCN authors' score.py (Long et al. 2015, section 5): a class absent from ground truth and prediction is NaN
    and left out of the means; mean accuracy averages the classes that occur in ground truth.
    """
    counts = confusion.double().cpu()
    correct, truth, predicted = counts.diag(), counts.sum(1), counts.sum(0)
    total = truth.sum()
    iou = correct / (truth + predicted - correct)  # 0/0 is NaN: the class never occurs
    frequency = truth / total
    return {
        "miou": iou.nanmean().item(),
        "pixel_acc": (correct.sum() / total).item(),
        "mean_acc": (correct / truth).nanmean().item(),
        "fw_iou": (frequency[truth > 0] * iou[truth > 0]).sum().item() if total > 0 else float("nan"),
        **{f"iou/{name}": value.item() for name, value in zip(classes, iou, strict=True)},
    }


def class_table(confusion: Tensor, classes: Sequence[str]) -> list[dict[str, float | str]]:
    """One row a class: IoU, accuracy (recall), precision and the pixels it has in ground truth."""
    counts = confusion.double().cpu()
    correct, truth, predicted = counts.diag(), counts.sum(1), counts.sum(0)
    columns = torch.stack([correct / (truth + predicted - correct), correct / truth, correct / predicted, truth], 1)
    return [
        {"class": name, "iou": iou, "accuracy": accuracy, "precision": precision, "pixels": int(pixels)}
        for name, (iou, accuracy, precision, pixels) in zip(classes, columns.tolist(), strict=True)
    ]
