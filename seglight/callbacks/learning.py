"""What shows whether a run learns: its rate, and the mean loss of each epoch."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
import torch.distributed as dist


class Learning(L.Callback):
    """Logs `lr` each step (the highest of the optimizer's groups) and `train/mean_loss`, over the epoch's images.

    The mean goes on where a run is resumed within an epoch.
    """

    def __init__(self) -> None:
        self.rate = 0.0
        self.total, self.images = torch.zeros(()), 0  # of this epoch's losses, this rank's

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.total, self.images = torch.zeros(()), 0

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)
        pl_module.log("lr", torch.tensor(self.rate), rank_zero_only=True)  # of a number Lightning makes a GPU's tensor

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        count = len(batch["image"])
        self.total = self.total + pl_module.train_loss * count
        self.images += count

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        pl_module.log("train/mean_loss", self.mean(pl_module.device), rank_zero_only=True)

    def mean(self, device: torch.device) -> float:
        """The mean loss of this epoch's images so far, over all ranks, which all ask for it, on their own devices."""
        sums = torch.stack([self.total, self.total.new_tensor(self.images)]).to(device)
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(sums)
        return float(sums[0] / sums[1])

    def state_dict(self) -> dict[str, Any]:
        return {"total": float(self.total), "images": self.images}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.total = torch.tensor(state_dict["total"])
        self.images = state_dict["images"]
