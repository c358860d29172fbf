"""What lies where in a cache, and decoding it there."""

# Shapes: H W pixels

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from seglight.data.decode import image_size
from seglight.data.pair import Pair
from seglight.data.progress import progress_bar
from seglight.data.reader import Reader
from seglight.data.workers import available_cores
from seglight.ignore import IGNORE_INDEX

Place = tuple[int, int, int]  # where an image's bytes start, its height and width; its mask's bytes follow


def key(pair: Pair) -> str:
    """What a pair is called in the index."""
    return f"{pair.image}#{pair.frame}" if pair.frame else str(pair.image)


def layout(pairs: Sequence[Pair], skip: bool) -> tuple[dict[str, Place], dict[str, str], int]:
    """Where each pair's bytes go, by the sizes in the files' headers; the errors of those without; the bytes in all."""

    def size(pair: Pair) -> tuple[int, int] | Exception:
        try:
            return image_size(pair.image)
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
            total += 4 * found[0] * found[1]
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
        start, height, width = places[key(pair)]
        middle, end = start + 3 * height * width, start + 4 * height * width
        try:
            image, mask = reader(pair)
        except (ValueError, OSError) as error:
            if not skip:
                raise
            failures[key(pair)] = str(error)
            pixels[middle:end] = IGNORE_INDEX
            return
        pixels[start:middle].reshape(height, width, 3)[:] = image
        pixels[middle:end].reshape(height, width)[:] = mask

    with progress_bar(title, len(pairs)) as advance, ThreadPoolExecutor(available_cores()) as pool:
        for _ in pool.map(one, pairs):
            advance()
