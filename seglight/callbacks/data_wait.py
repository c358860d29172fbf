"""Notices a run that waits for its data, and says what to change."""

from __future__ import annotations

import logging
import time
from typing import Any

import lightning as L

from seglight.data.workers import own_cores

log = logging.getLogger(__name__)

TOO_MUCH = 0.2  # of an epoch's training time


class DataWait(L.Callback):
    """Logs `train/data_wait`, the share of an epoch's training time between two steps, when the next batch is fetched.

    Above 20% it says once what to change. An epoch's first batch is left out: it waits for the workers to start.
    """

    def __init__(self) -> None:
        self.waited = self.worked = 0.0
        self.step_ended: float | None = None
        self.step_started = 0.0
        self.told = False

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.waited = self.worked = 0.0
        self.step_ended = None

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.step_started = time.perf_counter()
        if self.step_ended is not None:
            self.waited += self.step_started - self.step_ended

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.step_ended = time.perf_counter()
        self.worked += self.step_ended - self.step_started

    def on_validation_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.step_ended = None  # an evaluation between two steps is no waiting

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        total = self.waited + self.worked
        if total == 0 or self.waited == 0:
            return
        share = self.waited / total
        pl_module.log("train/data_wait", share, rank_zero_only=True)
        if share > TOO_MUCH and not self.told and trainer.is_global_zero:
            self.told = True
            log.warning(
                "epoch %d: %.0f%% of the training time was spent waiting for data (%.1f of %.1f s). To change: %s",
                trainer.current_epoch,
                100 * share,
                self.waited,
                total,
                "; ".join(advice(getattr(trainer, "datamodule", None))),
            )


def advice(data: Any) -> list[str]:
    """What would load data faster, for the settings that it has now."""
    cores, workers = own_cores(), getattr(data, "num_workers", None)
    found = []
    if workers is not None and workers < cores:
        found.append(f"data.num_workers={cores} (now {workers})")
    if getattr(data, "root", None) is not None and getattr(data, "cache", "none") is None:
        found.append("data.cache=ram, or disk where memory is short (files are decoded once)")
    return [*found, "a lighter augment"]
