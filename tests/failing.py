"""What happens to machines, and what others' configs do; a config names it with `_target_: tests.failing.<name>`."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class GPUMemory(nn.Module):
    """What CUDA's allocator raises."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class KilledWorker(nn.Module):
    """What the kernel does when memory is short: it kills a worker that loads data."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        for worker in multiprocessing.active_children():
            worker.kill()
        return logits.sum() * 0


def leave(path: str, **settings: Any) -> None:
    """What somebody else's config might have called: it leaves a folder."""
    Path(path).mkdir()
