"""From what files store to what networks take: 0 to 255, uint8 where that is exact and float32 where it is not."""

# Shapes: H W pixels, C bands

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.data.bands import AXES, RASTERS, Stored, read_header, read_stored
from seglight.data.decode import image_size, is_tiff, read_image
from seglight.values import number, one_of, typed, whole

Image = NDArray[Any]  # uint8 or float32 [H, W, C], 0 to 255
PERCENTILES = re.compile(r"p(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)")
SETTINGS = ("bands", "value_range", "nodata", "axes", "exif", "channels", "rgb")
FULL = {kind: (float(np.iinfo(kind).min), float(np.iinfo(kind).max)) for kind in ("uint8", "int8", "uint16", "int16")}

Range = tuple[tuple[float, float], ...]  # a pair for all bands, or one for each


@dataclass(frozen=True)
class Pixels:
    """How images are read.

    bands: which of the file's, from 1, in which order; all but transparency where not given. value_range: what becomes
    0 and 255, a pair for all bands or one for each; not given: the range of the stored kind of number. nodata: a value
    that is none (the file's own where it names one). channels: how many bands the network takes; a single band serves
    as all three. rgb: the bands that are shown.
    """

    bands: tuple[int, ...] | None = None
    value_range: Range | None = None
    nodata: float | None = None
    axes: str | None = None
    exif: str = "apply"
    channels: int = 3
    rgb: tuple[int, ...] | None = None

    @property
    def ordinary(self) -> bool:
        """Whether images are RGB that no key changes."""
        return self.bands is None and self.value_range is None and self.nodata is None and self.channels == 3

    def all_data(self, path: Path) -> bool:
        """Whether a file's name and start say that it has data everywhere."""
        return self.ordinary and path.suffix.lower() not in (*RASTERS, ".npy", ".npz") and not is_tiff(path)

    def read(self, path: Path, frame: int = 0) -> tuple[Image, NDArray[np.bool_] | None]:
        """An image [H, W, C] from 0 to 255, and where it has no data [H, W]. ValueError names a file that is wrong."""
        turn = self.exif == "apply"
        if self.all_data(path):
            return read_image(path, frame, turn), None
        return self.image(read_stored(path, frame, self.axes, turn), path)

    def image(self, stored: Stored, path: Path | str) -> tuple[Image, NDArray[np.bool_] | None]:
        """What `read` gives, of values that are in memory."""
        values = self.chosen(stored, path)
        invalid = self.invalid(values, stored.nodata, path)
        image = self.scaled(values, path)
        if invalid is not None:
            image = np.where(invalid[..., None], image.dtype.type(0), image)
        if image.shape[2] == 1 and self.channels == 3:
            image = np.repeat(image, 3, 2)
        if image.shape[2] != self.channels:
            raise ValueError(
                f"{path}: {image.shape[2]} bands; expected {self.channels} (data.channels); data.bands=[1,2,...] "
                "says which ones are read"
            )
        return np.ascontiguousarray(image), invalid

    def chosen(self, stored: Stored, path: Path | str) -> NDArray[Any]:
        """The bands that are read [H, W, C]."""
        count = stored.values.shape[2]
        if self.bands is None:
            kept = [band for band in range(count) if band not in stored.alpha]
            return stored.values if len(kept) == count else stored.values[..., kept]
        if max(self.bands) > count:
            raise ValueError(f"data.bands={typed(list(self.bands))}: {path} has {count} bands")
        return stored.values[..., [band - 1 for band in self.bands]]

    def invalid(self, values: NDArray[Any], own: float | None, path: Path | str) -> NDArray[np.bool_] | None:
        """Where there is no data [H, W]: every band is `nodata`, or one is not a number; None where there is data."""
        nodata = own if self.nodata is None else self.nodata
        missing = np.zeros(values.shape[:2], bool)
        if nodata is not None and not np.isnan(nodata):
            missing |= (values == nodata).all(-1)
        if values.dtype.kind == "f":
            strange = ~np.isfinite(values).all(-1)
            if nodata is None and strange.any():
                raise ValueError(
                    f"{path}: {int(strange.sum()):,} pixels are NaN or infinite; data.nodata=nan ignores them"
                )
            missing |= strange
        return missing if missing.any() else None

    def scaled(self, values: NDArray[Any], path: Path | str) -> Image:
        """0 to 255."""
        kind = values.dtype.name
        if kind == "bool":
            return values.astype(np.uint8) * np.uint8(255)
        limits = self.value_range
        if limits is None:
            if kind not in FULL:
                raise ValueError(
                    f"{path}: {kind} values; data.value_range=[low,high] says which become 0 and 255, "
                    "data.value_range=p0.5-99.5 finds them in the training images"
                )
            limits = (FULL[kind],)
        if kind == "uint8" and set(limits) == {FULL["uint8"]}:
            return values
        if kind == "uint8" and min(high for _, high in limits) > 255:
            shown = typed([list(pair) for pair in limits])
            raise ValueError(f"{path}: 8 bits, where data.value_range={shown}: convert it to what the others are")
        if len(limits) not in (1, values.shape[2]):
            raise ValueError(f"data.value_range has {len(limits)} pairs; {path} has {values.shape[2]} bands")
        low, high = np.array(limits, np.float64).T
        with np.errstate(invalid="ignore"):  # what is not finite has no data
            image = (values.astype(np.float32) - low.astype(np.float32)) * (255 / (high - low)).astype(np.float32)
        return np.asarray(np.nan_to_num(image, copy=False).clip(0, 255), np.float32)

    def form(self, path: Path) -> tuple[int, int, int, int]:
        """(H, W, C, bytes of a number) of what `read` gives, from the file's header."""
        height, width, kind = read_header(path, self.axes)
        if self.exif == "apply" and path.suffix.lower() not in (*RASTERS, ".npy", ".npz") and not is_tiff(path):
            height, width = image_size(path)
        exact = kind == np.uint8 and (self.value_range is None or set(self.value_range) == {FULL["uint8"]})
        return height, width, self.channels, 1 if exact or kind == np.bool_ else 4

    def pictured(self, image: Image) -> NDArray[np.uint8]:
        """RGB uint8 [H, W, 3] to look at."""
        own = self.bands or range(1, self.channels + 1)
        return pictured(image, [list(own).index(band) for band in self.rgb] if self.rgb else None)


def pictured(image: Image, places: Sequence[int] | None = None) -> NDArray[np.uint8]:
    """RGB uint8 [H, W, 3] of an image from 0 to 255: its channels at `places`, or the first three, or the first."""
    if places is None:
        places = (0, 1, 2) if image.shape[-1] >= 3 else (0, 0, 0)
    shown = image if image.shape[-1] == 3 and list(places) == [0, 1, 2] else image[..., list(places)]
    return shown if shown.dtype == np.uint8 else np.rint(shown).clip(0, 255).astype(np.uint8)


def pixels_of(settings: Mapping[str, Any]) -> Pixels:
    """From a data set's keys, as `data.<key>` gives them; those that it lacks are not given. ValueError names one."""
    given = {key: settings.get(key) for key in SETTINGS}
    bands = numbers("bands", given["bands"])
    channels = whole("data.channels", 3 if given["channels"] is None else given["channels"])
    rgb = numbers("rgb", given["rgb"])
    own = bands or (range(1, channels + 1) if channels != 3 else rgb or ())  # 3: until the images have said it
    if rgb is not None and (len(rgb) != 3 or any(band not in own for band in rgb)):
        raise ValueError(f"data.rgb={typed(list(rgb))}: three of the bands {', '.join(map(str, own))} are needed")
    nodata = given["nodata"]
    if nodata is not None:
        nodata = float(nodata) if str(nodata).lower() == "nan" else number("data.nodata", nodata, -np.inf)
    one_of("data.axes", given["axes"], (None, *AXES))
    exif = one_of("data.exif", given["exif"] or "apply", ("apply", "ignore"))
    limits = None if percentiles(given["value_range"]) else value_range(given["value_range"])
    return Pixels(bands, limits, nodata, given["axes"], exif, channels, rgb)


def settings_of(pixels: Pixels) -> dict[str, Any]:
    """The other way round, as JSON and YAML hold them: the keys that are not as usual."""
    usual, found = Pixels(), {}
    for key in SETTINGS:
        value = getattr(pixels, key)
        if value != getattr(usual, key):
            found[key] = list(value) if isinstance(value, tuple) else value
    if "nodata" in found and np.isnan(found["nodata"]):
        found["nodata"] = "nan"
    if "value_range" in found:
        pairs = [list(pair) for pair in found["value_range"]]
        found["value_range"] = pairs if len(pairs) > 1 else pairs[0]
    return found


def numbers(key: str, value: Any) -> tuple[int, ...] | None:
    """Numbers of bands, from 1."""
    if value is None:
        return None
    given = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not given:
        raise ValueError(f"data.{key}=[]: numbers of bands from 1 are needed, such as [4,3,2]")
    return tuple(whole(f"data.{key}", band) for band in given)


def percentiles(value: Any) -> tuple[float, float] | None:
    """(0.5, 99.5) of `p0.5-99.5`; None of any other range."""
    match = PERCENTILES.fullmatch(value) if isinstance(value, str) else None
    return (float(match[1]), float(match[2])) if match and float(match[1]) < float(match[2]) <= 100 else None


def value_range(value: Any) -> Range | None:
    """A pair, or a pair for each band; None is the range of the stored kind of number."""
    if value is None or value == "dtype":
        return None
    listed = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    nested = all(isinstance(one, Sequence) and not isinstance(one, str) for one in listed)
    pairs = [list(one) for one in listed] if nested else [listed]
    real = all(len(p) == 2 and all(isinstance(x, int | float) and not isinstance(x, bool) for x in p) for p in pairs)
    if not pairs or not real or any(not low < high for low, high in pairs):
        raise ValueError(
            f"data.value_range={typed(value)}: [low,high], a pair a band [[0,1],[0,4095]], dtype or p0.5-99.5 is needed"
        )
    return tuple((float(low), float(high)) for low, high in pairs)
