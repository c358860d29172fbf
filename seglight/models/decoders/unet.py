"""The U-Net decoder over any encoder (Ronneberger et al. 2015).

Shapes: B batch, C channels, K classes, H W pixels, s stride.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from seglight.models.conv import conv_relu
from seglight.models.decoders.decoder import Decoder
from seglight.models.encoder import Encoder
from seglight.models.encoders.unet import SameUNet
from seglight.models.geometry import frame
from seglight.models.initial import he_normal, he_uniform, xavier
from seglight.models.skips import Skips
from seglight.values import one_of, whole


class Block(nn.Module):
    """One level: upsample by two, join the skip, two 3x3 convolutions."""

    def __init__(
        self, channels: int, skip: int, level: int, out: int, op: str, up: str, norm: bool, padded: bool
    ) -> None:
        super().__init__()
        self.op = op if skip else "none"
        upsampled = level if up == "transposed" else channels
        self.up = (
            nn.ConvTranspose2d(channels, level, 2, stride=2)
            if up == "transposed"
            else nn.Upsample(scale_factor=2, mode=up, align_corners=True if up == "bilinear" else None)
        )
        self.lateral = nn.Conv2d(skip, upsampled, 1) if self.op == "add" and skip != upsampled else nn.Identity()
        self.conv1 = conv_relu(upsampled + (skip if self.op == "concat" else 0), level, norm, padded)
        self.conv2 = conv_relu(level, out, norm, padded)

    def forward(self, x: Tensor, skip: Tensor | None, skip_first: bool) -> Tensor:
        """x: already upsampled and laid on the skip."""
        if skip is not None and self.op == "add":
            x = x + self.lateral(skip)
        elif skip is not None:
            x = torch.cat([skip, x] if skip_first else [x, skip], 1)
        return self.conv2(self.conv1(x))  # type: ignore[no-any-return]


class UNet(Decoder):
    """Levels at half the stride each, down to 1; a map is joined where the skips and the encoder have one.

    width: a level at stride s has width * s channels (16: segmentation_models' 256, 128, 64, 32, 16). null: as many
    as the encoder has there (the paper's symmetry). up: nearest, bilinear (corners aligned) or transposed (the
    paper's 2x2 up-convolution, to the level's channels). head: kernel of the score layer. skip_first: the order of
    concatenation. An encoder without padding gets a decoder without: then skips are cropped, as in the paper.
    """

    def __init__(
        self,
        encoder: Encoder,
        skips: Skips,
        num_classes: int,
        width: int | None = 16,
        up: Literal["nearest", "bilinear", "transposed"] = "nearest",
        norm: bool = True,
        head: int = 3,
        skip_first: bool = False,
    ) -> None:
        super().__init__()
        one_of("decoder.up", up, ("nearest", "bilinear", "transposed"))
        whole("decoder.head", head)
        if head % 2 == 0:
            raise ValueError(f"decoder.head={head}: an odd kernel is needed")
        if width is not None:
            whole("decoder.width", width)
        self.skip_first, self.padded = skip_first, not encoder.unpadded
        self.offsets, self.deepest = encoder.offsets, encoder.stride
        self.skip_strides, self.scales = skips.of(encoder), skips.scales
        self.strides = [2**i for i in reversed(range(encoder.stride.bit_length() - 1))]

        def level(stride: int) -> int:
            finest = min(encoder.channels)
            return width * stride if width else encoder.channels.get(stride, encoder.channels[finest])

        channels = encoder.channels[encoder.stride]
        self.blocks = nn.ModuleList()
        for stride in self.strides:
            skip = encoder.channels[stride] if stride in self.skip_strides else 0
            # without an up-convolution to reduce them, the second convolution gives the next level's channels
            out = level(stride) if width or up == "transposed" else level(max(stride // 2, 1))
            self.blocks.append(Block(channels, skip, level(stride), out, skips.op, up, norm, self.padded))
            channels = out
        self.head = nn.Conv2d(channels, num_classes, head, padding=head // 2)
        if norm:
            he_uniform(self.blocks)
            xavier(self.head)
        else:
            he_normal(self)

    def forward(self, features: dict[int, Tensor], size: tuple[int, int]) -> Tensor:
        x, offset = features[self.deepest], self.offsets[self.deepest]
        for stride, block in zip(self.strides, self.blocks, strict=True):
            x, offset = block.up(x), offset - stride / 2  # type: ignore[operator]
            skip = features[stride] * self.scales.get(stride, 1.0) if stride in self.skip_strides else None
            target = self.offsets[stride] if skip is not None else (stride - 1) / 2
            lead = round((offset - target) / stride)  # the upsampled cell 0 in cells of the map it joins
            if self.padded:
                finer = skip.shape[-2:] if skip is not None else [(n + stride - 1) // stride for n in size]
                x, offset = frame(x, lead, (finer[0], finer[1])), target
            elif skip is not None:
                skip = frame(skip, -lead, (x.shape[-2], x.shape[-1]))
            x = block(x, skip, self.skip_first)
            offset += 0 if self.padded else 2 * stride
        return frame(self.head(x), round(offset), size, "replicate")

    def heads(self) -> list[nn.Module]:
        return [self.head]


PAPER = {"width": None, "up": "transposed", "norm": False, "head": 1, "skip_first": True}


def fitting(encoder: Encoder, skips: Skips, num_classes: int, **options: Any) -> UNet:
    """The paper's form over the paper's own path, else `UNet` as it stands, segmentation_models_pytorch's form.

    Options that are not null depart from it. The paper's form has no norms, and over pretrained features its loss is
    still twice the other's after two epochs (experiments/causes).
    """
    form = PAPER if isinstance(encoder, SameUNet) else {}
    given = {name: value for name, value in options.items() if value is not None}
    return UNet(encoder, skips, num_classes, **(form | given))  # type: ignore[arg-type]
