"""Decides which evaluation of a run is the best so far: checkpoint, summary, pictures and loggers all ask here."""

from __future__ import annotations

import math
from typing import Any

import lightning as L

from seglight.callbacks.resumable import Resumable
from seglight.metrics import class_table


class Best(Resumable):
    """Keeps the scores (float64) and the class table of the evaluation with the highest val/miou; the first of equals.

    `step` and `epoch` are those of the best evaluation, `evaluated` is the step of the latest one; -1 before any.
    """

    kept = ("scores", "table", "evaluated", "step", "epoch", "waited")

    def __init__(self) -> None:
        self.scores: dict[str, float] = {}
        self.table: list[dict[str, Any]] = []
        self.evaluated = self.step = self.epoch = -1
        self.waited = 0  # evaluations since the best one

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if trainer.sanity_checking:
            return
        self.evaluated = trainer.global_step
        self.waited += 1
        kept = self.scores.get("val/miou", math.nan)
        if math.isnan(kept) or pl_module.scores["val/miou"] > kept:  # NaN is kept only where there is nothing else
            self.scores, self.step, self.epoch = dict(pl_module.scores), trainer.global_step, trainer.current_epoch
            self.waited = 0
            self.table = class_table(pl_module.metrics.compute(), pl_module.metrics.classes)

    def is_now(self, trainer: L.Trainer) -> bool:
        """Whether the evaluation that just ended is the best so far."""
        return self.step == trainer.global_step
