"""What lies where in a cache, and decoding it there."""

# Shapes: H W pixels

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.data.pair import Pair
from seglight.data.progress import progress_bar
from seglight.data.reader import Reader, form
from seglight.data.workers import available_cores
from seglight.ignore import IGNORE_INDEX

Place = tuple[int, int, int, int, int]  # an image's start, H, W, C and bytes of a number; its mask's bytes follow


def key(pair: Pair) -> str:
    """What a pair is called in the index."""
    return f"{pair.image}#{pair.frame}" if pair.frame else str(pair.image)


def extents(place: Place) -> tuple[int, int, int]:
    """Where an image's bytes start and end, and where its mask's do; both are multiples of four bytes."""
    start, height, width, channels, size = place
    middle = start + -(-height * width * channels * size // 4) * 4
    return start, middle, middle + -(-height * width // 4) * 4


def image_at(pixels: NDArray[np.uint8], place: Place) -> NDArray[Any]:
    """The image [H, W, C] that lies there, uint8 or float32."""
    start, height, width, channels, size = place
    content = pixels[start : start + height * width * channels * size]
    return content.view(np.uint8 if size == 1 else np.float32).reshape(height, width, channels)


def mask_at(pixels: NDArray[np.uint8], place: Place) -> NDArray[np.uint8]:
    """The mask [H, W] that lies there."""
    _, height, width, *_ = place
    middle = extents(place)[1]
    return pixels[middle : middle + height * width].reshape(height, width)


def layout(pairs: Sequence[Pair], reader: Reader, skip: bool) -> tuple[dict[str, Place], dict[str, str], int]:
    """Where each pair's bytes go, by the sizes in the files' headers; the errors of those without; the bytes in all."""

    def size(pair: Pair) -> tuple[int, int, int, int] | Exception:
        try:
            return form(reader, pair)
        except (ValueError, OSError) as error:
            return error

    places: dict[str, Place] = {}
    failures: dict[str, str] = {}
    total = 0
    with ThreadPoolExecutor(available_cores()) as pool:
        for pair, found in zip(pairs, pool.map(size, pairs), strict=True):
            if isinstance(found, Exception):
                if not skip:
                    raise found
                failures[key(pair)] = str(found)
                continue
            places[key(pair)] = (total, *found)
            total = extents(places[key(pair)])[2]
    return places, failures, total


def fill(
    pixels: NDArray[np.uint8],
    pairs: Sequence[Pair],
    places: dict[str, Place],
    failures: dict[str, str],
    reader: Reader,
    title: str,
    skip: bool,
) -> None:
    """Decodes every pair to its place, on all cores, under a progress bar."""

    def one(pair: Pair) -> None:
        if key(pair) in failures:
            return
        place = places[key(pair)]
        try:
            image, mask = reader(pair)
        except (ValueError, OSError) as error:
            if not skip:
                raise
            failures[key(pair)] = str(error)
            mask_at(pixels, place)[:] = IGNORE_INDEX
            return
        np.copyto(image_at(pixels, place), image, casting="safe")
        mask_at(pixels, place)[:] = mask

    with progress_bar(title, len(pairs)) as advance, ThreadPoolExecutor(available_cores()) as pool:
        for _ in pool.map(one, pairs):
            advance()
