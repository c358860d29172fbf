"""A run that ends between two evaluations is evaluated where it ends."""

from __future__ import annotations

from typing import Any

import lightning as L


class LastEvaluation(L.Callback):
    """Has Lightning evaluate after the last step, whether max_steps, max_epochs or max_time ends the run."""

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        last_step = 0 < trainer.max_steps <= trainer.global_step
        last_epoch = trainer.max_epochs is not None and 0 < trainer.max_epochs <= trainer.current_epoch + 1
        if last_step:
            trainer.should_stop = True  # Lightning then evaluates within this epoch
        if trainer.should_stop or last_epoch:
            trainer.check_val_every_n_epoch = 1
