"""Kept features: one image's record, records in a memory-mapped file, and the batches made of them.

Shapes: B batch, C channels, H W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from seglight.data.loader import Collate
from seglight.data.sampler import NOT_COUNTED
from seglight.data.variants import Variants
from seglight.ignore import IGNORE_INDEX

ALIGNMENT = 64  # bytes

Place = tuple[int, tuple[int, ...], torch.dtype] | None  # where a tensor's bytes start, its shape and type


@dataclass
class Record:
    """One image as one augmentation left it: uint8 [3, H, W], its mask [H, W] and each stage's map [h, w, C].

    The map of a stage that nothing reads is None.
    """

    name: str
    image: Tensor
    mask: Tensor
    maps: list[Tensor | None]

    def bytes(self) -> int:
        tensors = [self.image, self.mask, *(x for x in self.maps if x is not None)]
        return sum(x.numel() * x.element_size() for x in tensors)


class StoredFeatures(Dataset[Record]):
    """Records by (epoch, index): the one of the view that the augmentation draws then."""

    def __init__(self, records: dict[tuple[int, bytes], Record], variants: Variants, seed: int) -> None:
        self.records, self.variants, self.seed = records, variants, seed

    def __len__(self) -> int:
        return len({index for index, _ in self.records})

    def __getitem__(self, key: tuple[int, int]) -> Record:
        epoch, index = key
        if epoch == NOT_COUNTED:
            record = self.records[index, self.variants((self.seed, 0, index))]
            return replace(record, mask=torch.full_like(record.mask, IGNORE_INDEX))
        return self.records[index, self.variants((self.seed, epoch, index))]


@dataclass(frozen=True)
class StackRecords:
    """Stacks records to {"image", "mask", "name", "maps": each stage's [B, C, h, w] in channels-last memory}."""

    images: Collate  # says what to do about different sizes

    def __call__(self, records: Sequence[Record]) -> dict[str, Any]:
        for record in records:
            if record.mask.shape != records[0].mask.shape:
                raise ValueError(self.images.different_sizes(records[0].name, records[0].mask[None], record))
        maps = [
            None if stage[0] is None else torch.stack(stage).permute(0, 3, 1, 2)  # type: ignore[arg-type]
            for stage in zip(*(record.maps for record in records), strict=True)
        ]
        return {
            "image": torch.stack([record.image for record in records]),
            "mask": torch.stack([record.mask for record in records]),
            "name": [record.name for record in records],
            "maps": maps,
        }


def write(path: Path, records: Iterable[Record]) -> list[tuple[str, list[Place]]]:
    """Writes records one after the other; returns their names and where each tensor lies."""
    index: list[tuple[str, list[Place]]] = []
    with path.open("wb") as file:
        for record in records:
            index.append((record.name, [put(file, x) for x in (record.image, record.mask, *record.maps)]))
    return index


def put(file: BinaryIO, tensor: Tensor | None) -> Place:
    """Appends a tensor's bytes."""
    if tensor is None:
        return None
    file.write(b"\0" * (-file.tell() % ALIGNMENT))
    start = file.tell()
    file.write(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return start, tuple(tensor.shape), tensor.dtype


def read(path: Path, index: Iterable[tuple[str, list[Place]]]) -> list[Record]:
    """The records of a file, their tensors in its memory map."""
    if path.stat().st_size == 0:  # a rank without a share
        return []
    content = torch.from_numpy(np.memmap(path, np.uint8, mode="c"))

    def get(place: Place) -> Any:
        if place is None:
            return None
        start, shape, kind = place
        return content[start : start + math.prod(shape) * kind.itemsize].view(kind).view(shape)

    return [Record(name, get(places[0]), get(places[1]), [get(p) for p in places[2:]]) for name, places in index]
