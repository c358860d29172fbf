"""Random scaling and cropping in one step: the window is cut out first, so that only it is resized."""

# Shapes: H W pixels of the source, h w of the crop

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from albumentations import CenterCrop, DualTransform
from numpy.typing import NDArray

from seglight.data.settings import crop_size, scale_range
from seglight.ignore import IGNORE_INDEX

IMAGENET_MEAN = (124, 116, 104)  # pads with what normalises to about zero


def center_crop(size: int | Sequence[int]) -> CenterCrop:
    """The centre of `size` (h, w) of an image at its own scale, padded where the image is smaller."""
    return CenterCrop(*crop_size(size), pad_if_needed=True, fill=IMAGENET_MEAN, fill_mask=IGNORE_INDEX)


class RandomScaleCrop(DualTransform):  # type: ignore[misc]
    """Scales by a factor drawn from `scale` and crops to `size` (h, w), padding what is missing at the end.

    Equal to resizing the whole image and cropping, up to less than one source pixel at the crop's border, at the
    price of resizing the crop alone. `short_side` draws the scaled image's shorter side instead of a factor
    (torchvision's reference). `rare_classes` with probability `rare_p` moves the crop to a pixel of one of these
    classes where the image has one. `mirror` pads by reflecting image and mask instead of filling.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.5, 2.0),
        short_side: Sequence[int] | None = None,
        fill: Sequence[int] = IMAGENET_MEAN,
        fill_mask: int = IGNORE_INDEX,
        rare_classes: Sequence[int | str] = (),
        rare_p: float = 0.5,
        mirror: bool = False,
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        self.size = crop_size(size)
        self.scale = scale_range(scale)
        self.short_side = None if short_side is None else (int(short_side[0]), int(short_side[1]))
        self.fill = tuple(int(value) for value in fill)
        self.fill_mask = fill_mask
        self.rare_classes = (rare_classes,) if isinstance(rare_classes, int | str) else tuple(rare_classes)
        self.rare_p = rare_p
        self.mirror = mirror
        self.borders: dict[tuple[Any, ...], NDArray[Any]] = {}

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """The window (top, left, bottom, right) in source pixels and the (h, w) that it is resized to."""
        height, width = params["shape"][:2]
        if self.short_side is None:
            factor = self.py_random.uniform(*self.scale)
        else:
            factor = self.py_random.randint(*self.short_side) / min(height, width)
        centre = self.rare_pixel(data.get("mask"))
        top, bottom, h = self.window(height, factor, self.size[0], None if centre is None else centre[0])
        left, right, w = self.window(width, factor, self.size[1], None if centre is None else centre[1])
        return {"window": (top, left, bottom, right), "target": (h, w)}

    def window(self, length: int, factor: float, size: int, centre: int | None) -> tuple[int, int, int]:
        """Start and end in source pixels along one axis, and the pixels that they become."""
        scaled = max(1, round(length * factor))
        kept = min(size, scaled)
        if centre is None:
            start = self.py_random.randint(0, scaled - kept)
        else:
            start = round(centre * scaled / length) - self.py_random.randint(0, kept - 1)
            start = min(max(start, 0), scaled - kept)
        step = length / scaled
        low = min(int(start * step), length - 1)
        return low, max(low + 1, min(length, round((start + kept) * step))), kept

    def rare_pixel(self, mask: NDArray[np.uint8] | None) -> tuple[int, int] | None:
        """A random pixel of a random rare class that the image has."""
        if not self.rare_classes or mask is None or self.py_random.random() >= self.rare_p:
            return None
        present = np.flatnonzero(np.bincount(mask.reshape(-1), minlength=256))
        found = [index for index in self.rare_classes if index in present]
        if not found:
            return None
        places = np.flatnonzero(mask.reshape(-1) == self.py_random.choice(found))
        row, column = divmod(int(places[self.py_random.randrange(len(places))]), mask.shape[1])
        return row, column

    def apply(self, img: NDArray[Any], **params: Any) -> NDArray[Any]:
        return self.cut(img, params["window"], params["target"], cv2.INTER_LINEAR, self.fill)

    def apply_to_mask(self, mask: NDArray[np.uint8], **params: Any) -> NDArray[np.uint8]:
        # the exact variant takes the pixel under each centre, as INTER_LINEAR does for the image
        return self.cut(mask, params["window"], params["target"], cv2.INTER_NEAREST_EXACT, self.fill_mask)

    def border(self, channels: tuple[int, ...], kind: Any, fill: int | tuple[int, ...]) -> NDArray[Any]:
        """A whole crop of padding, made once: copying from it is faster than filling with a colour."""
        if (channels, kind) not in self.borders:
            self.borders[channels, kind] = np.empty((*self.size, *channels), kind)
            self.borders[channels, kind][:] = fill
        return self.borders[channels, kind]

    def cut(
        self,
        source: NDArray[Any],
        window: tuple[int, int, int, int],
        target: tuple[int, int],
        interpolation: int,
        fill: int | tuple[int, ...],
    ) -> NDArray[Any]:
        """The window of `source`, resized to `target` and padded to the crop's size."""
        top, left, bottom, right = window
        h, w = target
        if self.mirror and (h, w) != self.size:
            piece = cv2.resize(source[top:bottom, left:right], (w, h), interpolation=interpolation)
            below, right_of = self.size[0] - h, self.size[1] - w
            made = cv2.copyMakeBorder(piece, 0, below, 0, right_of, cv2.BORDER_REFLECT_101)
            return np.asarray(made).reshape(*self.size, *source.shape[2:])
        out: NDArray[Any] = np.empty((*self.size, *source.shape[2:]), source.dtype)
        if (h, w) != self.size:
            border = self.border(source.shape[2:], source.dtype, fill)
            out[h:], out[:h, w:] = border[h:], border[:h, w:]
        piece = source[top:bottom, left:right]
        if piece.shape[:2] == (h, w):
            out[:h, :w] = piece
        elif (h, w) == self.size:
            cv2.resize(piece, (w, h), dst=out, interpolation=interpolation)
        else:
            resized = cv2.resize(piece, (w, h), interpolation=interpolation)
            out[:h, :w] = resized.reshape(h, w, *source.shape[2:])  # OpenCV drops a single channel
        return out
