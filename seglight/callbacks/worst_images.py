"""worst/: pictures of the images with the lowest mIoU, and where and how they are wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from numpy.typing import NDArray

from seglight.background import background_of
from seglight.callbacks.gathering import on_every_rank
from seglight.callbacks.image_scores import CountImages, masks_of
from seglight.data.prediction import inside
from seglight.results.error_kinds import error_map
from seglight.results.worst_pictures import draw_mistakes
from seglight.runs.atomic import written_whole

Kept = tuple[
    float, str, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]
]  # mIoU, name, image, truth, prediction


class WorstImages(L.Callback):
    """Draws `count` images as `<place>_<name>.jpg`; each rank its own. Stands after `counted`, which it asks."""

    def __init__(self, folder: Path, data: Any, counted: CountImages, count: int) -> None:
        self.folder, self.data, self.counted, self.count = folder, data, counted, count
        self.kept: list[Kept] = []

    def on_validation_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.kept = []

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        names = batch["name"]
        counts = self.counted.images[len(self.counted.images) - len(names) :]
        limit = self.kept[-1][0] if len(self.kept) == self.count else np.inf
        images = zip(batch["image"], masks_of(batch, outputs), counts, strict=False)
        for image, (name, truth, prediction), counted in images:
            miou = counted.miou()
            if miou < limit:  # not where nothing has a label
                shown = self.data.pictured(image.permute(1, 2, 0).cpu().numpy())
                self.kept.append((miou, name, shown, truth, prediction))
        self.kept = sorted(self.kept, key=lambda one: one[:2])[: self.count]

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero and self.folder.exists():
            shutil.rmtree(self.folder)  # of an earlier evaluation
        order = sorted(on_every_rank([(miou, name) for miou, name, *_ in self.kept]))[: self.count]
        classes = pl_module.metrics.classes
        palette = self.data.palette
        for miou, name, image, truth, prediction in self.kept:
            if (miou, name) not in order:
                continue
            kinds = error_map(truth, prediction, background_of(classes), self.counted.width)
            place = order.index((miou, name)) + 1
            title = f"{place}. {name}   mIoU {miou:.3f}   {(kinds > 0)[kinds < 255].mean():.1%} of the pixels wrong"
            picture = draw_mistakes(title, image, truth, prediction, kinds, palette, classes)
            path = inside(self.folder, f"{place:02d}_{name.replace('/', '_')}.jpg")
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path, "wb") as file:
                picture.save(file, "JPEG", quality=90)
