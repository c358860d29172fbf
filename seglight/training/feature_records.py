"""Kept features: one image's record, and the batches made of records.

Shapes: B batch, C channels, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from seglight.data.loader import Collate
from seglight.data.variants import Variants

View = tuple[int, bytes]  # an image's number, and the outcome of its augmentation (`Variants`)


@dataclass
class Record:
    """One image as one augmentation left it: uint8 [3, H, W], its mask [H, W] and each stage's map [h, w, C].

    The map of a stage that nothing reads is None.
    """

    name: str
    image: Tensor
    mask: Tensor
    maps: list[Tensor | None]

    def tensors(self) -> list[Tensor | None]:
        """In the order in which they are kept."""
        return [self.image, self.mask, *self.maps]

    def bytes(self) -> int:
        return sum(x.numel() * x.element_size() for x in self.tensors() if x is not None)


class StoredFeatures(Dataset[Record]):
    """Records by (epoch, index): the one of the view that the augmentation draws then."""

    def __init__(self, records: dict[View, Record], variants: Variants, seed: int) -> None:
        self.records, self.variants, self.seed = records, variants, seed

    def __len__(self) -> int:
        return len({index for index, _ in self.records})

    def __getitem__(self, key: tuple[int, int]) -> Record:
        epoch, index = key
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
