"""UPerNet over any encoder (Xiao et al. 2018, section 3.1): the deepest map pooled, then a feature pyramid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seglight.models.conv import conv_relu
from seglight.models.decoders.levels import Levels
from seglight.models.encoder import Encoder
from seglight.models.skips import Skips
from seglight.values import whole

POOLS = (1, 2, 3, 6)  # cells a side (Zhao et al. 2017, section 3.2)


class UPerNet(Levels):
    """Pooled means of the deepest map beside itself; each finer map joins by a sum; all levels together are scored."""

    def __init__(self, encoder: Encoder, skips: Skips, num_classes: int, width: int = 256) -> None:
        super().__init__(encoder, skips, "upernet")
        whole("decoder.width", width)
        deepest, *finer = (encoder.channels[s] for s in self.strides)
        self.pools = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(cells), conv_relu(deepest, width, kernel=1)) for cells in POOLS
        )
        self.pooled = conv_relu(deepest + len(POOLS) * width, width)
        self.lateral = nn.ModuleList(conv_relu(channels, width, kernel=1) for channels in finer)
        self.smooth = nn.ModuleList(conv_relu(width, width) for _ in finer)
        self.mix = conv_relu(width * len(self.strides), width)
        self.score = nn.Conv2d(width, num_classes, 1)

    def fused(self, maps: list[Tensor]) -> Tensor:
        deepest, *finer = maps
        size = (deepest.shape[2], deepest.shape[3])
        pooled = [F.interpolate(pool(deepest), size, mode="bilinear", align_corners=False) for pool in self.pools]
        levels = [self.pooled(torch.cat([deepest, *pooled], 1))]
        x = levels[0]
        for n, skip in enumerate(finer):
            x = self.lateral[n](skip) + self.laid(x, self.strides[n], self.strides[n + 1], skip)
            levels.append(self.smooth[n](x))
        finest = self.strides[-1]
        laid = [self.laid(level, s, finest, maps[-1]) for level, s in zip(levels, self.strides, strict=True)]
        return self.mix(torch.cat(laid, 1))  # type: ignore[no-any-return]
