"""A linear classifier of the last map's cells: how much of the answer the encoder holds already."""

from __future__ import annotations

from torch import Tensor, nn

from seglight.models.decoders.decoder import Decoder
from seglight.models.encoder import Encoder
from seglight.models.geometry import on_image
from seglight.models.skips import Skips


class Linear(Decoder):
    """Batch norm and a 1x1 convolution on the encoder's last map, then bilinear to the image (DINOv2's linear probe,
    Oquab et al. 2023, section 7.4). A plain transformer gives its last block's own map."""

    def __init__(self, encoder: Encoder, skips: Skips, num_classes: int) -> None:
        super().__init__()
        skips.refuse("linear")
        encoder.for_decoder("none")
        self.stride = encoder.stride
        self.lead = round(encoder.offsets[self.stride] - (self.stride - 1) / 2)
        self.norm = nn.BatchNorm2d(encoder.channels[self.stride])
        self.score = nn.Conv2d(encoder.channels[self.stride], num_classes, 1)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]

    def forward(self, features: dict[int, Tensor], size: tuple[int, int]) -> Tensor:
        return on_image(self.score(self.norm(features[self.stride])), self.stride, self.lead, size)

    def heads(self) -> list[nn.Module]:
        return [self.score]
