"""Predicted masks as files: class indices in a palette PNG, at the image's own resolution."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from numpy.typing import NDArray

from seglight.data.tiles import Save, Tiles
from seglight.ignore import IGNORE_INDEX


class SavePredictions(L.Callback):
    """Hands every evaluated image's mask to `save(mask [H, W], name, folder)` of its data set.

    tiles: what the images were cut into; their masks are put together first. no_data(name): where an image has no data
    [H, W], which is then 255.
    """

    def __init__(
        self,
        folder: Path,
        save: Save,
        tiles: Tiles | None = None,
        no_data: Callable[[str], NDArray[np.bool_] | None] | None = None,
    ) -> None:
        self.folder, self.save = folder, save if tiles is None else tiles.stitched(save)
        self.no_data = no_data

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        # what stands in for a skipped image has no name
        for predicted, labels, name in zip(outputs, batch["mask"], batch["name"], strict=False):
            mask = predicted.to("cpu").numpy().astype(np.uint8)
            if self.no_data is not None and (labels == IGNORE_INDEX).any():  # as is every pixel without data
                invalid = self.no_data(name)
                mask = mask if invalid is None else np.where(invalid, np.uint8(IGNORE_INDEX), mask)
            self.save(mask, name, self.folder)
