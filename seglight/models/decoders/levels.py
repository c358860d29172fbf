"""What decoders share that take several of the encoder's maps at once."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from seglight.models.decoders.decoder import Decoder
from seglight.models.encoder import Encoder
from seglight.models.geometry import frame, on_image
from seglight.models.skips import Skips

FINEST = 4  # the stride of the finest map that these decoders' papers use


class Levels(Decoder):
    """`strides`: the deepest map, and those that the skips name from stride 4 on. How they join is the decoder's own.

    Maps are laid over each other, and on the image, by their offsets; where one has no cells its last ones repeat.
    ValueError for unpadded encoders, whose maps leave out the border, and for skips with scales, which nothing reads.
    """

    score: nn.Conv2d

    def __init__(self, encoder: Encoder, skips: Skips, name: str) -> None:
        super().__init__()
        if encoder.unpadded:
            raise ValueError(f"decoder={name}: encoder={encoder.option} has maps without the image's border")
        if skips.scales:
            raise ValueError(
                f"skips={skips.name}: decoder={name} takes maps as they are; use a strategy without scales"
            )
        self.strides = [encoder.stride, *(s for s in skips.of(encoder) if s >= FINEST)]
        self.corners = {s: encoder.offsets[s] - (s - 1) / 2 for s in self.strides}  # pixels, of cell 0's upper left

    def forward(self, features: dict[int, Tensor], size: tuple[int, int]) -> Tensor:
        finest = self.strides[-1]
        x = self.score(self.fused([features[s] for s in self.strides]))
        return on_image(x, finest, round(self.corners[finest]), size)

    def laid(self, x: Tensor, stride: int, finer: int, like: Tensor) -> Tensor:
        """A map at `stride` on the cells of the map `like` at a finer one."""
        x = F.interpolate(x, scale_factor=stride / finer, mode="bilinear", align_corners=False)
        lead = round((self.corners[stride] - self.corners[finer]) / finer)
        return frame(x, lead, (like.shape[2], like.shape[3]), "replicate")

    def fused(self, maps: list[Tensor]) -> Tensor:
        """One map [B, C, h, w] of those from the deepest to the finest."""
        raise NotImplementedError

    def heads(self) -> list[nn.Module]:
        return [self.score]
