"""Maps at several strides from those of a plain transformer, which are all at one.

Shapes: B batch, C channels, h w cells, s stride.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as F
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn

STRIDES = (4, 8, 16, 32)


class Pyramid(nn.Module):
    """The simple feature pyramid of ViTDet (Li et al. 2022, section 3): each level is made of the last map by itself.

    Transposed convolutions or max pools bring the map near a level's stride, a 1x1 and a 3x3 convolution with layer
    norms to `width` channels. Where `stride` times a power of two is not the level's own (patches of 14 pixels), the
    level is interpolated so that its cell i covers the pixels from s * i to s * (i + 1), exactly.

    depths: levels take the maps of a quarter, a half, three quarters and all of the blocks (DPT's reassembling,
    Ranftl et al. 2021, section 3.1) in place of the last one alone.
    """

    def __init__(self, channels: Sequence[int], stride: int, width: int = 256, depths: bool = False) -> None:
        super().__init__()
        last = len(channels) - 1
        self.sources = {
            s: max(math.ceil(len(channels) * (n + 1) / len(STRIDES)) - 1, 0) if depths else last
            for n, s in enumerate(STRIDES)
        }
        self.levels = nn.ModuleDict()
        self.reached: dict[int, float] = {}  # each level's stride before it is interpolated
        for s in STRIDES:
            steps = round(math.log2(stride / s))
            self.reached[s] = stride / 2**steps
            self.levels[str(s)] = level(channels[self.sources[s]], steps, width)

    def keep(self, strides: Sequence[int]) -> None:
        """Leaves out every other level."""
        self.sources = {s: source for s, source in self.sources.items() if s in strides}
        self.levels = nn.ModuleDict({str(s): self.levels[str(s)] for s in self.sources})

    def forward(self, maps: Sequence[Tensor | None]) -> dict[int, Tensor]:
        """The levels by stride, of the maps [B, C, h, w] of every block."""
        levels = {}
        for s, source in self.sources.items():
            x = maps[source]
            if x is not None:
                levels[s] = on_grid(self.levels[str(s)](x), self.reached[s], s)
        return levels


def level(channels: int, steps: int, width: int) -> nn.Sequential:
    """`steps` halvings of the stride (negative: doublings), then the two convolutions."""
    layers: list[nn.Module] = []
    for step in range(steps):
        layers += [nn.ConvTranspose2d(channels, channels // 2, 2, 2)]
        channels //= 2
        layers += [LayerNorm2d(channels), nn.GELU()] if step < steps - 1 else []
    layers += [nn.MaxPool2d(2, ceil_mode=True) for _ in range(-steps)]
    layers += [nn.Conv2d(channels, width, 1, bias=False), LayerNorm2d(width)]
    layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), LayerNorm2d(width)]
    return nn.Sequential(*layers)


def on_grid(x: Tensor, stride: float, wanted: int) -> Tensor:
    """A map at `stride` interpolated to cells of `wanted` pixels; what its own cells do not reach repeats the last."""
    if stride == wanted:
        return x
    over, under = (stride / wanted).as_integer_ratio()  # exact: wanted is a power of two
    height, width = ((n * over + under - 1) // under for n in x.shape[2:])  # rounded up, of a traced size too
    x = F.pad(x, (0, 1, 0, 1), mode="replicate")
    y = F.interpolate(x, scale_factor=stride / wanted, mode="bilinear", align_corners=False)
    return y[:, :, :height, :width]
