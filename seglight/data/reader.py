"""Reads one pair of a data set: the step between file names and arrays."""

# Shapes: H W pixels

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seglight.data.decode import image_size, is_turned, read_image, read_mask
from seglight.data.labels import ColourLabels, Labels, MappedLabels, TolerantLabels, nearest
from seglight.data.pair import Pair, Window
from seglight.data.pixels import Image, Pixels
from seglight.data.window_reading import read_part
from seglight.ignore import IGNORE_INDEX

LOSSY = (".jpg", ".jpeg")


class Reader(Protocol):
    """What a dataset reads its samples with; small and picklable, since it travels to the workers."""

    def __call__(self, pair: Pair) -> tuple[Image, NDArray[np.uint8]]:
        """Image [H, W, C], uint8 or float32 from 0 to 255, RGB where C is 3; and mask [H, W] of class indices.

        The mask is 255 all over where there are no labels.
        """

    def mask(self, pair: Pair) -> NDArray[np.uint8]:
        """The mask alone."""


@dataclass(frozen=True)
class FileReader:
    """Reads image and mask files; a wrong one raises ValueError or FileNotFoundError that names it.

    pixels: how images of more bands and bits are read; RGB of 8 bits where it is not given.
    """

    labels: Labels
    pixels: Pixels | None = None

    def __call__(self, pair: Pair) -> tuple[Image, NDArray[np.uint8]]:
        image, invalid = self.image(pair)
        mask = self.labels_of(pair, image.shape[:2])
        return image, mask if invalid is None else np.where(invalid, np.uint8(IGNORE_INDEX), mask)

    def labels_of(self, pair: Pair, size: tuple[int, ...]) -> NDArray[np.uint8]:
        """The mask of an image of this size (H, W), 255 all over where there is none."""
        if pair.mask is None:
            return np.full(size, IGNORE_INDEX, np.uint8)
        mask = self.mask(pair)
        if mask.shape != size:
            raise size_mismatch(pair, (size[0], size[1]), (mask.shape[0], mask.shape[1]))
        return mask

    def image(self, pair: Pair) -> tuple[Image, NDArray[np.bool_] | None]:
        """The image, and where it has no data [H, W]."""
        return (
            (read_image(pair.image, pair.frame), None)
            if self.pixels is None
            else self.pixels.read(pair.image, pair.frame)
        )

    def invalid(self, pair: Pair) -> NDArray[np.bool_] | None:
        """Where the image has no data [H, W]; not read where its file's name and start say that it has."""
        return None if self.all_data(pair) else self.image(pair)[1]

    def all_data(self, pair: Pair) -> bool:
        """Whether the image's file says without being read that it has data everywhere."""
        return self.pixels is None or self.pixels.all_data(pair.image)

    def image_part(self, pair: Pair, window: Window) -> tuple[Image, NDArray[np.bool_] | None] | None:
        """`image` within a window; None where that takes reading all of the file."""
        if self.pixels is None or pair.frame:
            return None
        stored = read_part(pair.image, window, self.pixels.axes)
        return None if stored is None else self.pixels.image(stored, pair.image)

    def mask_part(self, pair: Pair, window: Window) -> NDArray[np.uint8] | None:
        """`mask` within a window; None where that takes reading all of the file."""
        assert pair.mask is not None
        stored = None if pair.frame else read_part(pair.mask, window, "hwc")
        if stored is None or stored.values.dtype.kind not in "ui" or stored.values.shape[2] not in (1, 3, 4):
            return None
        values = stored.values[..., 0] if stored.values.shape[2] == 1 else stored.values[..., :3]
        return self.labels(values, pair.mask)

    def form(self, pair: Pair) -> tuple[int, int, int, int]:
        """(H, W, C, bytes of a number) of the image, from the file's header."""
        return (self.pixels or Pixels()).form(pair.image)

    def mask(self, pair: Pair) -> NDArray[np.uint8]:
        if pair.mask is None:
            raise ValueError(f"{pair.image}: this split has no masks")
        stored = read_mask(pair.mask, pair.frame)
        try:
            return self.labels(stored, pair.mask)
        except ValueError as error:
            if pair.mask.suffix.lower() not in LOSSY:
                raise
            raise ValueError(f"{error}. {lossy(stored, self.labels)}") from None


def form(reader: Any, pair: Pair) -> tuple[int, int, int, int]:
    """(H, W, C, bytes of a number) of an image; RGB of 8 bits where a reader does not say."""
    if hasattr(reader, "form"):
        return reader.form(pair)  # type: ignore[no-any-return]
    return *image_size(pair.image), 3, 1


def lossy(stored: NDArray[Any], labels: Labels) -> str:
    """What is to be done about a JPEG mask whose values are no classes."""
    labels = labels.labels if isinstance(labels, TolerantLabels) else labels
    text = "JPEG is lossy, which changes the values of masks: save them as PNG"
    if not isinstance(labels, MappedLabels | ColourLabels) or (stored.ndim == 3) != isinstance(labels, ColourLabels):
        return text
    distance = nearest(stored, labels)[1]
    beside = int((distance > 0).sum())
    return (
        f"{text}, or data.mask_tolerance=N takes the nearest class within N grey levels ({beside:,} pixels, "
        f"{beside / distance.size:.1%}, lie up to {int(distance.max())} beside those of the class table)"
    )


def size_mismatch(pair: Pair, image: tuple[int, int], mask: tuple[int, int]) -> ValueError:
    """Names both files and both sizes."""
    text = (
        f"{pair.mask}: the mask is {mask[1]} x {mask[0]} pixels; expected {image[1]} x {image[0]}, "
        f"the size of its image {pair.image}"
    )
    if mask == image[::-1] and is_turned(pair.image):
        text += ", which its EXIF orientation turns: data.exif=ignore reads images as they are stored, as this mask is"
    return ValueError(text)
