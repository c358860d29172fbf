"""`trainer.max_time`: ends a run after so much time, its learning rate's schedule fitted to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Timer


class TimeLimit(Timer):
    """Lightning's timer, which keeps the time of a stopped run. All ranks go by rank 0's clock."""

    def __init__(self, max_time: str | int | float) -> None:
        self.limit = duration(max_time)
        super().__init__(self.limit, verbose=False)
        self.passed = 0.0

    def setup(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        pl_module.clock = lambda: self.passed

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        share = min(self.time_elapsed() / self.limit.total_seconds(), 1.0)
        self.passed = trainer.strategy.broadcast(share)


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
