"""Learned transposed convolutions back to full size (Noh et al. 2015, without the unpooling)."""

from __future__ import annotations

from torch import Tensor, nn

from seglight.models.decoders.decoder import Decoder
from seglight.models.encoder import Encoder
from seglight.models.geometry import frame
from seglight.models.initial import he_normal, xavier
from seglight.models.skips import Skips
from seglight.values import whole


class Deconv(Decoder):
    """One transposed convolution, batch norm, ReLU for each halving of the stride, then a 1x1 score layer.

    A map of I cells becomes (I - 1) S + K - 2 P with kernel K, stride S = 2 and padding P = (K - 2) / 2: 2 I, whose
    cells lie where the finer map's are. A level at stride s has width * s channels.
    """

    def __init__(self, encoder: Encoder, skips: Skips, num_classes: int, kernel: int = 4, width: int = 16) -> None:
        super().__init__()
        skips.refuse("deconv")
        whole("decoder.width", width)
        whole("decoder.kernel", kernel, 2)
        if kernel % 2:
            raise ValueError(f"decoder.kernel={kernel}: an even kernel doubles a map, (I - 1) 2 + K - 2 P = 2 I")
        self.deepest = encoder.stride
        self.lead = round(encoder.offsets[self.deepest] - (self.deepest - 1) / 2)
        channels, stride = encoder.channels[self.deepest], self.deepest
        self.layers = nn.Sequential()
        while stride > 1:
            stride //= 2
            up = nn.ConvTranspose2d(channels, width * stride, kernel, 2, (kernel - 2) // 2, bias=False)
            self.layers.extend([up, nn.BatchNorm2d(width * stride), nn.ReLU(inplace=True)])
            channels = width * stride
        self.score = nn.Conv2d(channels, num_classes, 1)
        he_normal(self.layers)
        xavier(self.score)

    def forward(self, features: dict[int, Tensor], size: tuple[int, int]) -> Tensor:
        return frame(self.score(self.layers(features[self.deepest])), self.lead, size, "replicate")

    def heads(self) -> list[nn.Module]:
        return [self.score]
