"""UPerNet over any encoder (Xiao et al. 2018, section 3.1): the deepest map pooled, then a feature pyramid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seglight.models.decoders.levels import Levels, conv_norm_relu, resized
from seglight.models.encoder import Encoder
from seglight.models.skips import Skips
from seglight.values import whole

POOLS = (1, 2, 3, 6)  # cells a side (Zhao et al. 2017, section 3.2)


class UPerNet(Levels):
    """Pooled means of the deepest map beside itself; each finer map joins by a sum; all levels together are scored."""

    def __init__(self, encoder: Encoder, skips: Skips, num_classes: int, width: int = 256) -> None:
        super().__init__(encoder, skips)
        whole("decoder.width", width)
        deepest, *finer = (encoder.channels[s] for s in self.strides)
        self.pools = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(cells), conv_norm_relu(deepest, width, 1)) for cells in POOLS
        )
        self.pooled = conv_norm_relu(deepest + len(POOLS) * width, width, 3)
        self.lateral = nn.ModuleList(conv_norm_relu(channels, width, 1) for channels in finer)
        self.smooth = nn.ModuleList(conv_norm_relu(width, width, 3) for _ in finer)
        self.mix = conv_norm_relu(width * len(self.strides), width, 3)
        self.score = nn.Conv2d(width, num_classes, 1)

    def fused(self, maps: list[Tensor]) -> Tensor:
        deepest, *finer = maps
        pooled = [resized(pool(deepest), (deepest.shape[2], deepest.shape[3])) for pool in self.pools]
        x = self.pooled(torch.cat([deepest, *pooled], 1))
        levels = [x]
        for lateral, smooth, skip in zip(self.lateral, self.smooth, finer, strict=True):
            x = lateral(skip) + resized(x, (skip.shape[2], skip.shape[3]))
            levels.append(smooth(x))
        size = (maps[-1].shape[2], maps[-1].shape[3])
        return self.mix(torch.cat([resized(level, size) for level in levels], 1))  # type: ignore[no-any-return]
