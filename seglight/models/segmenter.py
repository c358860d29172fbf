"""What every network of seglight is: images in, logits out, and how it trains.

Shapes: B batch, K classes, H W pixels, N sampled pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from torch import Tensor, nn

from seglight.models.encoder import Encoder

TrainingPair = tuple[Tensor, Tensor, float]  # logits [B, K, *], labels [B, *], weight in the loss


class Segmenter(nn.Module):
    """`forward(images [B, 3, H, W] uint8 RGB) -> logits [B, K, H, W]`, for any H and W >= 1."""

    encoder: Encoder

    def __init__(self, encoder: Encoder, num_classes: int) -> None:
        super().__init__()
        self.encoder, self.num_classes = encoder, num_classes
        self.held: list[nn.Module] = []

    def training_pairs(self, images: Tensor, masks: Tensor) -> list[TrainingPair]:
        """What the training loss is computed on: the sum of weight * loss(logits, labels)."""
        return [(self(images), masks, 1.0)]

    def head_modules(self) -> list[nn.Module]:
        """The score layers: what freeze=head_only trains."""
        raise NotImplementedError

    def hold_eval(self, modules: Iterable[nn.Module]) -> None:
        """Those modules stay in eval mode through train(): frozen norms keep their statistics, dropout is off."""
        self.held = list(modules)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self.held:
            module.eval()
        return self
