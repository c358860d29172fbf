"""How many worker processes load data."""

from __future__ import annotations

import os


def worker_count(setting: int | str) -> int:
    """`auto`: this process's share of the machine's cores, at most 8; otherwise the number itself."""
    if setting == "auto":
        ranks = max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        return max(1, min(8, available_cores() // ranks))
    if isinstance(setting, str) or setting < 0:
        raise ValueError(f"data.num_workers={setting}; expected a number >= 0, or auto")
    return setting


def available_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
