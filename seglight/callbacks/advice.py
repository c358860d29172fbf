"""Tells a user whose run has stopped learning, or whose classes are never found, what usually helps."""

from __future__ import annotations

import logging
from typing import Any

import lightning as L

from seglight.callbacks.resumable import Resumable

log = logging.getLogger(__name__)

PATIENCE = 5  # evaluations without a lower training loss
SHARE = 0.5  # of the run that a class may stay at 0 IoU


class Advice(Resumable):
    """Warns once when the epoch's mean loss has not fallen for five evaluations, and once of classes at 0 IoU.

    A rate that is nearly used up (below a hundredth of its highest) is no reason to warn: the run is at its end.
    """

    kept = ("lowest", "waited", "highest_rate", "found", "told_loss", "told_classes")

    def __init__(self) -> None:
        self.lowest, self.waited = float("inf"), 0
        self.highest_rate = 0.0
        self.found: list[str] = []  # classes that some evaluation found
        self.told_loss = self.told_classes = False

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        mean = trainer.callback_metrics.get("train/mean_loss")
        if mean is None or not trainer.is_global_zero:
            return
        rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)
        self.highest_rate = max(self.highest_rate, rate)
        fell = float(mean) < 0.999 * self.lowest
        self.lowest, self.waited = min(self.lowest, float(mean)), 0 if fell else self.waited + 1
        if self.waited >= PATIENCE and not self.told_loss and rate > 0.01 * self.highest_rate:
            self.told_loss = True
            log.warning(
                "the training loss has not fallen for %d epochs (lowest %.4f, now %.4f). What usually helps: "
                "optim.lr=%g (a third of now), trainer.gradient_clip_val=1, pretrained weights, a lighter augment",
                self.waited, self.lowest, float(mean), pl_module.recipe.lr / 3,
            )  # fmt: skip

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit" or not trainer.is_global_zero or self.told_classes:
            return
        pixels = pl_module.metrics.compute().sum(1).tolist()  # of each class in the ground truth
        classes = [name for name, count in zip(pl_module.metrics.classes, pixels, strict=True) if count]
        ious = {name: pl_module.scores[f"val/iou/{name}"] for name in classes}
        self.found = [name for name in ious if name in self.found or ious[name] > 0]
        missing = [name for name, iou in ious.items() if iou == 0 and name not in self.found]
        if missing and SHARE <= pl_module.progress() < 1:  # at the end the table of classes says it
            self.told_classes = True
            log.warning(
                "after half of the run IoU is still 0 for %s. What usually helps: a loss in which rare classes "
                "count more (loss=ce_dice, loss=weighted_ce), data.rare_classes=[%s], more "
                "epochs; python -m seglight.check shows how many pixels each class has",
                ", ".join(missing), ",".join(missing),
            )  # fmt: skip
