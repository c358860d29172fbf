"""Predicts a raster of any size in bounded memory: read and written by windows whose centres are kept."""

# Shapes: H W pixels

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from seglight.colours import Colour, table
from seglight.data.pixels import Pixels
from seglight.data.progress import progress_bar
from seglight.deploy.colours import overlay, safe_palette
from seglight.ignore import IGNORE_INDEX
from seglight.runs.atomic import whole_path
from seglight.sources.heap import give_back_large_blocks
from seglight.sources.listing import Item
from seglight.sources.network import Network
from seglight.sources.outputs import QUALITY, Outputs, written
from seglight.values import typed, whole

STRIDE = 32  # the largest of any encoder: windows that begin at its multiples see the cells of the whole image
CACHE = 32 * 2**20  # bytes of decoded blocks that GDAL keeps
BLOCK = 256  # side of a block of the written file
SHOWN = 2048  # the longer side of the overlay


@dataclass(frozen=True)
class Windows:
    """How a raster is read: centres of `size` pixels, `margin` more on every side seen by the network.

    bands: which bands the network takes, from 1 (red, green, blue). value_range: what becomes 0 and 255 in rasters
    that are not uint8. Where they are not given they are as in the run's own images.
    """

    size: int = 1024
    margin: int = 128
    bands: Sequence[int] | None = None
    value_range: Sequence[float] | None = None

    def __post_init__(self) -> None:
        for key, value, least in (("window", self.size, STRIDE), ("margin", self.margin, 0)):
            if whole(key, value, least) % STRIDE:
                raise ValueError(f"{key}={value}: a multiple of {STRIDE} is needed")
        limits = self.value_range
        if limits is not None and not (len(limits) == 2 and limits[0] < limits[1]):
            raise ValueError(f"value_range={typed(limits)}: two numbers are needed, the lower one first")


def predict_raster(item: Item, network: Network, outputs: Outputs, windows: Windows) -> None:
    """Writes `<name>.tif`: class indices with their colours, 255 where there is no data, georeferenced as the source.

    ValueError names a raster that cannot be read, or whose bands or values the network does not take.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    give_back_large_blocks()
    with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=CACHE):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # what it logs, it raises too
        try:
            source = rasterio.open(item.path)
        except RasterioError as error:
            raise ValueError(f"{item.path}: cannot be read as a raster ({error})") from None
        with source:
            reader = Reader(source, item.path, windows, network.run.pixels)
            target = outputs.path(item.name, ".tif")
            colours = safe_palette(network.palette) if outputs.safe_colours else network.palette
            try:
                with whole_path(target) as partial:
                    write_classes(reader, partial, network, colours, item.name)
            except RasterioError as error:
                raise OSError(f"{target}: cannot be written ({error.__cause__ or error}); is the disk full?") from None
            if outputs.overlay:
                with rasterio.open(target) as classes, written(outputs.path(item.name, "_overlay.jpg")) as file:
                    shown = small_overlay(reader, classes, colours)
                    shown.save(file, "JPEG", quality=QUALITY)


class Reader:
    """A raster's pixels as the network takes them."""

    def __init__(self, source: Any, path: Path, windows: Windows, trained: Pixels) -> None:
        self.source, self.path, self.windows = source, path, windows
        self.bands = chosen_bands(source, path, windows.bands or trained.bands, trained.channels)
        kinds = {source.dtypes[band - 1] for band in self.bands}
        self.value_range = trained.value_range
        if windows.value_range is not None:
            low, high = windows.value_range
            self.value_range = ((low, high),)
        self.trained = replace(trained, value_range=self.value_range)
        if kinds != {"uint8"} and self.value_range is None:
            raise ValueError(
                f"{path}: {', '.join(sorted(kinds))} pixels; value_range=[low,high] says which values become 0 and 255"
            )
        flags = [flag.name for band in source.mask_flag_enums for flag in band]
        self.always_valid = all(name == "all_valid" for name in flags)

    def seen(self, **where: Any) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Bands [C, H, W] from 0 to 255, and where there is data [H, W]; None where that is everywhere.

        uint8, or float32 where the raster is deeper. Without data is what the file says, what `data.nodata` of the run
        names, and what is no finite number. It is 0, as in training.
        """
        values = np.moveaxis(self.read(self.source.read, self.bands, **where), 0, -1)
        invalid = None
        if self.trained.nodata is not None or values.dtype.kind == "f":
            own = self.source.nodata
            invalid = self.trained.invalid(values, np.nan if own is None else own, self.path)
        if not self.always_valid:
            missing = self.read(self.source.dataset_mask, **where) == 0
            invalid = missing if invalid is None else invalid | missing
        image = values if self.value_range is None else self.trained.scaled(values, self.path)
        if invalid is None:
            return np.moveaxis(image, -1, 0), None
        return np.moveaxis(np.where(invalid[..., None], image.dtype.type(0), image), -1, 0), ~invalid

    def read(self, function: Any, *args: Any, **where: Any) -> Any:
        from rasterio.errors import RasterioError

        try:
            return function(*args, **where)
        except RasterioError as error:
            raise ValueError(f"{self.path}: cannot be read to its end ({error}); truncated?") from None

    def cores(self) -> Iterator[tuple[Any, Any]]:
        """Each window that is written, with the larger one that the network sees, both inside the raster.

        All that are seen are of one size but the last of a row or column: what is freed fits what comes next.
        """
        from rasterio.windows import Window

        size, margin = self.windows.size, self.windows.margin
        height, width = self.source.height, self.source.width
        for top in range(0, height, size):
            bottom, above = min(top + size, height), max(0, top - margin)
            below = min(height, above + size + 2 * margin)
            for left in range(0, width, size):
                right, before = min(left + size, width), max(0, left - margin)
                after = min(width, before + size + 2 * margin)
                core = Window(left, top, right - left, bottom - top)
                yield core, Window(before, above, after - before, below - above)

    def count(self) -> int:
        """How many windows there are."""
        return sum(1 for _ in self.cores())


def chosen_bands(source: Any, path: Path, bands: Sequence[int] | None, channels: int) -> list[int]:
    """Which bands are read: those asked for, else all but transparency; a single one stands for all three."""
    colours = [band for band in source.indexes if source.colorinterp[band - 1].name != "alpha"]
    if bands is None:
        if len(colours) == 1 and channels == 3:
            return colours * 3
        if len(colours) != channels:
            example = ",".join(map(str, range(1, channels + 1)))
            raise ValueError(
                f"{path}: {len(colours)} bands; the network takes {channels}: bands=[{example}] says which ones"
            )
        return colours
    wanted = list(bands)
    if len(wanted) != channels or any(band not in source.indexes for band in wanted):
        count = "three" if channels == 3 else channels
        raise ValueError(f"bands={wanted}: {count} bands are needed, each from 1 to {source.count} ({path})")
    return wanted


def write_classes(reader: Reader, target: Path, network: Network, colours: Sequence[Colour], name: str) -> None:
    """Predicts window by window into a tiled GeoTIFF."""
    import rasterio

    source = reader.source
    profile = {
        "driver": "GTiff", "dtype": "uint8", "count": 1, "width": source.width, "height": source.height,
        "nodata": IGNORE_INDEX, "photometric": "palette", "compress": "deflate", "bigtiff": "if_safer",
        "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK,
    }  # fmt: skip
    shown = {value: (*map(int, colour), 255) for value, colour in enumerate(table(colours))}
    with (
        rasterio.open(target, "w", **profile, **georeference(source)) as file,
        progress_bar(name, reader.count()) as advance,
    ):
        file.write_colormap(1, shown)
        file.update_tags(classes=", ".join(network.classes))
        for core, seen in reader.cores():
            pixels, valid = reader.seen(window=seen)
            top, left = core.row_off - seen.row_off, core.col_off - seen.col_off
            kept = (slice(top, top + core.height), slice(left, left + core.width))
            if valid is None or valid[kept].any():
                mask = network(torch.from_numpy(pixels)[None])[0].mask[kept]
                mask = mask if valid is None else np.where(valid[kept], mask, np.uint8(IGNORE_INDEX))
            else:
                mask = np.full((core.height, core.width), IGNORE_INDEX, np.uint8)
            file.write(mask, 1, window=core)
            advance()


def georeference(source: Any) -> dict[str, Any]:
    """Where on earth a raster lies: by a transform, or by ground control points."""
    points, crs = source.gcps
    if points and source.transform.is_identity:
        return {"gcps": points, "crs": crs}
    return {"transform": source.transform, "crs": source.crs}


def small_overlay(reader: Reader, classes: Any, colours: Sequence[Colour]) -> Image.Image:
    """The overlay at a size that can be looked at."""
    source = reader.source
    scale = min(1.0, SHOWN / max(source.height, source.width))
    shape = (max(1, round(source.height * scale)), max(1, round(source.width * scale)))
    pixels = np.moveaxis(reader.seen(out_shape=shape)[0], 0, -1)
    image, mask = reader.trained.pictured(pixels), classes.read(1, out_shape=shape)
    parts = (slice(top, top + BLOCK) for top in range(0, shape[0], BLOCK))  # in floats it would be the peak
    return Image.fromarray(np.concatenate([overlay(image[part], mask[part], colours) for part in parts]))
