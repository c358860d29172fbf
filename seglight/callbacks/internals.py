"""The private parts of Lightning and DDP that seglight uses, each under a name that says what for (lightning < 2.7)."""

from __future__ import annotations

from typing import Any, cast

import lightning as L
from lightning.pytorch.strategies import DDPStrategy


def continue_epoch(trainer: L.Trainer) -> None:
    """Puts a resumed run where it was stopped within an epoch, also where its batches have another size now.

    Lightning counts an epoch's batches, the loader its images.
    """
    loop: Any = trainer.fit_loop
    # Lightning has not, where `estimated_stepping_batches` made the loader before the checkpoint was read.
    loop._load_combined_loader_states()
    progress, loader = loop.epoch_loop.batch_progress, cast(Any, trainer.train_dataloader)
    if progress.current.ready == 0 or not hasattr(loader, "batches_behind"):
        return
    ended = progress.is_last_batch
    shift = (int(trainer.num_training_batches) if ended else loader.batches_behind()) - progress.current.ready
    for name in ("ready", "started", "processed", "completed"):
        setattr(progress.current, name, getattr(progress.current, name) + shift)


def log_epoch(trainer: L.Trainer) -> None:
    """Gives the loggers the epoch's values now, and has them written. Lightning would after the epoch's checkpoint."""
    loop = trainer.fit_loop.epoch_loop
    loop._batches_that_stepped -= 1  # as Lightning does: these values belong to the step that was made
    trainer._logger_connector.update_train_epoch_metrics()
    loop._batches_that_stepped += 1
    for logger in trainer.loggers:
        logger.save()


def is_between_steps(trainer: L.Trainer) -> bool:
    """Whether the batch that just ended made an optimizer step, and the epoch has more of them."""
    loop = trainer.fit_loop.epoch_loop
    return not loop._should_accumulate() and not loop._is_training_done


def in_mid_epoch(trainer: L.Trainer) -> bool:
    """Whether batches of this epoch are still to come."""
    return not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch


def stop_after_logging(trainer: L.Trainer) -> None:
    """Makes Lightning raise SIGTERMException once it has logged this step."""
    trainer._signal_connector.received_sigterm = True


def begin_evaluation_again(trainer: L.Trainer) -> None:
    """Puts a broken-off evaluation's progress into its first batch: a resumed run then begins it again."""
    progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
    progress.reset()
    progress.increment_ready()
    progress.increment_started()


def wrap_again(trainer: L.Trainer, module: L.LightningModule) -> None:
    """Wraps the network in DDP anew, for another set of trained parameters; nothing without DDP."""
    strategy: Any = trainer.strategy
    if isinstance(strategy, DDPStrategy):
        strategy.model.reducer._remove_autograd_hooks()  # type: ignore[union-attr,operator]
        strategy.model = strategy._setup_model(module)
