"""What decoders share that take several of the encoder's maps at once."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from seglight.models.decoders.decoder import Decoder
from seglight.models.encoder import Encoder
from seglight.models.skips import Skips

FINEST = 4  # the stride of the finest map that these decoders' papers use


class Levels(Decoder):
    """`strides`: the deepest map, and those that the skips name from stride 4 on. How they join is the decoder's own.

    The logits come out at the finest map's cells and are interpolated to the image.
    """

    score: nn.Conv2d

    def __init__(self, encoder: Encoder, skips: Skips) -> None:
        super().__init__()
        self.strides = [encoder.stride, *(s for s in skips.of(encoder) if s >= FINEST)]

    def forward(self, features: dict[int, Tensor], size: tuple[int, int]) -> Tensor:
        x = self.score(self.fused([features[s] for s in self.strides]))
        height, width = (n * self.strides[-1] for n in features[self.strides[-1]].shape[2:])
        return resized(x, (height, width))[..., : size[0], : size[1]]

    def fused(self, maps: list[Tensor]) -> Tensor:
        """One map [B, C, h, w] of those from the deepest to the finest."""
        raise NotImplementedError

    def heads(self) -> list[nn.Module]:
        return [self.score]


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, cells' corners laid over each other."""
    return F.interpolate(x, size, mode="bilinear", align_corners=False)


def conv_norm_relu(before: int, after: int, kernel: int) -> nn.Sequential:
    """A convolution of the same size, batch norm, ReLU."""
    conv = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True))
