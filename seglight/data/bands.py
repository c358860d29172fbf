"""Reads what an image file stores: any number of bands, 8 and 16 bits, whole and floating-point numbers."""

# Shapes: H W pixels, C bands

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from seglight.data.decode import decode, deep_png, is_tiff, open_image, read_image, undecodable

NODATA_TAG = 42113  # GDAL's, in TIFFs
ALPHA = (1, 2)  # extra samples of a TIFF that are transparency
RASTERS = (".vrt", ".jp2", ".img")
ARRAYS = (".npy", ".npz")
AXES = ("hwc", "chw")
WHOLE = {"L": 1, "I;16": 1, "I;16B": 1, "I;16L": 1, "F": 1, "I": 1, "RGB": 3}  # of Pillow, which keeps all of it
COLOURS = ("P", "PA", "1", "CMYK", "YCbCr", "LAB", "LA", "HSV")  # what becomes RGB


@dataclass(frozen=True)
class Stored:
    """values [H, W, C] as stored; nodata: which of them is none; alpha: the bands, from 0, that are transparency."""

    values: NDArray[Any]
    nodata: float | None = None
    alpha: tuple[int, ...] = ()


def read_stored(path: Path, frame: int = 0, axes: str | None = None, turn: bool = True) -> Stored:
    """A file's values. axes: hwc or chw, of arrays. turn: upright by EXIF. ValueError names a file it cannot read."""
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        return Stored(in_order(read_array(path), axes, path))
    if suffix in RASTERS:
        return by_rasterio(path)
    if is_tiff(path):
        return read_tiff(path, frame)
    if deep_png(path):
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if values is None:
            raise undecodable(path, ValueError("not a whole PNG"))
        return Stored(values[..., None] if values.ndim == 2 else values[..., [2, 1, 0]])
    with open_image(path) as image:
        single = WHOLE.get(image.mode) == 1
    return Stored(np.array(decode(path, frame, turn))[..., None] if single else read_image(path, frame, turn))


def read_header(path: Path, axes: str | None = None) -> tuple[int, int, np.dtype[Any]]:
    """(H, W, dtype) of what `read_stored` gives, without reading all of it where that is long; upright by EXIF."""
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        values = in_order(read_array(path, mapped=True), axes, path)
    elif is_tiff(path) or suffix in RASTERS:
        header = tiff_header(path) if suffix not in RASTERS else None
        if header is not None:
            return header
        values = read_stored(path).values
    else:
        with open_image(path) as image:
            deep = image.mode.startswith("I") or deep_png(path)
            dtype = np.dtype(np.uint16 if deep else np.float32 if image.mode == "F" else np.uint8)
            width, height = image.size
        return height, width, dtype
    return values.shape[0], values.shape[1], values.dtype


def read_array(path: Path, mapped: bool = False) -> NDArray[Any]:
    """The array of a .npy, or the only one of a .npz."""
    try:
        loaded = np.load(path, mmap_mode="r" if mapped and path.suffix.lower() == ".npy" else None, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            if len(loaded.files) == 1:
                return np.asarray(loaded[loaded.files[0]])
            names = ", ".join(loaded.files)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as an array ({error})") from None
    raise ValueError(f"{path}: the arrays {names}; one array in a file is expected")


def in_order(values: NDArray[Any], axes: str | None, path: Path) -> NDArray[Any]:
    """An array as [H, W, C]. Where `axes` is not given, the bands are the axis that is at most 32 and the other not."""
    if values.ndim == 2:
        return values[..., None]
    if values.ndim != 3:
        raise ValueError(f"{path}: an array of shape {values.shape}; expected [H, W], [H, W, C] or [C, H, W]")
    few = [values.shape[0] <= 32, values.shape[2] <= 32]
    if axes is None and few[0] == few[1]:
        raise ValueError(f"{path}: an array of shape {values.shape}; data.axes=hwc or data.axes=chw says what it means")
    first = axes == "chw" if axes else few[0]
    return np.moveaxis(values, 0, -1) if first else values


def read_tiff(path: Path, frame: int = 0) -> Stored:
    """All bands of a TIFF: samples of a pixel, planes or pages of one size."""
    try:
        with open_image(path) as image:
            mode = image.mode
            samples, pages = image.tag_v2.get(277, 1), getattr(image, "n_frames", 1)  # type: ignore[attr-defined]
            nodata = image.tag_v2.get(NODATA_TAG)  # type: ignore[attr-defined]
    except ValueError:  # Pillow does not open every TIFF
        mode, samples, pages, nodata = "", 0, 1, None
    alone = pages == 1 or frame > 0
    if alone and mode in COLOURS and nodata is None:
        return Stored(read_image(path, frame))
    if alone and WHOLE.get(mode) == samples:
        values = np.array(decode(path, frame))
        return Stored(values[..., None] if values.ndim == 2 else values, as_number(nodata))
    return by_tifffile(path, frame)


def by_tifffile(path: Path, frame: int) -> Stored:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            series, key = file.series[0], file.pages.first
            if frame:
                parts, axes = [file.pages[frame].asarray()], key.axes
            else:
                full = [one for one in file.series if not one.keyframe.is_reduced and one.shape == series.shape]
                if len({one.dtype for one in full}) > 1:
                    raise ValueError("pages of different kinds of numbers")
                parts, axes = [one.asarray() for one in full], series.axes
            nodata = key.tags.get(NODATA_TAG)
            extra = [int(kind) for kind in getattr(key, "extrasamples", ())]
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except Exception as error:
        if "imagecodecs" in str(error):  # a compression that tifffile leaves to another package
            return by_rasterio(path)
        raise undecodable(path, error) from None
    planes = [np.moveaxis(part, (axes.index("Y"), axes.index("X")), (0, 1)) for part in parts]
    values = np.concatenate([plane.reshape(*plane.shape[:2], -1) for plane in planes], 2)
    colours = values.shape[2] - len(extra)  # of a single page
    alpha = tuple(colours + place for place, kind in enumerate(extra) if kind in ALPHA)
    return Stored(values, as_number(None if nodata is None else nodata.value), alpha)


def tiff_header(path: Path) -> tuple[int, int, np.dtype[Any]] | None:
    """(H, W, dtype) of a TIFF; None where only reading it says."""
    try:
        import tifffile

        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            if file.pages.first.photometric not in (0, 1, 2):  # those of which every sample counts: grey, RGB
                return None
            axes = series.axes
            return series.shape[axes.index("Y")], series.shape[axes.index("X")], np.dtype(series.dtype)
    except Exception:  # whatever is wrong with it, reading it says
        return None


def by_rasterio(path: Path) -> Stored:
    """What GDAL reads: rasters, and compressions that nothing else knows."""
    import logging
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what it logs, it raises too
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as source:
                alpha = tuple(i for i, kind in enumerate(source.colorinterp) if kind.name == "alpha")
                return Stored(np.moveaxis(source.read(), 0, -1), source.nodata, alpha)
    except RasterioError as error:
        raise ValueError(f"{path}: cannot be read as a raster ({error})") from None


def as_number(nodata: Any) -> float | None:
    """GDAL's text for what is no value."""
    try:
        return None if nodata is None else float(str(nodata).strip("\0 "))
    except ValueError:
        return None
