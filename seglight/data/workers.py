"""How many worker processes load data: jobs of a sweep and ranks of a job share the machine's cores."""

from __future__ import annotations

import os

from seglight.values import whole

JOBS = "SEGLIGHT_JOBS"  # how many jobs a launcher runs on this machine at a time
MOST = 8  # workers a process gets from `auto`


def worker_count(setting: int | str) -> int:
    """`auto`: this process's share of the machine's cores, at most 8; otherwise the number itself."""
    if setting == "auto":
        return min(MOST, own_cores())
    return whole("data.num_workers", setting, 0, note=", or auto,")


def own_cores() -> int:
    """This process's share of the cores, one at least: the jobs that run beside it have theirs, and so do the ranks."""
    return max(1, available_cores() // (number(JOBS) * number("LOCAL_WORLD_SIZE")))


def available_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def number(variable: str) -> int:
    """A number from the environment, 1 where it is not set."""
    text = os.environ.get(variable, "1")
    return max(1, int(text)) if text.isdecimal() else 1
