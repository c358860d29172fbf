"""The FCN decoder: score layers, fused from coarse to fine, upsampled bilinearly (Long et al. 2015, section 4).

Shapes: B batch, C channels, K classes, H W pixels, s stride.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seglight.models.bilinear import BilinearUpsample
from seglight.models.encoder import Encoder
from seglight.models.skips import Skips


class FCN(nn.Module):
    """Zero-initialised 1x1 score layers on the last features and on each skip; maps are aligned by their offsets.

    With the authors' padding of 100 that gives their crops (5, 9, 19, 27, 31). Skips add scores, or concatenate them in
    front of a 1x1 convolution that begins as their sum.
    """

    def __init__(self, encoder: Encoder, skips: Skips, num_classes: int) -> None:
        super().__init__()
        top = max(encoder.channels)
        strides = [top, *skips.at(encoder.channels, encoder.name)]
        self.strides, self.scales = strides, [skips.scales.get(s, 1.0) for s in strides]
        self.scores = nn.ModuleList(nn.Conv2d(encoder.channels[s], num_classes, 1) for s in strides)
        self.upsample = nn.ModuleList()
        offset = encoder.offsets[top]
        for coarse, fine in zip(strides, [*strides[1:], 1], strict=True):
            fine_offset = encoder.offsets[fine] if fine in strides else 0.0
            up = BilinearUpsample(coarse // fine, (offset - fine_offset) / fine)
            self.upsample.append(up)
            offset = fine_offset + max(-up.crop, 0) * fine
        concat = skips.op == "concat"
        self.fuse = nn.ModuleList(nn.Conv2d(2 * num_classes, num_classes, 1) for _ in strides[1:] if concat)
        for score in self.scores:
            nn.init.zeros_(score.weight)  # type: ignore[arg-type]
            nn.init.zeros_(score.bias)  # type: ignore[arg-type]
        for fuse in self.fuse:
            identity = torch.eye(num_classes)[:, :, None, None]
            fuse.weight.data.copy_(torch.cat([identity, identity], 1))  # type: ignore[operator,union-attr]
            nn.init.zeros_(fuse.bias)  # type: ignore[arg-type]

    def forward(self, features: Mapping[int, Tensor], size: tuple[int, int]) -> Tensor:
        """Logits [B, K, H, W] at `size`, whatever it is."""
        fused: Tensor | None = None
        for i, (stride, scale) in enumerate(zip(self.strides, self.scales, strict=True)):
            x = features[stride]
            score = self.scores[i](x * scale if scale != 1.0 else x)
            if fused is None:
                fused = score
            else:
                up = self.upsample[i - 1]
                score = from_crop(score, up.crop)  # type: ignore[arg-type]
                fused, score = common(up(fused), score)
                fused = self.fuse[i - 1](torch.cat([fused, score], 1)) if len(self.fuse) else fused + score
        assert fused is not None
        last = self.upsample[-1]
        return fit(last(fused), size, start=max(-last.crop, 0))  # type: ignore[operator]

    def head_modules(self) -> list[nn.Module]:
        """The score layers."""
        return [*self.scores, *self.fuse]


def from_crop(finer: Tensor, crop: int) -> Tensor:
    """The finer map from where the upsampled one begins (a negative crop: the authors' 5 and 9)."""
    return finer[:, :, max(-crop, 0) :, max(-crop, 0) :]


def common(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both maps cut to the size they share."""
    height, width = min(a.shape[-2], b.shape[-2]), min(a.shape[-1], b.shape[-1])
    return a[..., :height, :width], b[..., :height, :width]


def fit(logits: Tensor, size: tuple[int, int], start: int = 0) -> Tensor:
    """The logits at `size`: cut at the end, or their edge repeated where a network without padding falls short."""
    height, width = size
    bottom, right = max(height - start - logits.shape[-2], 0), max(width - start - logits.shape[-1], 0)
    if start or bottom or right:
        logits = F.pad(logits, (start, right, start, bottom), mode="replicate")
    return logits[..., :height, :width].contiguous()
