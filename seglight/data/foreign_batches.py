"""Batches of another project's loader: made dicts, looked at once, and their labels kept within the classes."""

# Shapes: B batch, C channels, H W pixels, K classes

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from seglight.ignore import IGNORE_INDEX


class Named:
    """A loader whose batches are {"image", "mask", "name"} whatever the module's were.

    Its first batch is checked, and every batch's labels. ValueError says what is wrong with which image.
    """

    def __init__(self, loader: Any, num_classes: int) -> None:
        self.loader, self.num_classes = loader, num_classes
        self.checked = False

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["loader"], name)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        first = 0
        for batch in self.loader:
            fields = named(batch)
            fields.setdefault("name", [f"{first + i:06d}" for i in range(len(fields["mask"]))])
            if not self.checked:
                check(fields)
                self.checked = True
            check_labels(fields, self.num_classes)
            first += len(fields["mask"])
            yield fields


def named(batch: Any) -> dict[str, Any]:
    """Image and mask of a batch, a mask [B, 1, H, W] as [B, H, W]."""
    fields: dict[str, Any] = {}
    if isinstance(batch, Mapping):
        fields = dict(batch)
    elif isinstance(batch, list | tuple):
        fields = dict(zip(("image", "mask"), batch, strict=False))
    if not all(isinstance(fields.get(key), Tensor) for key in ("image", "mask")):
        there = {key: type(value).__name__ for key, value in fields.items()} or type(batch).__name__
        raise ValueError(
            f"data=module: a batch is {there}; an (image, mask) pair or a dict with both, tensors, is needed"
        )
    if fields["mask"].ndim == 4 and fields["mask"].shape[1] == 1:
        fields["mask"] = fields["mask"].squeeze(1)
    return fields


def check(fields: Mapping[str, Any]) -> None:
    """Whether images are 0 to 255 and masks fit them; ValueError with what is needed."""
    image, mask = fields["image"], fields["mask"]
    where = f"data=module: in the first batch ({', '.join(map(str, fields['name'][:3]))}, ...)"
    if image.ndim != 4 or mask.shape != (len(image), *image.shape[2:]):
        shapes = f"{list(image.shape)} and {list(mask.shape)}"
        raise ValueError(f"{where} image and mask are {shapes}; [B, C, H, W] and [B, H, W] are needed")
    if mask.is_floating_point() or mask.is_complex():
        raise ValueError(f"{where} masks are {mask.dtype}; whole numbers, the indices of classes, are needed")
    needed = "uint8, or float from 0 to 255, is needed: the network normalises itself"
    if image.dtype == torch.bool or image.is_complex():
        raise ValueError(f"{where} images are {image.dtype}; {needed}")
    low, high = (float(end) for end in torch.aminmax(image))
    if not (0 <= low <= high <= 255) or (image.is_floating_point() and 0 < high <= 1):  # false of NaN too
        raise ValueError(f"{where} pixels are {low:g} to {high:g}; {needed}")


def check_labels(fields: Mapping[str, Any], num_classes: int) -> None:
    """ValueError for a label that is no class; on a GPU it would end the process without a word about the image."""
    mask = fields["mask"]
    low, high = (int(end) for end in torch.aminmax(mask))
    inside = low >= 0 and (high < num_classes or (high == IGNORE_INDEX and int((mask.byte() + 1).max()) <= num_classes))
    if not inside:
        wrong = (mask < 0) | ((mask >= num_classes) & (mask != IGNORE_INDEX))
        image = int(wrong.flatten(1).any(1).nonzero()[0])
        raise ValueError(
            f"data=module: label {int(mask[wrong][0])} in the mask of {fields['name'][image]}; 0 to {num_classes - 1} "
            f"(data.num_classes={num_classes}), or {IGNORE_INDEX} for ignored, are needed"
        )
