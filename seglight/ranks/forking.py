"""Processes forked from one that has imported what training needs: a sweep pays for that once, and so do ranks.

That process has touched no GPU, which one that is forked could not use. A forked job that has ranks starts another.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from types import ModuleType

from seglight.ranks.fork_server import STOPS

PRELOADED = [
    "seglight.ranks.fork_server",
    "seglight.sweeps.job_process",
    "seglight.training.worker",
    "albumentations",
    "torchvision",
    "matplotlib.backends.backend_agg",
    "rich.table",
]  # none of them starts a thread
TORCHS = re.compile(r"(\w+_)?RANK|(\w+_)?WORLD_SIZE|ROLE_\w+|MASTER_\w+|TORCH\w+")  # variables of a rank


@contextmanager
def forking() -> Iterator[ForkServerContext]:
    """Where such processes come from. They do not run the program's own file again, which may not expect it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    program, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield context
    finally:
        sys.modules["__main__"] = program


def become(module: str, argument: str, env: dict[str, str]) -> None:
    """Makes this process, just forked, one that `python -m MODULE ARGUMENT` would be in the environment `env`."""
    import torch
    from setproctitle import setproctitle

    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)
    setproctitle(f"{sys.executable} -m {module} {argument}")  # while the environment is as it began
    os.environ.clear()
    os.environ.update(env)
    if env.get("OMP_NUM_THREADS", "").isdigit():
        torch.set_num_threads(max(int(env["OMP_NUM_THREADS"]), 1))  # torch reads it when it is imported
    multiprocessing.set_start_method(None, force=True)  # its own children start as any process's do
    sys.argv = [module, argument]


def become_rank(module: str, argument: str, env: dict[str, str]) -> None:
    """Goes on as `python -m MODULE ARGUMENT`, with the variables that torch has set for this rank."""
    ours = {name: value for name, value in os.environ.items() if TORCHS.fullmatch(name)}
    become(module, argument, {**env, **ours})
    importlib.import_module(module).main()
