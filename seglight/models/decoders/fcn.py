"""The FCN decoder: score the coarsest map, upsample, add the scores of finer maps (Long et al. 2015, section 4.2).

Shapes: B batch, K classes, H W pixels, s stride.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, cat, nn

from seglight.models.decoders.decoder import Decoder
from seglight.models.encoder import Encoder
from seglight.models.geometry import bilinear_kernel, frame
from seglight.models.initial import bilinear, zeros
from seglight.models.skips import Skips
from seglight.values import one_of


class Upsample(nn.Module):
    """Bilinear upsampling of scores by a transposed convolution without padding: fixed, or learned from there.

    The fixed kernel acts on each class alone; the published nets hold it as a dense [K, K, k, k] (same function).
    """

    kernel: Tensor

    def __init__(self, classes: int, factor: int, size: int, learned: bool) -> None:
        super().__init__()
        self.classes, self.factor, self.size = classes, factor, size
        if learned:
            self.conv = nn.ConvTranspose2d(classes, classes, size, factor, bias=False)
            bilinear(self.conv)
        else:
            self.register_buffer("kernel", bilinear_kernel(size)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "conv"):
            return self.conv(x)  # type: ignore[no-any-return]
        kernel = self.kernel.to(x.dtype).expand(self.classes, -1, -1, -1)
        return F.conv_transpose2d(x, kernel, stride=self.factor, groups=self.classes)

    @property
    def dense_size(self) -> int:
        """How many numbers the published, dense form of a fixed kernel has."""
        return 0 if hasattr(self, "conv") else (self.classes * self.size) ** 2


class FCN(Decoder):
    """Zero-initialised score layers, fixed bilinear upsampling, maps laid over each other by their offsets alone.

    upsampling: fixed (the authors' release) or learned. skips=concat: the finer map joins the upsampled scores and a
    1x1 convolution reads both; it begins as the sum that skips=add is.
    """

    def __init__(
        self, encoder: Encoder, skips: Skips, num_classes: int, upsampling: Literal["fixed", "learned"] = "fixed"
    ) -> None:
        super().__init__()
        one_of("decoder.upsampling", upsampling, ("fixed", "learned"))
        self.op, self.scales = skips.op, skips.scales
        self.strides = [encoder.stride, *skips.of(encoder)]
        self.score = nn.ModuleDict()
        for stride in self.strides:
            joined = num_classes if self.op == "concat" and stride != encoder.stride else 0
            layer = nn.Conv2d(joined + encoder.channels[stride], num_classes, 1)
            zeros(layer, joined)
            self.score[str(stride)] = layer
        self.upsample = nn.ModuleList()
        self.crops: list[int] = []
        offset = encoder.offsets[encoder.stride]
        for coarse, fine in pairwise([*self.strides, 1]):
            last = len(self.crops) == len(self.strides) - 1  # the finer map is the image
            target = 0.0 if last else encoder.offsets[fine]
            size, crop = placement(coarse // fine, (offset - target) / fine)
            self.upsample.append(Upsample(num_classes, coarse // fine, size, upsampling == "learned"))
            self.crops.append(crop)
            offset = target + max(-crop, 0) * fine

    def forward(self, features: dict[int, Tensor], size: tuple[int, int]) -> Tensor:
        x = self.score[str(self.strides[0])](features[self.strides[0]])
        for stride, upsample, crop in zip(self.strides[1:], self.upsample, self.crops, strict=False):
            skip = features[stride] * self.scales[stride] if stride in self.scales else features[stride]
            score = self.score[str(stride)]
            if self.op == "concat":
                x, skip = overlap(upsample(x), skip, crop)
                x = score(cat([x, skip], 1))
            else:
                x, skip = overlap(upsample(x), score(skip), crop)
                x = x + skip
        return frame(self.upsample[-1](x), -self.crops[-1], size, "replicate")

    def heads(self) -> list[nn.Module]:
        return list(self.score.values())


def placement(factor: int, lead: float) -> tuple[int, int]:
    """Kernel size and crop that put a map, `factor` times coarser, on a finer one.

    lead: the coarse cell 0 in cells of the finer map. A kernel of size k without padding centres it on (k - 1) / 2,
    so the upsampled map is cropped by (k - 1) / 2 - lead (the finer one, where negative). The size is whichever of
    2 factor and 2 factor - 1 makes that whole: the authors' 64 with crop 19 (VGG16), 63 with crop 18 (CaffeNet).
    """
    between = abs(lead % 1 - 0.5) <= 0.25
    size = 2 * factor if between else 2 * factor - 1
    return size, round((size - 1) / 2 - lead)


def overlap(x: Tensor, y: Tensor, crop: int) -> tuple[Tensor, Tensor]:
    """Crops x by `crop` cells above and to the left (y, where negative), then both to the size they share."""
    x, y = x[..., max(crop, 0) :, max(crop, 0) :], y[..., max(-crop, 0) :, max(-crop, 0) :]
    x = x[..., : y.shape[2], : y.shape[3]]  # a slice that ends beyond a map ends where the map does
    return x, y[..., : x.shape[2], : x.shape[3]]
