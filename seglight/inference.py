"""From images to logits at evaluation: plain torch, no Lightning.

Shapes: B batch, K classes, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass
class Inference:
    """Whole images in one pass."""

    def __call__(self, net: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Logits [B, K, H, W] of uint8 images [B, 3, H, W], float32."""
        return net(images).float()
