"""Processes forked from one that has imported what training needs: a sweep pays for that once, and so do ranks.

That process has touched no GPU, which one that is forked could not use.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from types import ModuleType

PRELOADED = [
    "seglight.sweeps.job_process",
    "seglight.training.worker",
    "albumentations",
    "torchvision",
    "matplotlib.backends.backend_agg",
    "rich.table",
]  # none of them starts a thread


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


def named(module: str, argument: str, parent: int) -> None:
    """This process, just forked, looks like `python -m MODULE ARGUMENT`, before its environment is changed.

    It ends with the process `parent` that asked for it, which the one that it is forked from outlives.
    """
    from setproctitle import setproctitle

    from seglight.ranks.signals import end_with

    end_with(parent)
    setproctitle(f"{sys.executable} -m {module} {argument}")
    sys.argv = [module, argument]


def become_rank(module: str, argument: str, parent: int, env: dict[str, str]) -> None:
    """Goes on as `python -m MODULE ARGUMENT`, with torch's variables of this rank and the others of `env`."""
    named(module, argument, parent)
    os.environ.update({**env, **os.environ})
    importlib.import_module(module).main()
