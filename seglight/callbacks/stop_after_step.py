"""SIGTERM or Ctrl-C while a run trains: all ranks finish the step, save, and end."""

from __future__ import annotations

import logging
import signal
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities.exceptions import SIGTERMException

from seglight.callbacks.internals import (
    begin_evaluation_again,
    continue_epoch,
    is_between_steps,
    stop_after_logging,
)
from seglight.ranks.signals import SIGNALS, stop
from seglight.runs.run import Run

log = logging.getLogger(__name__)

MANY = 2**62  # batches of a loader that does not know its length
EVERY = 10  # batches of an evaluation between two questions to the other ranks


class StopAfterStep(L.Callback):
    """Saves last.ckpt so that a resumed run goes on with the next batch, or begins the broken-off evaluation again.

    Lightning's own handler of SIGTERM speaks to the other ranks wherever the signal finds it, and saves nothing.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.signal: int | None = None  # the one that asked this rank to stop
        self.stopping = False  # all ranks are
        self.common = 0  # batches of this evaluation that every rank has

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.listen(trainer)
        continue_epoch(trainer)

    def on_validation_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.listen(trainer)
        self.common = common(int(min(sum(trainer.num_val_batches), MANY)), trainer)

    def listen(self, trainer: L.Trainer) -> None:
        """Takes the signals over from Lightning; outside training they end the run at once."""

        def remember(number: int, frame: Any) -> None:
            if trainer.state.fn != "fit" or (self.signal is not None and trainer.world_size == 1):
                stop(number, frame)
            if self.signal is None:
                log.info("%s: the run ends after this step", signal.Signals(number).name)
            self.signal = number

        for number in SIGNALS:
            signal.signal(number, remember)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if is_between_steps(trainer) and self.agreed(trainer):
            stop_after_logging(trainer)

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        asks = trainer.world_size == 1 or (batch_idx % EVERY == 0 and batch_idx < self.common)
        if trainer.state.fn == "fit" and not trainer.sanity_checking and asks and self.agreed(trainer):
            raise SIGTERMException

    def agreed(self, trainer: L.Trainer) -> bool:
        """Whether any rank was asked to stop: the answer is the same on all."""
        asked = self.signal is not None
        self.stopping = trainer.strategy.reduce_boolean_decision(asked, all=False) if trainer.world_size > 1 else asked
        return self.stopping

    def on_exception(self, trainer: L.Trainer, pl_module: Any, exception: BaseException) -> None:
        if not self.stopping or not isinstance(exception, SIGTERMException):
            return
        if trainer.validating:
            for callback in trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, WeightAveraging):
                    callback.on_validation_epoch_end(trainer, pl_module)  # puts the trained weights back
            begin_evaluation_again(trainer)
        trainer.save_checkpoint(self.run.checkpoint_path("last"))


def common(batches: int, trainer: L.Trainer) -> int:
    """The fewest batches that any rank has."""
    if trainer.world_size == 1:
        return batches
    fewest = torch.tensor(batches, device=trainer.strategy.root_device)
    dist.all_reduce(fewest, op=dist.ReduceOp.MIN)
    return int(fewest)
