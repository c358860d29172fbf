"""Score the deepest map and interpolate: the least a decoder can do."""

from __future__ import annotations

from torch import Tensor, nn

from seglight.models.decoders.decoder import Decoder
from seglight.models.encoder import Encoder
from seglight.models.geometry import on_image
from seglight.models.skips import Skips


class Interpolate(Decoder):
    """A 1x1 score layer, then bilinear interpolation by the stride, laid on the image by the map's offset."""

    def __init__(self, encoder: Encoder, skips: Skips, num_classes: int) -> None:
        super().__init__()
        skips.refuse("interpolate")
        self.stride = encoder.stride
        self.lead = round(encoder.offsets[self.stride] - (self.stride - 1) / 2)
        self.score = nn.Conv2d(encoder.channels[self.stride], num_classes, 1)

    def forward(self, features: dict[int, Tensor], size: tuple[int, int]) -> Tensor:
        return on_image(self.score(features[self.stride]), self.stride, self.lead, size)

    def heads(self) -> list[nn.Module]:
        return [self.score]
