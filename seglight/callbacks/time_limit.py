"""`trainer.max_time`: ends a run after so much time, its learning rate's schedule fitted to it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Timer

log = logging.getLogger(__name__)


class TimeLimit(Timer):
    """Lightning's timer, which keeps the time of a stopped run. All ranks go by rank 0's clock."""

    def __init__(self, max_time: str | int | float) -> None:
        self.asked, self.limit = max_time, duration(max_time)
        super().__init__(self.limit, verbose=False)
        self.passed = 0.0

    def setup(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        pl_module.clock = lambda: self.passed

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: Any, optimizer: Any) -> None:
        # as late as can be before the schedule sets the rates of the next step
        share = min(self.time_elapsed() / self.limit.total_seconds(), 1.0)
        self.passed = trainer.strategy.broadcast(share)

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        super().on_train_end(trainer, pl_module)
        if self.time_elapsed() >= self.limit.total_seconds() and trainer.is_global_zero:
            log.info("trainer.max_time=%s is used up: the run ends after %d steps", self.asked, trainer.global_step)


def duration(max_time: str | int | float) -> timedelta:
    """Seconds, or DD:HH:MM:SS. ValueError says which."""
    if isinstance(max_time, str) and max_time.count(":") == 3 and max_time.replace(":", "").isdigit():
        days, hours, minutes, seconds = (int(part) for part in max_time.split(":"))
        found = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    elif isinstance(max_time, int | float) and not isinstance(max_time, bool):
        found = timedelta(seconds=max_time)
    else:
        found = timedelta(0)
    if found <= timedelta(0):
        raise ValueError(f"trainer.max_time={max_time}: seconds, or DD:HH:MM:SS such as 00:01:30:00, are needed")
    return found
