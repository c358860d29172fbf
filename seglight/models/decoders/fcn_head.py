"""torchvision's FCN head on the deepest map, and the auxiliary head that its recipe trains beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.segmentation.fcn import FCNHead as TorchvisionHead

from seglight.models.decoders.decoder import Decoder
from seglight.models.encoder import Encoder
from seglight.models.skips import Skips
from seglight.values import number


class FCNHead(Decoder):
    """3x3 convolution to a quarter of the channels, batch norm, ReLU, dropout, 1x1; then bilinear to the image."""

    def __init__(self, encoder: Encoder, skips: Skips, num_classes: int) -> None:
        super().__init__()
        skips.refuse("fcn_head")
        self.head = TorchvisionHead(encoder.channels[encoder.stride], num_classes)

    def forward(self, features: dict[int, Tensor], size: tuple[int, int]) -> Tensor:
        return F.interpolate(self.head(features[max(features)]), size, mode="bilinear", align_corners=False)

    def heads(self) -> list[nn.Module]:
        return [self.head[-1]]


class AuxHead(nn.Module):
    """The same head on the stage before the last; its loss counts `weight` (torchvision's recipe: 0.5)."""

    def __init__(self, encoder: Encoder, num_classes: int, weight: float = 0.5) -> None:
        super().__init__()
        if len(encoder.stage_channels) < 2:
            raise ValueError(f"aux=fcn_head needs a stage before the last, which encoder={encoder.option} lacks")
        number("aux.weight", weight)
        self.weight = weight
        self.head = TorchvisionHead(encoder.stage_channels[-2], num_classes)

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        return F.interpolate(self.head(maps[-2]), size, mode="bilinear", align_corners=False)

    def heads(self) -> list[nn.Module]:
        """The score layer."""
        return [self.head[-1]]
