"""The decoder of dense prediction transformers over any encoder (Ranftl et al. 2021, section 3.1 and appendix A)."""

from __future__ import annotations

from torch import Tensor, nn

from seglight.models.conv import conv_relu
from seglight.models.decoders.levels import Levels
from seglight.models.encoder import Encoder
from seglight.models.skips import Skips
from seglight.values import number, whole


class DPT(Levels):
    """Maps of four depths, fused from the deepest upwards by residual convolution units (RefineNet, Lin et al. 2017).

    A plain transformer's levels are made of four blocks' maps, as in the paper; another encoder's are its own maps.
    """

    def __init__(
        self, encoder: Encoder, skips: Skips, num_classes: int, width: int = 256, dropout: float = 0.1
    ) -> None:
        encoder.for_decoder("depths")
        super().__init__(encoder, skips, "dpt")
        whole("decoder.width", width)
        number("decoder.dropout", dropout, 0, 1, below=True)
        self.project = nn.ModuleList(
            nn.Conv2d(encoder.channels[s], width, 3, padding=1, bias=False) for s in self.strides
        )
        self.skip = nn.ModuleList(ResidualUnit(width) for _ in self.strides[1:])
        self.refine = nn.ModuleList(
            nn.Sequential(ResidualUnit(width), nn.Conv2d(width, width, 1)) for _ in self.strides
        )
        self.head = nn.Sequential(conv_relu(width, width), nn.Dropout(dropout))
        self.score = nn.Conv2d(width, num_classes, 1)

    def fused(self, maps: list[Tensor]) -> Tensor:
        deepest, *finer = (project(x) for project, x in zip(self.project, maps, strict=True))
        x = self.refine[0](deepest)
        for n, y in enumerate(finer):
            x = self.skip[n](y) + self.laid(x, self.strides[n], self.strides[n + 1], y)
            x = self.refine[n + 1](x)
        return self.head(x)  # type: ignore[no-any-return]


class ResidualUnit(nn.Module):
    """x plus two 3x3 convolutions of it, each behind a ReLU and before a batch norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)  # type: ignore[no-any-return]
