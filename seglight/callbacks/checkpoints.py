"""Writes checkpoints/last.ckpt after each epoch and evaluation, and best.ckpt where `Best` says so."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from seglight.callbacks.best import Best
from seglight.callbacks.internals import in_mid_epoch, log_epoch
from seglight.runs.run import Run


class Checkpoints(Checkpoint):
    """Lightning calls a `Checkpoint` after all other callbacks, so it saves what they made of an evaluation.

    At the end of an epoch it saves once that is counted; a run that ends within one goes on from there.
    """

    def __init__(self, run: Run, best: Best) -> None:
        self.run, self.best = run, best
        self.saved = -1  # the optimizer step of the latest checkpoint

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if not trainer.sanity_checking and (trainer.state.fn != "fit" or in_mid_epoch(trainer)):
            self.save(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        log_epoch(trainer)  # a run that is killed after its checkpoint has them in metrics.csv
        if self.saved != trainer.global_step:
            self.save(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if trainer.limit_val_batches == 0:  # nothing is evaluated: the last weights are all there is
            trainer.save_checkpoint(self.run.checkpoint_path("best"))

    def save(self, trainer: L.Trainer) -> None:
        """Writes the state of now."""
        if self.best.is_now(trainer):
            trainer.save_checkpoint(self.run.checkpoint_path("best"))
        trainer.save_checkpoint(self.run.checkpoint_path("last"))
        self.saved = trainer.global_step
