"""What a network takes for images: uint8, or other numbers from 0 to 255."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

WIDE = (torch.uint16, torch.uint32, torch.uint64)


def check_batch(images: Any) -> None:
    """ValueError unless they are a tensor of four dimensions; nothing is read, so that compiling and export go on."""
    if not isinstance(images, Tensor):
        raise ValueError(f"images [B, C, H, W] as a torch.Tensor are needed, got {type(images).__name__}")
    if images.ndim != 4:
        hint = ": image[None] makes a batch of one image" if images.ndim == 3 else ""
        raise ValueError(f"images [B, C, H, W] are needed, got {list(images.shape)}{hint}")


def check_pixels(images: Tensor) -> None:
    """ValueError unless every value is a pixel; uint8 always is, and costs nothing.

    Values from 0 to 1 are refused: the network would take them for black.
    """
    if images.dtype == torch.uint8 or images.numel() == 0:
        return
    kind = str(images.dtype).removeprefix("torch.")
    if images.dtype == torch.bool or images.is_complex():
        raise ValueError(f"pixels are 0 to 255, these are {kind}: give the image as it was read, uint8")
    values = images.detach().float()
    low, high = float(values.min()), float(values.max())
    if not math.isfinite(low) or not math.isfinite(high):
        raise ValueError("pixels are 0 to 255, these are not all finite numbers (NaN or infinity)")
    if low < 0 or high > 255 or images.dtype in WIDE:
        raise ValueError(
            f"pixels are 0 to 255, these are {kind} from {low:g} to {high:g}: give uint8, or float32 brought to 0-255 "
            "(the network normalises images itself)"
        )
    if images.is_floating_point() and 0 < high <= 1:
        raise ValueError("pixels are 0 to 255, these are at most 1: give the image as it was read, uint8")
