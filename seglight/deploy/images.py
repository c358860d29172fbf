"""An image as an exported network takes it: from a file, Pillow's image or an array. No torch."""

# Shapes: C bands, H W pixels

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Pixels = NDArray[np.uint8] | NDArray[np.float32]
AS_STORED = "give its array [H, W, C] as stored (.npy files are read)"


def pixels_of(image: Any, bands: int = 3, value_range: Any = None) -> Pixels:
    """[H, W, C] with `bands` channels, uint8, or float32 of 0 to 255 where there is a `value_range`.

    Takes the path of a file, Pillow's image, or an array [H, W, C], [C, H, W] or [H, W] (a torch tensor too), of the
    values that files store where there is a `value_range`. Grey images become RGB. ValueError where it is no such
    image, or where its values are no pixels.
    """
    deep = value_range is not None
    values = decoded(image, deep) if isinstance(image, str | Path | Image.Image) else np.asarray(image)
    if deep and values.dtype == np.uint8 and np.max(value_range) > 255:
        raise ValueError(f"8 bits, where the network takes values to {np.max(value_range):,.0f}, {AS_STORED}")
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3 if bands == 3 else 1, 2)
    if values.ndim != 3 or values.size == 0 or values.dtype.kind not in "uif":
        raise ValueError(f"an image [H, W, {bands}] of numbers is needed, got {list(values.shape)} {values.dtype}")
    if values.shape[2] != bands and values.shape[0] == bands:
        values = values.transpose(1, 2, 0)
    if values.shape[2] != bands:
        raise ValueError(f"the network takes images of {bands} bands, this one has {values.shape[2]}")
    if value_range is not None:
        low, high = np.moveaxis(np.asarray(value_range, np.float32), -1, 0)
        scaled: NDArray[np.float32] = np.clip((values.astype(np.float32) - low) / (high - low) * 255, 0, 255)
        return scaled
    return eight_bits(values)


def eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The same numbers as uint8. ValueError where they are not the whole numbers 0 to 255 (0 to 1 would be black)."""
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    low, high = float(values.min()), float(values.max())
    whole = values.astype(np.uint8) if low >= 0 and high <= 255 else None
    if whole is None or not np.array_equal(whole, values) or (values.dtype.kind == "f" and 0 < high <= 1):
        raise ValueError(
            f"pixels are the whole numbers 0 to 255, these are {values.dtype} from {low:g} to {high:g}: "
            "give the image as it was read, uint8"
        )
    return whole


def decoded(image: str | Path | Image.Image, deep: bool) -> NDArray[Any]:
    """A file or Pillow's image, upright, as RGB. deep: values of more than 8 bits as they are, else as 8 bits."""
    if isinstance(image, str | Path):
        try:
            if Path(image).suffix.lower() == ".npy":
                return np.asarray(np.load(image, allow_pickle=False))
            with Image.open(image) as file:
                picture = ImageOps.exif_transpose(file)
                picture.load()
        except FileNotFoundError:
            raise FileNotFoundError(f"{image}: no such file") from None
        except Exception as error:
            more = f"; many bands and 16 bits: {AS_STORED}" if deep else ""
            raise ValueError(f"{image}: cannot be decoded as an image ({error}){more}") from None
    else:
        picture = image
    if deep and picture.mode.startswith(("I", "F")):
        return np.asarray(picture)
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"pixels from {values.min()} to {values.max()}; expected 8 or 16 bits a channel")
        grey = ((values + 128) // 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, 2)
    if picture.mode == "F":
        raise ValueError("floating-point pixels; expected 8 or 16 bits a channel")
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return np.asarray(picture.convert("RGB"))
