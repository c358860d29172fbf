"""Bilinear upsampling as a fixed transposed convolution, as in FCN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def bilinear_kernel(size: int) -> Tensor:
    """The [size, size] kernel of bilinear interpolation (FCN authors' surgery.py, upsample_filt)."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    line = 1 - (torch.arange(size) - centre).abs() / factor
    return line[:, None] * line[None, :]


class BilinearUpsample(nn.Module):
    """Upsamples every channel alone by `scale`: input cell i lies at `scale * i + first` of the output, which is cropped
    so that the output begins at cell 0's centre minus `before`; where the crop would be negative it is left to the caller.

    before: where cell 0's centre has to lie in the output's pixels. The kernel is 2 * scale wide, or one less where that
    is what puts the centre on the right half pixel (the authors' 64 and AlexNet's 63). It is fixed, depthwise, no parameter;
    published nets hold it as a dense K x K kernel, `dense_parameters(K)`.
    """

    kernel: Tensor

    def __init__(self, scale: int, before: float) -> None:
        super().__init__()
        size = 2 * scale
        crop = scale - 0.5 - before
        if crop != round(crop):  # an odd kernel is centred half a pixel earlier
            size, crop = 2 * scale - 1, scale - 1 - before
        if crop != round(crop):
            raise ValueError(f"cells at {before} of {scale} pixels cannot be aligned to whole pixels")
        self.scale, self.crop = scale, round(crop)
        self.register_buffer("kernel", bilinear_kernel(size)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, K, H, W] -> [B, K, scale * H + ..., scale * W + ...], the whole support, `crop` cells cut from the start."""
        channels = x.shape[1]
        weight = self.kernel.to(x.dtype).expand(channels, -1, -1, -1)
        up = F.conv_transpose2d(x, weight, stride=self.scale, groups=channels)
        return up[:, :, max(self.crop, 0) :, max(self.crop, 0) :]

    def dense_parameters(self, channels: int) -> int:
        """How many numbers the same upsampling takes as a dense kernel between `channels` channels."""
        return channels * channels * self.kernel.numel()
