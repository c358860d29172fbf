"""Lightning's private parts that seglight uses, in one place: lightning<2.7 has them as they are called here."""

from __future__ import annotations

from typing import Any, cast

import lightning as L


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
