"""Stochastic weight averaging (Izmailov et al. 2018) over steps, evaluated and kept like any other weights."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from seglight.values import number


class StochasticWeightAveraging(WeightAveraging):
    """Up to the share `start` of the run the average is the current weights, from then on the mean of each step's.

    Lightning's callback of this name moves the average into the network after the last evaluation and checkpoint.
    """

    def __init__(self, start: float = 0.75) -> None:
        number("average.start", start, 0, 1, below=True)
        super().__init__(avg_fn=self.mean)
        self.start = start
        self.first = self.step = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        super().on_train_start(trainer, pl_module)
        self.first = int(self.start * trainer.estimated_stepping_batches)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        self.step = self.step if step_idx is None else step_idx
        return step_idx is not None

    def mean(self, average: Tensor, current: Tensor, count: Any) -> Tensor:
        averaged = self.step - self.first  # steps that are in the average
        return current if averaged <= 0 else average + (current - average) / (averaged + 1)
