"""What happens to machines, and what others' configs do; a config names it with `_target_: tests.failing.<name>`."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

# Dies by SIGKILL at the nth time that a file of this name is ready to take its place, half of it written.
DIES = """
import os, signal
name, nth, seen, replace = {name!r}, {nth}, [], os.replace
def dies(source, target):
    if os.path.basename(target) == name:
        seen.append(target)
        if len(seen) == nth:
            os.truncate(source, os.path.getsize(source) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = dies
from seglight.train import main
main()
"""

# Gets a signal in the nth training or validation step.
STOPS = """
import os
from seglight.task import SegmentationTask
step, calls = SegmentationTask.{step}, []
def stops(self, batch, batch_idx):
    calls.append(batch_idx)
    if len(calls) == {nth}:
        os.kill(os.getpid(), {number})
    return step(self, batch, batch_idx)
SegmentationTask.{step} = stops
from seglight.train import main
main()
"""


class GPUMemory(nn.Module):
    """What CUDA's allocator raises."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.18 GiB of which 1.06 GiB "
            "is free. Including non-PyTorch memory, this process has 78.11 GiB memory in use. If reserved but "
            "unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True"
        )


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
