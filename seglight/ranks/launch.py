"""How one job becomes N ranks: N processes of `python -m seglight.training.worker RUN`, forked from one.

Lightning's own launcher would repeat this process's command line, which in a sweep starts the sweep in every rank.
"""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

from seglight.ranks.forking import become_rank, forking
from seglight.ranks.signals import SECONDS_TO_STOP, SIGNALS, Stopped, handlers_put_back

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class RanksFailed(ChildProcessError):
    """A rank failed and the others were stopped; the text says which one and how, `killed` whether by a signal."""

    killed = False


def launch(ranks: int, module: str, folder: Path) -> None:
    """Runs `python -m <module> <folder>` in that many processes and waits for all. RanksFailed, Stopped."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # RanksFailed says what went wrong
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(SECONDS_TO_STOP))
    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        run_id=folder.name or "run",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
        start_method="forkserver",
    )
    with handlers_put_back(STOP_SIGNALS), forking():  # torch's launcher leaves its own handlers behind
        try:
            elastic_launch(settings, become_rank)(module, str(folder), dict(os.environ))
        except ChildFailedError as error:
            rank, first = error.get_first_failure()
            if first.exitcode - 128 in SIGNALS:  # the ranks got the signal, not this process
                raise Stopped(first.exitcode - 128) from None
            failed = RanksFailed(failure(rank, first.exitcode, folder))
            failed.killed = first.exitcode < 0
            raise failed from None
        except SignalException as stop:  # the ranks got it too and have ended
            raise Stopped(stop.sigval) from None


def failure(rank: int, code: int, folder: Path) -> str:
    """How the first rank that failed ended."""
    if code < 0:
        return f"rank {rank} was killed by signal {-code}; the other ranks were stopped"
    return f"rank {rank} exited with code {code}: {folder / 'train.log'} says why"
