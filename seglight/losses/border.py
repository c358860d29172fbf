"""The U-Net's border-weighted cross entropy (Ronneberger et al. 2015, section 3, equation 2).

Shapes: B batch, K classes, H W pixels.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from seglight.ignore import IGNORE_INDEX
from seglight.losses.cross_entropy import median_frequency, pixel_losses, pixel_weights
from seglight.values import number


class Border(nn.Module):
    """Mean over labelled pixels of w(x) times the cross entropy; w is large on background between two close cells.

    w(x) = w_c(x) + w0 exp(-(d1 + d2)^2 / (2 sigma^2)), d1 and d2 the distances to the nearest and the second nearest
    cell, a cell a connected component of the other classes; w_c balances the classes where their counts are known.
    """

    weights: Tensor | None

    def __init__(self, w0: float = 10.0, sigma: float = 5.0, background: int = 0) -> None:
        super().__init__()
        number("loss.w0", w0)
        number("loss.sigma", sigma, above=True)
        if background not in range(IGNORE_INDEX):
            raise ValueError(f"loss.background={background}: the index of a class is needed")
        self.w0, self.sigma, self.background = w0, sigma, background
        self.register_buffer("weights", None, persistent=False)

    def set_class_counts(self, counts: Tensor) -> None:
        """counts [K]: pixels of each class in the training split."""
        self.weights = median_frequency(counts)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        if labels.dim() != 3:
            raise ValueError("loss=border needs whole masks [B, H, W]: it measures distances between their cells")
        labelled = labels != IGNORE_INDEX
        weights = labelled.float() if self.weights is None else pixel_weights(self.weights.to(labels.device), labels)
        weights = weights + self.border(labels)
        return (weights * pixel_losses(logits, labels)).sum() / labelled.sum().clamp(min=1)

    def border(self, labels: Tensor) -> Tensor:
        """w0 exp(...) [B, H, W] on background, 0 elsewhere."""
        maps = []
        for mask in labels.cpu().numpy():
            gap = two_nearest(~np.isin(mask, (self.background, IGNORE_INDEX)), reach=math.ceil(5 * self.sigma))
            maps.append(self.w0 * np.exp(-(gap**2) / (2 * self.sigma**2)) * (mask == self.background))
        return torch.from_numpy(np.stack(maps)).to(labels.device, torch.float32)


def two_nearest(cells: NDArray[np.bool_], reach: int) -> NDArray[np.float64]:
    """d1 + d2 of every pixel: to the nearest and the second nearest component; infinite beyond `reach`."""
    total = np.full(cells.shape, np.inf)
    components, count = ndimage.label(cells)
    if count < 2:
        return total
    nearest_distance, (rows, columns) = ndimage.distance_transform_edt(~cells, return_indices=True)
    nearest = components[rows, columns]
    for component, box in enumerate(ndimage.find_objects(nearest), 1):
        window = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        others = cells[window] & (components[window] != component)
        here = nearest[window] == component
        if others.any():
            second = ndimage.distance_transform_edt(~others)
            total[window][here] = (nearest_distance[window] + second)[here]
    return total
