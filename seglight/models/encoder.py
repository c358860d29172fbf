"""The contract of an encoder: raw images in, feature maps by stride out.

Shapes: B batch, C channels, H W pixels, s stride.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Self, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seglight.models.checkpointing import block_by_block, count_once
from seglight.models.geometry import larger, trace, tracing
from seglight.models.pixels import check_pixels
from seglight.values import one_of, whole

M = TypeVar("M", bound=Tensor | None)


@dataclass(frozen=True)
class Pixels:
    """What weights take for a pixel: (x[order] / scale - mean) / std of RGB x in 0-255."""

    mean: Sequence[float]
    std: Sequence[float]
    scale: float = 255.0
    order: Sequence[int] = (0, 1, 2)


IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CENTRED = Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
UNIT = Pixels((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
CAFFE = Pixels((104.00699, 116.66877, 122.67892), (1.0, 1.0, 1.0), 1.0, (2, 1, 0))


class Normalize(nn.Module):
    """Raw pixels to what the weights were trained on; all of it is saved state.

    The first images that are not uint8 are checked to be pixels (ValueError); none after them, and none while torch
    compiles, exports or traces shapes.
    One channel gets the mean of the three; more than three get theirs repeated (RGBRGB...), as their weights are.
    """

    mean: Tensor
    std: Tensor
    scale: Tensor
    order: Tensor

    def __init__(self, pixels: Pixels, channels: int = 3) -> None:
        super().__init__()
        whole("encoder.in_channels", channels)

        def spread(values: Sequence[float]) -> Tensor:
            filled = [sum(values) / 3] if channels == 1 else [values[c % 3] for c in range(channels)]
            return torch.tensor(filled).view(1, -1, 1, 1)

        self.register_buffer("mean", spread(pixels.mean))
        self.register_buffer("std", spread(pixels.std))
        self.register_buffer("scale", torch.tensor(float(pixels.scale)))
        self.register_buffer("order", torch.tensor(pixels.order if channels == 3 else range(channels)))
        self.checked = False

    def adopt(self, pixels: Pixels) -> None:
        """Changes to the pixels of other weights."""
        self.load_state_dict(Normalize(pixels, self.channels).state_dict())

    @property
    def channels(self) -> int:
        """How many channels an image has."""
        return len(self.order)

    def check(self, images: Tensor) -> None:
        """ValueError where the first images that are not uint8 are no pixels."""
        if self.checked or images.dtype == torch.uint8 or images.is_meta or type(images) is not Tensor:
            return
        check_pixels(images)
        self.checked = bool(images.any())  # black says nothing of the range

    def forward(self, images: Tensor) -> Tensor:
        if not (torch.compiler.is_compiling() or tracing()):
            self.check(images)
        x = images.to(self.mean.dtype)
        if self.channels == 1 and x.shape[1] == 3:
            x = x.mean(1, keepdim=True)  # a grey network takes colour images
        elif x.shape[1] != self.channels:
            raise ValueError(f"this encoder takes {self.channels} channels (encoder.in_channels), got {x.shape[1]}")
        return (x.index_select(1, self.order) / self.scale - self.mean) / self.std


class Encoder(nn.Module):
    """Normalisation, then stages from the input upwards; the last map at each stride is a feature.

    strides: at which each stage ends. channels: of each stage. offsets: the input pixel on which cell 0 of each
    stage's map is centred, (stride - 1) / 2 where not given. min_size, multiple: smaller or other images are
    extended to the right and below, by zeros after normalisation.
    """

    unpadded = False  # the U-Net paper's convolutions, which its decoder then does too

    def __init__(
        self,
        name: str,
        stages: Iterable[nn.Module],
        strides: Sequence[int],
        channels: Sequence[int],
        normalize: Normalize,
        offsets: Sequence[float] | None = None,
        min_size: int = 1,
        multiple: int = 1,
    ) -> None:
        super().__init__()
        self.name = self.option = name  # option: what it is called in messages, its config's name where it has one
        self.normalize, self.checkpointing = normalize, False
        whole("encoder.multiple", multiple)
        self.min_size, self.multiple = min_size, multiple
        self.keep(stages)
        self.stage_strides, self.stage_channels = list(strides), list(channels)
        self.stage_offsets = list(offsets) if offsets is not None else [(s - 1) / 2 for s in strides]
        self.channels: dict[int, int] = dict(zip(self.stage_strides, self.stage_channels, strict=True))
        self.offsets: dict[int, float] = dict(zip(self.stage_strides, self.stage_offsets, strict=True))

    def for_decoder(self, pyramid: Literal["simple", "depths", "none"]) -> None:
        """Which features a decoder takes of maps that are all at one stride; others are features as they are."""

    def checkpointed(self, checkpointing: bool) -> Self:
        """The encoder itself, whose blocks then run again on the way back where `checkpointing` says so."""
        self.checkpointing = one_of("encoder.checkpointing", checkpointing, (True, False))
        return self

    def keep(self, stages: Iterable[nn.Module]) -> None:
        """Takes the stages in."""
        self.stages = nn.ModuleList(stages)

    @property
    def stride(self) -> int:
        """The deepest map's stride."""
        return max(self.channels)

    def forward(self, images: Tensor, min_size: int = 1, multiple: int = 1) -> dict[int, Tensor]:
        return self.by_stride(self.maps(images, min_size, multiple))

    def maps(self, images: Tensor, min_size: int = 1, multiple: int = 1) -> list[Tensor]:
        """The map of every stage; min_size, multiple: what the decoder needs besides."""
        if self.checkpointing:
            count_once(self)
        return self.run(self.prepare(images, min_size, multiple))

    def run(self, x: Tensor) -> list[Tensor]:
        """The map of every stage, of prepared images."""
        maps = []
        for stage in self.stages:
            x = block_by_block(stage, x) if self.checkpointing else stage(x)
            maps.append(x)
        return maps

    def by_stride(self, maps: Sequence[M]) -> dict[int, M]:
        """The features among the stages' maps."""
        return dict(zip(self.stage_strides, maps, strict=True))

    def prepare(self, images: Tensor, min_size: int = 1, multiple: int = 1) -> Tensor:
        """Normalised images, extended to a size that this encoder and the decoder take."""
        multiple = math.lcm(multiple, self.multiple)
        height, width = (larger(n, max(self.min_size, min_size)) for n in images.shape[-2:])
        down, right = -height % multiple, -width % multiple
        x = self.normalize(images)
        return F.pad(x, (0, width + right - x.shape[-1], 0, height + down - x.shape[-2]))


def sequential_encoder(
    name: str,
    stages: Sequence[nn.Module],
    normalize: Normalize,
    declared: bool = False,
    min_size: int = 1,
    multiple: int = 1,
) -> Encoder:
    """An encoder of stages that run one after the other; strides, channels and offsets are read off a traced pass.

    declared: offsets are (stride - 1) / 2 instead of the traced ones. Symmetric padding centres cell 0 of a ResNet
    on pixel 0, but everybody's bilinear upsampling takes a map for centred like that, and so does the training.
    """
    traced = trace(stages, normalize.channels)
    return Encoder(
        name,
        stages,
        [round(field.stride) for _, field in traced],
        [channels for channels, _ in traced],
        normalize,
        None if declared else [field.offset for _, field in traced],
        min_size,
        multiple,
    )


def split(children: Iterable[tuple[str, nn.Module]], ends: Iterable[str]) -> list[nn.Sequential]:
    """Groups named modules into stages that keep their names, each ending with a module named in `ends`.

    What follows the last end is left out.
    """
    wanted, stages, stage = set(ends), [], nn.Sequential()
    for name, module in children:
        stage.add_module(name, module)
        if name in wanted:
            stages.append(stage)
            stage = nn.Sequential()
    return stages
