"""Which values images store: their bands, their percentiles, and what to say where they use a part of their range."""

# Shapes: H W pixels, C bands

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seglight.data.bands import read_header, read_stored
from seglight.data.listing import spread
from seglight.data.pair import Pair
from seglight.data.pixels import FULL, Pixels, Range
from seglight.data.progress import progress_bar
from seglight.data.workers import own_cores

log = logging.getLogger(__name__)

SAMPLED = 20_000_000  # values a band, over all images
MOST, FEWEST = 65_536, 500  # of an image
LOOKED_AT = 16  # images of which a hint is made
TOLD = {"min": 0, "0.5%": 0.5, "median": 50, "99.5%": 99.5, "max": 100}
COLUMNS, BARS = 32, " ▁▂▃▄▅▆▇█"
SMALL = 1 / 3  # of the range of a kind of number: what uses less is told to set data.value_range


def channels_of(pair: Pair, pixels: Pixels) -> int:
    """How many channels an image gives the network; a single band serves as all three of RGB."""
    stored = read_stored(pair.image, pair.frame, pixels.axes)
    if stored.alpha and pixels.bands is None:
        dropped = ", ".join(str(band + 1) for band in stored.alpha)
        log.info("%s: band %s is marked as transparency and left out; data.bands takes it", pair.image, dropped)
    count = pixels.chosen(stored, pair.image).shape[2]
    return 3 if count == 1 else count


def deep_range(pairs: Sequence[Pair], pixels: Pixels) -> Range | None:
    """The range of the kind of number that the images store, where some that are looked at all have 16 bits."""
    try:
        kinds = {read_header(pair.image, pixels.axes)[2].name for pair in spread(pairs, LOOKED_AT)}
    except (ValueError, OSError):  # reading it says what is wrong
        return None
    return (FULL[kinds.pop()],) if len(kinds) == 1 and kinds <= {"uint16", "int16"} else None


def sampled(pair: Pair, pixels: Pixels, most: int) -> NDArray[np.float64]:
    """At most so many of an image's pixels that have data, all their bands as stored [N, C]."""
    stored = read_stored(pair.image, pair.frame, pixels.axes)
    values = pixels.chosen(stored, pair.image)
    invalid = pixels.invalid(values, stored.nodata, pair.image)
    flat = values.reshape(-1, values.shape[2]) if invalid is None else values[~invalid]
    if len(flat) > most:
        flat = flat[np.random.default_rng(0).integers(len(flat), size=most)]
    return flat.astype(np.float64)


def percentile_range(pairs: Sequence[Pair], pixels: Pixels, percentiles: tuple[float, float]) -> Range:
    """The two percentiles of each band's values over the images, of an equal number of pixels from each."""
    most = int(np.clip(SAMPLED // len(pairs), FEWEST, MOST))
    parts = []
    title = f"data.value_range=p{percentiles[0]:g}-{percentiles[1]:g}"
    with progress_bar(title, len(pairs)) as advance, ThreadPoolExecutor(own_cores()) as pool:
        for part in pool.map(lambda pair: sampled(pair, pixels, most).astype(np.float32), pairs):
            parts.append(part)
            advance()
    low, high = np.percentile(np.concatenate(parts), percentiles, axis=0)
    limits = tuple((float(a), float(b) if b > a else float(a) + 1) for a, b in zip(low, high, strict=True))
    log.info("%s: %s", title, ", ".join(f"{a:g} to {b:g}" for a, b in limits))
    return limits


@dataclass(frozen=True)
class Values:
    """What some images store: their kind of number, percentiles of each band by name [C], and its histogram [C, 32].

    The histograms have 32 columns from the lowest to the highest value of all bands.
    """

    kind: str
    images: int
    percentiles: dict[str, list[float]]
    histograms: list[list[int]]

    def lines(self, bands: Sequence[int]) -> Iterator[str]:
        """A line a band, to print."""
        low, high = min(self.percentiles["min"]), max(self.percentiles["max"])
        yield f"values of {self.images} images ({self.kind}), columns from {low:,.6g} to {high:,.6g}"
        for place, (band, counts) in enumerate(zip(bands, self.histograms, strict=True)):
            bars = "".join(BARS[-(-count * (len(BARS) - 1) // max(counts))] for count in counts)
            told = ", ".join(f"{name} {values[place]:,.6g}" for name, values in self.percentiles.items())
            yield f"  band {band}  |{bars}|  {told}"


def values_of(pairs: Sequence[Pair], pixels: Pixels) -> Values | None:
    """Of at most 16 images; None where none can be read."""
    parts, kinds = [], set()
    for pair in spread(pairs, LOOKED_AT):
        try:
            parts.append(sampled(pair, pixels, MOST))
            kinds.add(read_header(pair.image, pixels.axes)[2].name)
        except (ValueError, OSError):  # named elsewhere
            continue
    if not parts or len({part.shape[1] for part in parts}) > 1 or not sum(map(len, parts)):
        return None
    values = np.concatenate(parts)
    found = np.percentile(values, list(TOLD.values()), axis=0)
    edges = (values.min(), max(values.max(), values.min() + 1e-9))
    counts = [np.histogram(band, COLUMNS, edges)[0].tolist() for band in values.T]
    return Values(", ".join(sorted(kinds)), len(parts), dict(zip(TOLD, found.tolist(), strict=True)), counts)


def hint(values: Values, pixels: Pixels) -> str | None:
    """What to set where deep images use a small part of what their kind of number can say."""
    if pixels.value_range not in (None, (FULL["uint16"],), (FULL["int16"],)) or values.kind not in ("uint16", "int16"):
        return None
    low, high = FULL[values.kind]
    reached, lowest = max(values.percentiles["max"]), min(values.percentiles["min"])
    if reached - max(low, min(lowest, 0)) > SMALL * (high - low):
        return None
    bits = (2 ** int(np.ceil(np.log2(max(reached, 2) + 1)))) - 1
    least = 0 if lowest >= 0 else int(np.floor(lowest))
    return f"values reach {reached:,.0f} of {high:,.0f}: data.value_range=[{least},{bits}] or p0.5-99.5"
