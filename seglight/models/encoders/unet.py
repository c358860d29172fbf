"""The U-Net's contracting path (Ronneberger et al. 2015, section 2): two 3x3 convolutions a level, max pool between.

Shapes: B batch, C channels, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from seglight.models.conv import conv_relu
from seglight.models.encoder import UNIT, Encoder, Normalize
from seglight.models.geometry import mirror, trace
from seglight.models.initial import he_normal
from seglight.values import number, one_of, whole


def unet(
    channels: Sequence[int] = (64, 128, 256, 512, 1024),
    norm: bool = False,
    padding: Literal["same", "valid"] = "same",
    dropout: float = 0.5,
    in_channels: int = 3,
    weights: None = None,
    checkpointing: bool = False,
) -> Encoder:
    """Maps at strides 1 to 16, before each pool; dropout at the end of the path.

    padding valid: unpadded convolutions. The image is extended by reflection so that a U-Net decoder's output
    covers it (the paper's 572 -> 388 is one such size).
    """
    if weights is not None:
        raise ValueError(f"encoder=unet has no pretrained weights: encoder.weights=null, got {weights}")
    one_of("encoder.padding", padding, ("same", "valid"))
    number("encoder.dropout", dropout, 0, 1)
    whole("encoder.in_channels", in_channels)
    for count in channels:
        whole("encoder.channels", count)
    if not channels:
        raise ValueError("encoder.channels=[]: one number for each level is needed")
    stages: list[nn.Module] = []
    for i, (before, after) in enumerate(zip([in_channels, *channels], channels, strict=False)):
        stage = nn.Sequential()
        if i:
            stage.add_module("pool", nn.MaxPool2d(2))
        stage.add_module("conv1", conv_relu(before, after, norm, padding == "same"))
        stage.add_module("conv2", conv_relu(after, after, norm, padding == "same"))
        stages.append(stage)
    stages[-1].add_module("dropout", nn.Dropout(dropout))  # type: ignore[operator]
    path = nn.Sequential(*stages)
    he_normal(path)
    normalize = Normalize(UNIT, in_channels)
    return (ValidUNet if padding == "valid" else SameUNet)(stages, normalize).checkpointed(checkpointing)


class SameUNet(Encoder):
    """Padded convolutions: a map at every level has ceil or floor of the image's size over its stride."""

    def __init__(self, stages: Sequence[nn.Module], normalize: Normalize) -> None:
        traced = trace(stages, normalize.channels)
        channels, strides = [c for c, _ in traced], [int(f.stride) for _, f in traced]
        offsets = [field.offset for _, field in traced]
        super().__init__("unet", stages, strides, channels, normalize, offsets, min_size=strides[-1])


class ValidUNet(SameUNet):
    """Unpadded convolutions on a mirrored image: margin pixels more on each side, at least."""

    unpadded = True

    def __init__(self, stages: Sequence[nn.Module], normalize: Normalize) -> None:
        super().__init__(stages, normalize)
        # two convolutions take two cells a side at each level of the path, and of the decoder's but the deepest
        self.margin = sum(2 * s for s in self.stage_strides) + sum(2 * s for s in self.stage_strides[:-1])
        self.stage_offsets = [offset - self.margin for offset in self.stage_offsets]
        self.offsets = dict(zip(self.stage_strides, self.stage_offsets, strict=True))

    def prepare(self, images: Tensor, min_size: int = 1, multiple: int = 1) -> Tensor:
        height, width = (self.extended(n) for n in images.shape[-2:])
        x: Tensor = self.normalize(mirror(images, self.margin, height, width))
        return x

    def extended(self, size: int) -> int:
        """The smallest input whose output is at least `size` and whose pools all see even maps (388 -> 572)."""
        levels, size = len(self.stage_strides) - 1, size + 2 * self.margin
        for _ in range(levels):
            size = (size - 3) // 2
        for _ in range(levels):
            size = 2 * size + 4
        return size
