"""What Weights & Biases shows of an evaluation: classes, confusion matrix, the same images in every run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seglight.callbacks.best import Best
from seglight.callbacks.predictions import Predictions
from seglight.callbacks.wandb import RunLogger
from seglight.ignore import IGNORE_INDEX

if TYPE_CHECKING:
    import wandb

LONGEST_SIDE = 512  # pixels of an image shown: W&B keeps a set of them for each evaluation that is the best so far
LARGEST_TABLE = 10_000  # rows, of W&B's own


class WandbEvaluations(L.Callback):
    """After each evaluation that is the best so far: its scores as `best/*`, a table of classes, the confusion matrix,
    and the same images in every run with ground truth and prediction as masks."""

    def __init__(self, best: Best, predictions: Predictions | None) -> None:
        self.best = best
        self.predictions = predictions

    def on_fit_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        logger = wandb_logger(trainer)
        if trainer.is_global_zero and logger.watched:
            every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
            # idx=0: W&B counts networks over a process's runs, and each job of a sweep would have names of its own
            logger.experiment.watch(pl_module.net, log=logger.watched, log_freq=every, idx=0)

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if trainer.sanity_checking or not self.best.is_now(trainer):
            return
        counts = pl_module.metrics.compute()  # on every rank
        if not trainer.is_global_zero:
            return
        import wandb

        classes = pl_module.metrics.classes
        columns = ["class", "iou", "accuracy", "precision", "pixels"]
        rows = [[None if row[c] != row[c] else row[c] for c in columns] for row in self.best.table]
        shown: dict[str, Any] = {
            "epoch": trainer.current_epoch,
            "classes": wandb.Table(columns=list(columns), data=rows),
            "confusion_matrix": confusion_plot(counts.cpu().numpy(), classes),
        }
        if self.predictions:
            labels = {**dict(enumerate(classes)), IGNORE_INDEX: "ignored"}
            examples = self.predictions.examples.items()
            shown["predictions"] = [with_masks(name, *example, labels) for name, example in examples]
        logger = wandb_logger(trainer)
        logger.log_metrics(shown, step=trainer.global_step - 1)  # as Lightning numbers the scores
        scores = {name.replace("val/", "best/"): value for name, value in self.best.scores.items()}
        logger.experiment.summary.update(scores)


def wandb_logger(trainer: L.Trainer) -> RunLogger:
    """The trainer's W&B logger."""
    return next(logger for logger in trainer.loggers if isinstance(logger, RunLogger))


def confusion_plot(counts: NDArray[np.int64], classes: Sequence[str]) -> Any:
    """W&B's confusion matrix, drawn from pixel counts [K, K]; the largest counts alone where its table is too small."""
    import wandb

    cells: list[tuple[str, str, int]]
    cells = [(classes[i], classes[j], int(counts[i, j])) for i, j in np.ndindex(*counts.shape)]
    if len(cells) > LARGEST_TABLE:
        cells = sorted(cells, key=lambda cell: -cell[2])[:LARGEST_TABLE]
    columns = ["Actual", "Predicted", "nPredictions"]  # the names that W&B's picture asks for
    return wandb.plot_table(
        vega_spec_name="wandb/confusion_matrix/v1",
        data_table=wandb.Table(columns=list(columns), data=cells),
        fields={column: column for column in columns},
        string_fields={"title": "confusion matrix: pixels"},
    )


def with_masks(
    name: str, image: NDArray[np.uint8], truth: NDArray[Any], prediction: NDArray[Any], labels: dict[int, str]
) -> wandb.Image:
    """An image with its masks over it, made small enough to keep many."""
    import wandb

    def fitted(pixels: NDArray[Any], filtered: Image.Resampling) -> NDArray[Any]:
        picture = Image.fromarray(pixels.astype(np.uint8))
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), filtered)
        return np.asarray(picture)

    masks = {
        which: {"mask_data": fitted(mask, Image.Resampling.NEAREST), "class_labels": labels}
        for which, mask in (("ground_truth", truth), ("prediction", prediction))
    }
    return wandb.Image(fitted(image, Image.Resampling.BOX), masks=masks, caption=name)
