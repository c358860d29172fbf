"""Predicted masks as files: class indices in a palette PNG, at the image's own resolution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np


class SavePredictions(L.Callback):
    """Hands every evaluated image's mask to the data set, which knows how its masks are written."""

    def __init__(self, folder: Path, data: Any) -> None:
        self.folder = folder
        self.data = data

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        for mask, name in zip(outputs, batch["name"], strict=False):  # what stands in for a skipped image has no name
            self.data.save_prediction(mask.to("cpu").numpy().astype(np.uint8), name, self.folder)
