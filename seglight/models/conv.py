"""The convolution, norm, ReLU that decoders and the U-Net are made of."""

from __future__ import annotations

from torch import nn


def conv_relu(channels: int, out: int, norm: bool = True, padded: bool = True, kernel: int = 3) -> nn.Sequential:
    """Convolution, batch norm where asked (then without bias), ReLU; without padding the map loses its border."""
    conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2 if padded else 0, bias=not norm)
    return nn.Sequential(conv, *([nn.BatchNorm2d(out)] if norm else []), nn.ReLU(inplace=True))
