"""The 3x3 convolution, norm, ReLU that decoders and the U-Net are made of."""

from __future__ import annotations

from torch import nn


def conv_relu(channels: int, out: int, norm: bool = True, padded: bool = True) -> nn.Sequential:
    """3x3 convolution, batch norm where asked (then without bias), ReLU; without padding the map loses its border."""
    conv = nn.Conv2d(channels, out, 3, padding=int(padded), bias=not norm)
    return nn.Sequential(conv, *([nn.BatchNorm2d(out)] if norm else []), nn.ReLU(inplace=True))
