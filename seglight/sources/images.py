"""Predicts many image files: read one by one, in batches of equal sizes; one that cannot be read is reported."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seglight.data.decode import read_image
from seglight.data.pixels import Pixels
from seglight.deploy.prediction import Prediction
from seglight.sources.listing import Item
from seglight.sources.network import Network

log = logging.getLogger(__name__)

Image = NDArray[Any]  # uint8 or float32 [H, W, C]
Read = tuple[Item, Image, NDArray[np.bool_] | None]  # an image, and where it has no data
WAITING = 4  # batches' worth of images that wait for others of their size


def predictions(
    found: Iterable[Item], network: Network, batch_size: int, failed: Callable[[Item, Exception], Any]
) -> Iterator[tuple[Item, Prediction]]:
    """Each image with its prediction, those of one size together; `failed` hears of every file that is left out."""
    for batch in batches(found, network.run.pixels, batch_size, failed):
        yield from in_memory(batch, network, failed)


def batches(
    found: Iterable[Item], pixels: Pixels, batch_size: int, failed: Callable[[Item, Exception], Any]
) -> Iterator[list[Read]]:
    """Images of one size and kind of number, at most `batch_size` of them."""
    waiting: dict[tuple[Any, ...], list[Read]] = {}
    for item in found:
        try:
            image, invalid = pixels.read(item.path) if item.frame is None else (read_image(item.path, item.frame), None)
        except (ValueError, OSError) as error:
            failed(item, error)
            continue
        kind = (*image.shape, image.dtype.name)
        same = waiting.setdefault(kind, [])
        same.append((item, image, invalid))
        if len(same) == batch_size:
            yield waiting.pop(kind)
        elif sum(map(len, waiting.values())) >= WAITING * batch_size:
            yield waiting.pop(max(waiting, key=lambda size: len(waiting[size])))
    yield from waiting.values()


def in_memory(
    batch: list[Read], network: Network, failed: Callable[[Item, Exception], Any]
) -> Iterator[tuple[Item, Prediction]]:
    """The batch's predictions; one by one where it is too large for the memory, and without what even then is."""
    try:
        images = torch.from_numpy(np.stack([image for _, image, _ in batch])).permute(0, 3, 1, 2)
        for (item, _, invalid), prediction in zip(batch, network(images), strict=True):
            yield item, prediction.without(invalid)
        return
    except (torch.OutOfMemoryError, MemoryError):
        if len(batch) == 1:
            item, image, _ = batch[0]
            size = f"{image.shape[1]} x {image.shape[0]} pixels"
            failed(item, ValueError(f"{item.path}: {size} do not fit into memory; inference=slide needs less"))
            return
        log.info("a batch of %d does not fit into memory: one by one", len(batch))
    for one in batch:
        yield from in_memory([one], network, failed)
