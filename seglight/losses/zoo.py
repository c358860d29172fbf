"""segmentation_models_pytorch's losses, with their numbers checked; `options` are the library's own."""

from __future__ import annotations

from typing import Any

import segmentation_models_pytorch.losses as library
from torch import nn

from seglight.values import number


def dice(smooth: float = 0.0, **options: Any) -> nn.Module:
    """Soft Dice, the mean over all classes (Milletari et al. 2016). smooth: added to both counts of pixels."""
    number("loss.smooth", smooth)
    loss: nn.Module = library.DiceLoss(smooth=smooth, **options)
    return loss


def focal(gamma: float = 2.0, **options: Any) -> nn.Module:
    """One against the rest, each class (Lin et al. 2017). gamma: how little easy pixels count; 0: as all others."""
    number("loss.loss.gamma", gamma)
    loss: nn.Module = library.FocalLoss(gamma=gamma, **options)
    return loss


def lovasz(**options: Any) -> nn.Module:
    """A surrogate of the IoU (Berman et al. 2018)."""
    loss: nn.Module = library.LovaszLoss(**options)
    return loss
