"""Counts every evaluated image on its own: scores/<data>_<split>.npz, of the best evaluation while a run trains."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch.distributed as dist

from seglight.callbacks.best import Best
from seglight.data.sampler import rank_and_world
from seglight.results.error_kinds import WIDTH, background_of, error_map
from seglight.results.image_scores import ImageCounts, ImageScores, counts_of, scores_file


class CountImages(L.Callback):
    """Keeps the counts of each image, and writes them into `folder` after an evaluation that is the best so far.

    Without `best` each evaluation is kept. Every rank counts its own images; rank 0 writes all, in the split's order.
    """

    def __init__(self, folder: Path, data: Any, best: Best | None = None, boundary_width: float | None = None) -> None:
        self.folder, self.data, self.best = folder, data, best
        self.width = WIDTH if boundary_width is None else boundary_width
        self.images: list[ImageCounts] = []  # of this rank
        self.scores: ImageScores | None = None  # of all, on rank 0

    def on_validation_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.images = []

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        background, count = background_of(pl_module.metrics.classes), pl_module.metrics.num_classes
        truths, predictions = (masks.cpu().numpy().astype(np.uint8) for masks in (batch["mask"], outputs))
        for name, truth, prediction in zip(batch["name"], truths, predictions, strict=False):  # a stand-in has no name
            kinds = error_map(truth, prediction, background, self.width)
            self.images.append(counts_of(name, truth, prediction, kinds, count))

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.sanity_checking or (self.best is not None and not self.best.is_now(trainer)):
            return
        images = from_all_ranks(self.images)
        if trainer.is_global_zero:
            data, split = str(self.data.name), str(self.data.split)
            self.scores = ImageScores.of(data, split, pl_module.metrics.classes, images)
            self.scores.write(scores_file(self.folder, data, split))


def from_all_ranks(images: list[ImageCounts]) -> list[ImageCounts]:
    """Rank 0 gets every rank's, in the order in which they were dealt out; the others get their own."""
    rank, world = rank_and_world()
    if world == 1:
        return images
    parts: Any = [None] * world if rank == 0 else None
    dist.gather_object(images, parts)
    turns = itertools.zip_longest(*(parts or [images]))
    return [image for turn in turns for image in turn if image is not None]
