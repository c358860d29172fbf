"""From images to logits at evaluation: plain torch, no Lightning.

Shapes: B batch, K classes, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seglight.models.pixels import check_pixels


@dataclass
class Inference:
    """Whole images in one pass."""

    def __call__(self, net: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Logits [B, K, H, W] of uint8 images [B, 3, H, W], float32."""
        return net(images).float()


def rgb_tensor(image: Any) -> Tensor:
    """[3, H, W] of an RGB image: an array [H, W, 3] or [3, H, W], a tensor, a Pillow image or the path of a file.

    ValueError where it is no such image, or its values are not pixels of 0 to 255.
    """
    if isinstance(image, str | Path | Image.Image):
        from seglight.data.decode import read_image, to_rgb

        image = read_image(Path(image)) if isinstance(image, str | Path) else np.array(to_rgb(image, Path("the image")))
    if not isinstance(image, Tensor):
        image = np.array(image)  # a copy: some arrays cannot be written, of which torch warns
        if image.dtype.kind not in "buifc":
            raise ValueError(f"an image of numbers is needed, got {image.dtype}")
    of_array = isinstance(image, np.ndarray)
    pixels = torch.as_tensor(image)
    if pixels.ndim != 3 or 3 not in (pixels.shape[0], pixels.shape[-1]) or pixels.numel() == 0:
        raise ValueError(f"an RGB image [H, W, 3] or [3, H, W] is needed, got {tuple(pixels.shape)}")
    check_pixels(pixels)
    return pixels.permute(2, 0, 1) if pixels.shape[-1] == 3 and (of_array or pixels.shape[0] != 3) else pixels
