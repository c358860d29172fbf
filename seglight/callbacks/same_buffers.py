"""Every rank evaluates with rank 0's running statistics: the ones the checkpoint keeps."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch.distributed as dist


class SameBuffers(L.Callback):
    """Broadcasts the network's buffers before each evaluation.

    DDP would do so in every forward pass, also in evaluation, where ranks with fewer images would leave others waiting.
    """

    def on_validation_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        if dist.is_available() and dist.is_initialized():
            for buffer in pl_module.net.buffers():
                dist.broadcast(buffer, src=0)
