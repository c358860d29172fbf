"""The 3x3 convolution, norm, ReLU that decoders and the U-Net are made of."""

from __future__ import annotations

from torch import nn


def conv_relu(channels: int, out: int, norm: bool = True, padded: bool = True) -> nn.Sequential:
    """3x3 convolution, batch norm where asked (then without bias), ReLU; without padding the map loses its border."""
    conv = nn.Conv2d(channels, out, 3, padding=int(padded), bias=not norm)
    return nn.Sequential(conv, *([nn.BatchNorm2d(out)] if norm else []), nn.ReLU(inplace=True))


def he_init(module: nn.Module) -> None:
    """N(0, sqrt(2 / N)), N the incoming nodes of one neuron (Ronneberger et al. 2015, section 3)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            # of a transposed convolution an output cell sees one tap of every stride-th
            side = layer.kernel_size[0] / (1 if isinstance(layer, nn.Conv2d) else layer.stride[0])
            nn.init.normal_(layer.weight, std=(2 / (layer.in_channels // layer.groups * side**2)) ** 0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
