"""An image as an exported network takes it: from a file, Pillow's image or an array. No torch."""

# Shapes: C bands, H W pixels

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Pixels = NDArray[np.uint8] | NDArray[np.float32]
NODATA_TAG = 42113  # GDAL's, in TIFFs
AS_STORED = "give its array [H, W, C] as stored (tifffile and rasterio read it), or that array as a .npy file"


def pixels_of(
    image: Any, bands: int = 3, value_range: Any = None, nodata: float | str | None = None
) -> tuple[Pixels, NDArray[np.bool_] | None]:
    """[H, W, C] with `bands` channels, uint8, or float32 of 0 to 255 where there is a `value_range`; where it has no
    data [H, W], or None.

    Takes the path of a file, Pillow's image, or an array [H, W, C], [C, H, W] or [H, W] (a torch tensor too), of the
    values that files store where there is a `value_range`. A grey one, of a single band, becomes RGB. nodata: the value
    that is none, or "nan"; else the one that a TIFF names. ValueError where it is no such image, or where its values
    are no pixels.
    """
    deep = value_range is not None
    own: float | str | None = None
    if isinstance(image, str | Path | Image.Image):
        values, own = decoded(image, deep)
    else:
        values = np.asarray(image)
    if deep and values.dtype == np.uint8 and np.max(value_range) > 255:
        raise ValueError(few_bits(image, np.max(value_range)))
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim == 3 and bands == 3 and 3 not in (values.shape[0], values.shape[2]):
        if values.shape[2] == 1:
            values = np.repeat(values, 3, 2)
        elif values.shape[0] == 1:
            values = np.repeat(values, 3, 0)
    if values.ndim != 3 or values.size == 0 or values.dtype.kind not in "uif":
        raise ValueError(f"an image [H, W, {bands}] of numbers is needed, got {list(values.shape)} {values.dtype}")
    if values.shape[2] != bands and values.shape[0] == bands:
        values = values.transpose(1, 2, 0)
    if values.shape[2] != bands:
        raise ValueError(f"the network takes images of {bands} bands, this one has {values.shape[2]}")
    invalid = missing(values, own if nodata is None else nodata) if deep or nodata is not None else None
    if value_range is None:
        return eight_bits(values if invalid is None else np.where(invalid[..., None], 0, values)), invalid
    low, high = np.moveaxis(np.asarray(value_range, np.float64), -1, 0)
    factor = (255 / (high - low)).astype(np.float32)
    scaled: NDArray[np.float32] = ((values.astype(np.float32) - low.astype(np.float32)) * factor).clip(0, 255)
    return scaled if invalid is None else np.where(invalid[..., None], np.float32(0), scaled), invalid


def few_bits(image: Any, highest: float) -> str:
    """What to say of 8 bits where the network takes more."""
    told = f"{image}: Pillow reads this file with 8 bits" if isinstance(image, str | Path) else "8 bits"
    return f"{told}, where the network takes values to {highest:,.0f}: {AS_STORED}"


def missing(values: NDArray[Any], nodata: float | str | None) -> NDArray[np.bool_] | None:
    """Where there is no data [H, W]: every band is `nodata`, or one is not a number; None where there is data."""
    none = np.zeros(values.shape[:2], bool)
    if nodata is not None and not np.isnan(float(nodata)):
        none |= (values == float(nodata)).all(-1)
    if values.dtype.kind == "f":
        strange = ~np.isfinite(values).all(-1)
        if nodata is None and strange.any():
            raise ValueError(
                f"{int(strange.sum()):,} pixels are NaN or infinite, and the network was trained without a no-data "
                "value (data.nodata=nan)"
            )
        none |= strange
    return none if none.any() else None


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


def decoded(image: str | Path | Image.Image, deep: bool) -> tuple[NDArray[Any], str | None]:
    """A file or Pillow's image, upright, as RGB, and the no-data value that a TIFF names.

    deep: values of more than 8 bits as they are, else as 8 bits.
    """
    if isinstance(image, str | Path):
        try:
            if Path(image).suffix.lower() == ".npy":
                return np.asarray(np.load(image, allow_pickle=False)), None
            with Image.open(image) as file:
                own = no_data_of(file)
                pages = getattr(file, "n_frames", 1) if file.format == "TIFF" and not deep else 1
                picture = ImageOps.exif_transpose(file)
                picture.load()
        except FileNotFoundError:
            raise FileNotFoundError(f"{image}: no such file") from None
        except Exception as error:
            more = f"; many bands and 16 bits: {AS_STORED}" if deep else ""
            raise ValueError(f"{image}: cannot be decoded as an image ({error}){more}") from None
        if pages > 1:
            raise ValueError(f"{image}: a TIFF of {pages} pages; give one of them, as an array or Pillow's image")
    else:
        picture, own = image, no_data_of(image)
    if deep and picture.mode.startswith(("I", "F")):
        return np.asarray(picture), own
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"pixels from {values.min()} to {values.max()}; expected 8 or 16 bits a channel")
        grey = ((values + 128) // 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, 2), None
    if picture.mode == "F":
        raise ValueError("floating-point pixels; expected 8 or 16 bits a channel")
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return np.asarray(picture.convert("RGB")), None


def no_data_of(picture: Image.Image) -> str | None:
    """The number that a TIFF's tag names."""
    text = str(getattr(picture, "tag_v2", {}).get(NODATA_TAG, "")).strip("\0 ")
    try:
        float(text)
    except ValueError:
        return None
    return text
