"""Stochastic weight averaging (Izmailov et al. 2018) over steps, evaluated and kept like any other weights."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import WeightAveraging
from torch.optim.swa_utils import get_swa_avg_fn

from seglight.values import number


class StochasticWeightAveraging(WeightAveraging):
    """Up to the share `start` of the run the average is the current weights, from then on the mean of each step's.

    Lightning's callback of this name moves the average into the network after the last evaluation and checkpoint.
    """

    def __init__(self, start: float = 0.75) -> None:
        number("average.start", start, 0, 1, below=True)
        super().__init__(avg_fn=get_swa_avg_fn())  # type: ignore[no-untyped-call]
        self.start = start

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if pl_module.progress() <= self.start:
            assert self._average_model is not None
            self._average_model.n_averaged.zero_()  # the mean begins anew: with this step's weights
