"""Predicted masks as files: class indices in a palette PNG, at the image's own resolution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np

from seglight.data.tiles import Save, Tiles


class SavePredictions(L.Callback):
    """Hands every evaluated image's mask to `save(mask [H, W], name, folder)` of its data set.

    tiles: what the images were cut into; their masks are put together first.
    """

    def __init__(self, folder: Path, save: Save, tiles: Tiles | None = None) -> None:
        self.folder, self.save = folder, save if tiles is None else tiles.stitched(save)

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        for mask, name in zip(outputs, batch["name"], strict=False):  # what stands in for a skipped image has no name
            self.save(mask.to("cpu").numpy().astype(np.uint8), name, self.folder)
