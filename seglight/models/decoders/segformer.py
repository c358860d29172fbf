"""SegFormer's all-MLP decoder over any encoder (Xie et al. 2021, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seglight.models.conv import conv_relu
from seglight.models.decoders.levels import Levels
from seglight.models.encoder import Encoder
from seglight.models.skips import Skips
from seglight.values import number, whole


class SegFormer(Levels):
    """Each map linearly to `width` channels and to the finest one's size; all of them mixed by one more linear layer.

    Dropout on whole channels before the score layer, as in the authors' code.
    """

    def __init__(
        self, encoder: Encoder, skips: Skips, num_classes: int, width: int = 256, dropout: float = 0.1
    ) -> None:
        super().__init__(encoder, skips, "segformer")
        whole("decoder.width", width)
        number("decoder.dropout", dropout, 0, 1, below=True)
        self.linear = nn.ModuleList(nn.Conv2d(encoder.channels[s], width, 1) for s in self.strides)
        self.mix = conv_relu(width * len(self.strides), width, kernel=1)
        self.dropout = nn.Dropout2d(dropout)
        self.score = nn.Conv2d(width, num_classes, 1)

    def fused(self, maps: list[Tensor]) -> Tensor:
        finest = self.strides[-1]
        linear = [layer(x) for layer, x in zip(self.linear, maps, strict=True)]
        mapped = [self.laid(x, s, finest, maps[-1]) for x, s in zip(linear, self.strides, strict=True)]
        return self.dropout(self.mix(torch.cat(mapped, 1)))  # type: ignore[no-any-return]
