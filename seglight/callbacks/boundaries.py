"""`evaluate boundary=true`: how well the boundaries of each class are met."""

from __future__ import annotations

from typing import Any

import lightning as L

from seglight.callbacks.gathering import on_rank_0
from seglight.callbacks.image_scores import masks_of
from seglight.results.boundary_scores import BoundaryScores


class Boundaries(L.Callback):
    """Counts boundaries image by image; rank 0 has the sum in `counted` when the evaluation has ended."""

    def __init__(self) -> None:
        self.counted: BoundaryScores | None = None

    def on_validation_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.counted = BoundaryScores(pl_module.metrics.num_classes)

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        assert self.counted is not None
        for _, truth, prediction in masks_of(batch, outputs):
            self.counted.update(truth, prediction)

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        assert self.counted is not None
        mine, *others = on_rank_0([self.counted])
        for other in others:
            mine.add(other)
        self.counted = mine
