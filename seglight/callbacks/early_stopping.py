"""`trainer.early_stopping=N`: ends a run whose score has not risen for N evaluations."""

from __future__ import annotations

import logging
from typing import Any

import lightning as L

from seglight.callbacks.best import Best

log = logging.getLogger(__name__)


class EarlyStopping(L.Callback):
    """Asks `Best`, so that "better" means the same here as for checkpoints/best.ckpt."""

    def __init__(self, best: Best, patience: int) -> None:
        self.best, self.patience = best, patience

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if not trainer.sanity_checking and self.best.waited >= self.patience:
            trainer.should_stop = True
            if trainer.is_global_zero:
                log.info("early stopping: val/miou has not risen for %d evaluations", self.best.waited)
