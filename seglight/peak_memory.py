"""The most memory a run has needed: of its GPU, or of its process where it trains on a CPU."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any


def reset_peak_memory() -> None:
    """Measures from now on, without what earlier runs of the process left in its heap.

    Where the system cannot forget a process's peak, it is measured from the process's start.
    """
    gc.collect()  # a run's network and optimizer are in cycles
    with suppress(AttributeError, OSError, TypeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)
    torch: Any = sys.modules.get("torch")  # a process without it uses no GPU through it
    if torch and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):  # not every system has it, nor lets a process write it
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(on_gpu: bool = False) -> int:
    """Bytes: allocated on this process's GPU, or resident in memory."""
    if on_gpu:
        import torch

        return torch.cuda.max_memory_allocated()
    if (status := Path("/proc/self/status")).exists():
        peaks = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        if peaks:
            return int(peaks[0].split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
