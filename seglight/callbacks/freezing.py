"""Puts the freeze policy of each epoch on the network, under DDP too, and says what is frozen."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.strategies import FSDPStrategy

from seglight.callbacks.internals import wrap_again
from seglight.parts import parts


class Freezing(L.Callback):
    """Applies `task.policy`; where the set of trained parameters changes under DDP, the wrapper is made anew.

    DDP waits for the gradient of every parameter that was trainable when it wrapped the network.
    """

    def setup(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        if stage == "fit":
            if pl_module.policy.every and isinstance(trainer.strategy, FSDPStrategy):
                raise ValueError("trainer=fsdp shards what trains from the start: for a gradual freeze use trainer=ddp")
            pl_module.policy.apply(pl_module.net, trainer.current_epoch)

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.on_train_epoch_start(trainer, pl_module)  # a run resumed within an epoch does not start that one

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        epoch = trainer.current_epoch
        changed = pl_module.policy.apply(pl_module.net, epoch)
        pl_module.net.train()
        if changed:
            wrap_again(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        epoch = trainer.current_epoch
        stages = sum(part.depth > 0 for part in parts(pl_module.net))
        trained = sum(p.numel() for p in pl_module.net.parameters() if p.requires_grad)
        pl_module.log("frozen_stages", float(pl_module.policy.frozen_stages(epoch, stages)))
        pl_module.log("trainable_params", float(trained))
