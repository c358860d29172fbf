"""A window of an image file, read without the rest of it where the file's format allows that."""

# Shapes: H W pixels, C bands

from __future__ import annotations

import logging
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np

from seglight.data.bands import RASTERS, Stored, in_order, read_array
from seglight.data.decode import is_tiff
from seglight.data.pair import Window

PLAIN = (1, 2)  # photometric interpretations of a TIFF whose numbers mean what they say: grey, RGB
ORIENTATION = 274


def read_part(path: Path, window: Window, axes: str | None = None) -> Stored | None:
    """What `read_stored` gives within a window [H, W, C]; None where that takes reading all of the file."""
    if path.suffix.lower() == ".npy":
        values = in_order(read_array(path, mapped=True), axes, path)
        return Stored(np.array(window.of_image(values))) if values.shape[:2] == window.image else None
    if path.suffix.lower() not in RASTERS and not (is_tiff(path) and plain(path, path.stat().st_mtime_ns)):
        return None
    try:
        import rasterio
        from rasterio.errors import NotGeoreferencedWarning, RasterioError
        from rasterio.windows import Window as Rectangle
    except ModuleNotFoundError:
        return None
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what it logs, it raises too
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as source:
                if (source.height, source.width) != window.image or source.subdatasets:
                    return None
                height, width = window.size
                values = source.read(window=Rectangle(window.left, window.top, width, height))
                alpha = tuple(i for i, kind in enumerate(source.colorinterp) if kind.name == "alpha")
                return Stored(np.moveaxis(values, 0, -1), source.nodata, alpha)
    except RasterioError:  # reading all of it says what is wrong
        return None


@lru_cache(4096)
def plain(path: Path, changed: int) -> bool:
    """Whether a TIFF is one upright page of numbers that are bands, which GDAL reads as `read_stored` does.

    Not of those of fewer than 8 bits: the 1 of a single bit is white there.
    """
    try:
        import tifffile

        with tifffile.TiffFile(path) as file:
            page, full = file.pages.first, [one for one in file.series if not one.keyframe.is_reduced]
            turned = page.tags.get(ORIENTATION)
            upright = turned is None or turned.value == 1
            single = len(full) == 1 == len(full[0].pages)
            return upright and single and page.bitspersample >= 8 and page.photometric in PLAIN
    except Exception:  # whatever is wrong with it, reading all of it says
        return False
