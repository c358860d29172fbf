"""Predicted masks as files: class indices in a palette PNG, at the image's own resolution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from PIL import Image

from seglight.callbacks.predictions import default_palette


class SavePredictions(L.Callback):
    """Writes `<name>.png` for every evaluated image."""

    def __init__(self, folder: Path, data: Any) -> None:
        self.folder = folder
        self.data = data
        palette = np.zeros((256, 3), np.uint8)
        colours = list(getattr(data, "palette", None) or default_palette(data.num_classes))
        palette[: len(colours)] = colours
        self.palette = palette.ravel().tolist()

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        for mask, name in zip(outputs, batch["name"], strict=True):
            path = (self.folder / f"{name}.png").resolve()
            if not path.is_relative_to(self.folder.resolve()):
                raise ValueError(f"the image name {name!r} leaves the folder {self.folder}")
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(mask.to("cpu").numpy().astype(np.uint8), mode="P")
            picture.putpalette(self.palette)
            picture.save(path)
