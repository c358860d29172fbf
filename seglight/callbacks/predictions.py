"""A fixed set of evaluated images and their overlays in the run directory: runs compare picture by picture."""

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
from numpy.typing import NDArray

from seglight.callbacks.best import Best
from seglight.callbacks.gathering import on_rank_0
from seglight.data.prediction import prediction_file
from seglight.data.sampler import rank_and_world
from seglight.deploy.colours import overlay
from seglight.results.drawing import TITLE, side_by_side
from seglight.runs.run import Run

Example = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]  # image [H, W, 3], mask and prediction [H, W]


class Predictions(L.Callback):
    """Keeps the first `count` images of the evaluated split with mask and prediction, whatever the number of ranks.

    Where `data.tile` cuts images, these are its first `count` windows.

    After each evaluation that is the best so far they are drawn side by side, one PNG an image.
    """

    def __init__(self, run: Run, best: Best, count: int) -> None:
        self.run, self.best = run, best
        self.count = count
        self.seen = 0  # images that this rank has evaluated
        self.windows: set[str] | None = None  # names of those to keep, where images are cut
        self.examples: dict[str, Example] = {}  # by name; on rank 0 those of all ranks once the evaluation has ended

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self.seen, self.examples = 0, {}
        if trainer.datamodule.tiles is not None:
            pairs = trainer.val_dataloaders.dataset.pairs
            self.windows = {pair.name for pair in pairs[: self.count]}

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        rank, world = rank_and_world()  # EvaluationSampler deals the images out one by one
        images = zip(batch["image"], batch["mask"], outputs, batch["name"], strict=False)  # a stand-in has no name
        for image, mask, pred, name in images:
            place, self.seen = rank + self.seen * world, self.seen + 1
            if place >= self.count if self.windows is None else name not in self.windows:
                continue
            shown = trainer.datamodule.pictured(image.permute(1, 2, 0).cpu().numpy())
            self.examples[name] = (shown, *(tensor.cpu().numpy().astype(np.uint8) for tensor in (mask, pred)))

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.sanity_checking or not self.best.is_now(trainer):
            return
        self.examples = from_all_ranks(self.examples)
        if not trainer.is_global_zero:
            return
        palette = trainer.datamodule.palette
        folder = self.run.path / "predictions"
        folder.mkdir(exist_ok=True)
        for name, (image, mask, pred) in self.examples.items():
            panels = [image, overlay(image, mask, palette), overlay(image, pred, palette)]
            picture = side_by_side(panels, ("image", "ground truth", "prediction"), TITLE)
            picture.save(prediction_file(folder, name))


def from_all_ranks(examples: dict[str, Example]) -> dict[str, Example]:
    """Rank 0 gets every rank's, in the order of the split; a name that two have is the lower rank's."""
    gathered: dict[str, Example] = {}
    for name, example in on_rank_0(list(examples.items())):
        gathered.setdefault(name, example)
    return gathered
