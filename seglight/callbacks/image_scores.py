"""Counts every evaluated image on its own: scores/<data>_<split>.npz, of the best evaluation while a run trains."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seglight.background import background_of
from seglight.callbacks.best import Best
from seglight.callbacks.gathering import on_rank_0
from seglight.results.error_kinds import WIDTH, error_map
from seglight.results.image_scores import ImageCounts, ImageScores, counts_of, merged

log = logging.getLogger(__name__)


class CountImages(L.Callback):
    """Keeps the counts of each image, and writes them to `path` after an evaluation that is the best so far.

    Without `best` each evaluation is kept; without `path` none is written. Every rank counts its own images; rank 0
    writes all, in the split's order.
    """

    def __init__(
        self, path: Path | None, data: Any, best: Best | None = None, boundary_width: float | None = None
    ) -> None:
        self.path, self.data, self.best = path, data, best
        self.width = WIDTH if boundary_width is None else boundary_width
        self.images: list[ImageCounts] = []  # of this rank
        self.scores: ImageScores | None = None  # of all, on rank 0

    def on_validation_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.images = []

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        background, count = background_of(pl_module.metrics.classes), pl_module.metrics.num_classes
        for name, truth, prediction in masks_of(batch, outputs):
            kinds = error_map(truth, prediction, background, self.width)
            self.images.append(counts_of(name, truth, prediction, kinds, count))

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.sanity_checking or (self.best is not None and not self.best.is_now(trainer)):
            return
        tiles = self.data.tiles
        images = on_rank_0(self.images if tiles is None else merged(self.images, tiles.image_of))
        if trainer.is_global_zero:
            self.scores = ImageScores.of(str(self.data.name), str(self.data.split), pl_module.metrics.classes, images)
            if self.path is not None:
                self.scores.write(self.place(self.path, self.scores))

    def place(self, path: Path, scores: ImageScores) -> Path:
        """Where an evaluation's counts go: beside those of other images, such as a part of the split, not over them."""
        if self.best is not None or not path.exists():
            return path
        try:
            there = ImageScores.read(path)
        except ValueError:  # a damaged one may go
            return path
        if list(there.names) == list(scores.names):
            return path
        own = path.with_name(f"{path.stem}_{len(scores.names)}_images.npz")
        log.info("%s holds the counts of %d other images and stays; these are in %s", path, len(there.names), own.name)
        return own


def masks_of(batch: Any, predictions: Tensor) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    """Name, ground truth and prediction [H, W] of each image of a batch; a stand-in has no name."""
    truths, found = (masks.cpu().numpy().astype(np.uint8) for masks in (batch["mask"], predictions))
    return zip(batch["name"], truths, found, strict=False)
