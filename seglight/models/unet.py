"""The U-Net decoder over any encoder (Ronneberger et al. 2015, section 2; in segmentation_models_pytorch's form).

Shapes: B batch, C channels, K classes, H W pixels, s stride.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seglight.models.encoder import Encoder
from seglight.models.skips import Skips


class ConvNormReLU(nn.Sequential):
    """3x3 convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        )


class UpBlock(nn.Module):
    """Nearest upsampling to the finer map's size, the skip joined, two convolutions."""

    def __init__(self, inputs: int, skip: int, outputs: int, op: str, scale: float = 1.0) -> None:
        super().__init__()
        self.op, self.scale = op, scale
        self.project = nn.Conv2d(skip, inputs, 1) if op == "add" else None
        self.conv1 = ConvNormReLU(inputs + (skip if op == "concat" else 0), outputs)
        self.conv2 = ConvNormReLU(outputs, outputs)

    def forward(self, x: Tensor, finer: Tensor | None, size: tuple[int, int]) -> Tensor:
        x = F.interpolate(x, size, mode="nearest")
        if finer is not None:
            finer = finer * self.scale if self.scale != 1.0 else finer
            x = torch.cat([x, finer], 1) if self.project is None else x + self.project(finer)
        return self.conv2(self.conv1(x))  # type: ignore[no-any-return]


class UNet(nn.Module):
    """One `UpBlock` a stride down to 1, then a 3x3 score layer; skips concatenate, or add after a 1x1 projection.

    widths: channels of the blocks, coarse to fine; the last is repeated or the rest left out as the strides need.
    """

    def __init__(
        self, encoder: Encoder, skips: Skips, num_classes: int, widths: Sequence[int] = (256, 128, 64, 32, 16)
    ) -> None:
        super().__init__()
        top = max(encoder.channels)
        finer = sorted((s for s in encoder.channels if s < top), reverse=True)
        self.strides = finer + ([] if finer and finer[-1] == 1 else [1])
        joined = skips.at(encoder.channels, encoder.name)
        self.joined = set(joined)
        blocks = []
        inputs = encoder.channels[top]
        for i, stride in enumerate(self.strides):
            outputs = widths[min(i, len(widths) - 1)]
            skip = encoder.channels[stride] if stride in self.joined else 0
            op = skips.op if stride in self.joined else "none"
            blocks.append(UpBlock(inputs, skip, outputs, op, skips.scales.get(stride, 1.0)))
            inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.score = nn.Conv2d(inputs, num_classes, 3, padding=1)

    def forward(self, features: Mapping[int, Tensor], size: tuple[int, int]) -> Tensor:
        """Logits [B, K, H, W] at `size`, whatever it is."""
        x = features[max(features)]
        for block, stride in zip(self.blocks, self.strides, strict=True):
            finer = features.get(stride)
            target = size if stride == 1 else finer.shape[-2:]  # type: ignore[union-attr]
            x = block(x, finer if stride in self.joined else None, target)
        return self.score(x)  # type: ignore[no-any-return]

    def head_modules(self) -> list[nn.Module]:
        """The score layer."""
        return [self.score]
