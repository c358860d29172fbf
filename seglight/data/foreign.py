"""Another project's Lightning data module, completed with what the commands ask of one."""

# Shapes: B batch, H W pixels, K classes

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor

from seglight.colours import palette_image, voc_colours
from seglight.data.foreign_batches import Named
from seglight.data.pixels import pictured
from seglight.data.prediction import prediction_file, save_png
from seglight.data.settings import refuse_unknown
from seglight.ignore import IGNORE_INDEX
from seglight.values import one_of, whole

SPLITS = ("train", "val", "test")


class Foreign(LightningDataModule):
    """Wraps `module`; its batches are dicts with image and mask, or (image, mask) tuples.

    Images are uint8 or float 0-255 [B, 3, H, W], masks class indices [B, H, W] with 255 ignored; names are numbered
    where the batches have none.
    """

    ignore_index: int = IGNORE_INDEX
    tiles = None  # images are not cut
    things = ()  # nor are objects numbered
    pictured = staticmethod(pictured)

    def __init__(
        self,
        module: LightningDataModule,
        num_classes: int | None = None,
        classes: Iterable[str] | None = None,
        name: str | None = None,
        train_split: str = "train",
        split: str = "val",
        **unknown: Any,
    ) -> None:
        super().__init__()
        refuse_unknown(unknown, type(self), "module")
        if not isinstance(module, LightningDataModule):
            raise ValueError(f"data.module is a {type(module).__name__}; expected a LightningDataModule")
        self.module = module
        self.train_split = one_of("data.train_split", train_split, SPLITS)
        self.split = one_of("data.split", split, SPLITS)
        named = classes if classes is not None else getattr(module, "classes", None)
        count = num_classes or getattr(module, "num_classes", None) or (len(list(named)) if named is not None else None)
        if count is None:
            raise ValueError(f"data.module._target_={type(module).__name__} has no num_classes; set data.num_classes")
        self.num_classes = whole("data.num_classes", count)
        self.classes = tuple(named) if named is not None else tuple(f"class {i}" for i in range(self.num_classes))
        if len(self.classes) != self.num_classes:
            raise ValueError(f"data.num_classes={self.num_classes}; {type(module).__name__} names {len(self.classes)}")
        self.palette = tuple(getattr(module, "palette", None) or voc_colours(self.num_classes))
        self.name = name or getattr(module, "name", type(module).__name__.lower())

    def prepare_data(self) -> None:
        self.module.prepare_data()

    def prepare(self) -> None:
        """Nothing is known that could be checked early."""

    def setup(self, stage: str | None = None) -> None:
        self.module.trainer = self.trainer
        self.module.setup(stage or "fit")

    def train_dataloader(self) -> Any:
        return self.eval_dataloader(self.train_split)

    def val_dataloader(self) -> Any:
        return self.eval_dataloader(self.split)

    def eval_dataloader(self, split: str) -> Any:
        """The module's own loader of that split."""
        method = f"{one_of('data.split', split, SPLITS)}_dataloader"
        if getattr(type(self.module), method) is getattr(LightningDataModule, method):
            raise ValueError(f"data.split={split}: {type(self.module).__name__} has no {method}")
        loader = getattr(self.module, method)()
        if isinstance(loader, list | tuple) and len(loader) == 1:
            (loader,) = loader
        if isinstance(loader, list | tuple | dict):
            raise ValueError(f"{type(self.module).__name__}.{method} gives {len(loader)} loaders; one is needed")
        return Named(loader, self.num_classes)

    def class_counts(self, split: str) -> Tensor:
        """Pixels of each class over a split's batches, int64 [K]."""
        total = torch.zeros(self.num_classes, dtype=torch.int64)
        for batch in self.eval_dataloader(split):
            mask = batch["mask"].reshape(-1).long()
            total += torch.bincount(mask[(mask >= 0) & (mask < self.num_classes)], minlength=self.num_classes)
        return total

    def save_prediction(self, mask: NDArray[np.uint8], name: str, folder: Path) -> Path:
        """Writes class indices as a palette PNG."""
        path = prediction_file(folder, name)
        save_png(palette_image(mask, self.palette), path)
        return path
