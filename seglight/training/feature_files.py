"""Kept features in files: tensors one after the other, read through the file's memory map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from seglight.training.feature_records import Record

ALIGNMENT = 64  # bytes


class Place(NamedTuple):
    """Where a tensor's bytes are."""

    file: str
    start: int
    shape: tuple[int, ...]
    kind: str  # torch's name of its type


Entry = tuple[str, list[Place | None]]  # an image's name, and where its record's tensors are


def write(path: Path, named: Iterable[tuple[str, Sequence[Tensor | None]]]) -> list[Entry]:
    """Writes each image's tensors; returns where they are."""
    with path.open("wb") as file:
        return [(name, [put(path.name, file, tensor) for tensor in tensors]) for name, tensors in named]


def put(name: str, file: BinaryIO, tensor: Tensor | None) -> Place | None:
    """Appends a tensor's bytes."""
    if tensor is None:
        return None
    file.write(b"\0" * (-file.tell() % ALIGNMENT))
    start = file.tell()
    file.write(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return Place(name, start, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def read(folder: Path, entries: Iterable[Entry]) -> list[Record]:
    """The records of entries, their tensors in the memory maps of the folder's files."""
    contents: dict[str, Tensor] = {}

    def get(place: Place | None) -> Any:
        if place is None:
            return None
        if place.file not in contents:
            contents[place.file] = torch.from_numpy(np.memmap(folder / place.file, np.uint8, mode="c"))
        kind = getattr(torch, place.kind)
        end = place.start + math.prod(place.shape) * kind.itemsize
        return contents[place.file][place.start : end].view(kind).view(place.shape)

    return [Record(name, get(at[0]), get(at[1]), [get(place) for place in at[2:]]) for name, at in entries]
