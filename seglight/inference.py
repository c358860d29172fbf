"""From images to logits at evaluation: whole images or windows, one view or several, one network or an ensemble.

Plain torch, no Lightning. What is averaged are probabilities; their logarithm is then what stands for logits: its
softmax are the probabilities.

Shapes: B batch, K classes, H W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from seglight.models.pixels import check_pixels
from seglight.values import number, whole

Net = Callable[[Tensor], Tensor]


@dataclass
class Inference:
    """Whole images in one pass."""

    def __call__(self, net: Net, images: Tensor) -> Tensor:
        """Logits [B, K, H, W] of uint8 images [B, 3, H, W], float32."""
        return net(images).float()


@dataclass
class Slide(Inference):
    """Windows of `crop` pixels (a side, or [height, width]) every `stride` pixels (null: two thirds of the crop).

    Their probabilities are averaged with weights that fall smoothly from a window's centre (sin^2), so no border is
    seen. The last window of a row ends where the image does; an image smaller than the crop is one window.
    """

    crop: int | Sequence[int] = 512
    stride: int | Sequence[int] | None = None

    def __post_init__(self) -> None:
        self.height, self.width = pair("inference.crop", self.crop)
        self.down, self.across = (
            (-(-2 * self.height // 3), -(-2 * self.width // 3))
            if self.stride is None
            else pair("inference.stride", self.stride)
        )
        if self.down > self.height or self.across > self.width:
            raise ValueError(
                f"inference.stride={self.stride}: pixels between the windows would be left out; "
                f"inference.crop={self.crop} at most is needed"
            )

    def __call__(self, net: Net, images: Tensor) -> Tensor:
        size = images.shape[-2:]
        height, width = min(self.height, size[0]), min(self.width, size[1])
        if (height, width) == tuple(size):
            return super().__call__(net, images)
        weight = hill(height, images.device)[:, None] * hill(width, images.device)
        total = probabilities = None
        for top in starts(size[0], height, self.down):
            for left in starts(size[1], width, self.across):
                place = (..., slice(top, top + height), slice(left, left + width))
                seen = super().__call__(net, images[place]).softmax(1)
                if probabilities is None or total is None:
                    probabilities, total = seen.new_zeros(*seen.shape[:2], *size), seen.new_zeros(size)
                probabilities[place] += seen * weight
                total[place] += weight
        assert probabilities is not None
        assert total is not None
        return as_logits(probabilities / total)


@dataclass
class Views(Inference):
    """The mean over views of each image: at each of `scales`, and mirrored left to right too where `flip` says so."""

    inference: Inference
    flip: bool = False
    scales: Sequence[float] = (1.0,)

    def __post_init__(self) -> None:
        if not self.scales:
            raise ValueError("tta.scales=[]: one number at least is needed; 1.0 is the image's own size")
        for scale in self.scales:
            number("tta.scales", scale, 0, above=True)

    def __call__(self, net: Net, images: Tensor) -> Tensor:
        if not self.flip and list(self.scales) == [1]:
            return self.inference(net, images)
        size = images.shape[-2:]
        total: Tensor | None = None
        for scale in self.scales:
            seen = resized(images, (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))).clamp(0, 255)
            for mirrored in (False, True) if self.flip else (False,):
                logits = self.inference(net, seen.flip(-1) if mirrored else seen)
                probabilities = resized(logits.softmax(1), size)
                probabilities = probabilities.flip(-1) if mirrored else probabilities
                total = probabilities if total is None else total + probabilities
        assert total is not None
        return as_logits(total / (len(self.scales) * (1 + self.flip)))


class Ensemble(nn.Module):
    """Several networks as one: the mean of their probabilities, as logits [B, K, H, W]."""

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, images: Tensor) -> Tensor:
        return as_logits(sum(net(images).float().softmax(1) for net in self.nets) / len(self.nets))


def as_logits(probabilities: Tensor) -> Tensor:
    """What has these probabilities as its softmax over dimension 1."""
    return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()


def resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Images or maps [B, C, H, W] at another size, as float32 where that differs."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return interpolate(maps.float(), tuple(size), mode="bilinear", align_corners=False, antialias=True)


def starts(length: int, window: int, stride: int) -> Iterator[int]:
    """Where windows begin along an axis: every `stride` pixels, the last one where it ends with the image."""
    yield from range(0, length - window, stride)
    yield length - window


def hill(length: int, device: torch.device) -> Tensor:
    """A window's weights along an axis: sin^2, never zero."""
    place = (torch.arange(length, device=device) + 0.5) / length
    return (math.pi * place).sin().square().clamp_min(1e-3)


def pair(key: str, value: Any) -> tuple[int, int]:
    """A height and a width, from one number or two."""
    both = [value, value] if isinstance(value, int) else list(value)
    if len(both) != 2:
        raise ValueError(f"{key}={value}: a number of pixels, or [height, width] is needed")
    return whole(key, both[0]), whole(key, both[1])


def array_of(image: Any) -> NDArray[Any]:
    """[H, W, C] of an array [H, W] or [H, W, C], a tensor [C, H, W] or Pillow's image, its values as they are."""
    if isinstance(image, Tensor):
        image = image.detach().cpu().numpy()
        image = np.moveaxis(image, 0, -1) if image.ndim == 3 else image
    values = np.asarray(image)
    if values.ndim not in (2, 3) or values.size == 0 or values.dtype.kind not in "buif":
        raise ValueError(f"an image [H, W, C] of numbers is needed, got {values.dtype} {values.shape}")
    return values[..., None] if values.ndim == 2 else values


def rgb_tensor(image: Any) -> Tensor:
    """[3, H, W] of an RGB image: an array [H, W, 3] or [3, H, W], a tensor, a Pillow image or the path of a file.

    A grey one, [H, W] or of a single band, becomes RGB. ValueError where it is no such image, or its values are not
    pixels of 0 to 255.
    """
    if isinstance(image, str | Path | Image.Image):
        from seglight.data.decode import read_image, to_rgb

        image = read_image(Path(image)) if isinstance(image, str | Path) else to_rgb(image, Path("the image"))
    if not isinstance(image, Tensor):
        image = np.array(image)  # a copy: some arrays cannot be written, of which torch warns
        if image.dtype.kind not in "buifc":
            raise ValueError(f"an image of numbers is needed, got {image.dtype}")
    of_array = isinstance(image, np.ndarray)
    pixels = torch.as_tensor(image)
    if pixels.ndim == 2:
        pixels = pixels[None]
    ends = (pixels.shape[0], pixels.shape[-1]) if pixels.ndim == 3 else ()
    if 1 in ends and 3 not in ends:  # grey
        pixels = (pixels if pixels.shape[0] == 1 else pixels.permute(2, 0, 1)).expand(3, -1, -1)
    elif 3 not in ends or pixels.numel() == 0:
        raise ValueError(f"an RGB image [H, W, 3] or [3, H, W] is needed, got {list(pixels.shape)}")
    check_pixels(pixels)
    return pixels.permute(2, 0, 1) if pixels.shape[-1] == 3 and (of_array or pixels.shape[0] != 3) else pixels
