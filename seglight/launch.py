"""How one job becomes N ranks: each is `python -m seglight.fit RUN`, which reads the run directory's config.

Lightning's own launcher would repeat this process's command line, which in a sweep starts the sweep in every rank.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Any

from omegaconf import DictConfig

from seglight.ranks import started_by_others, world_size
from seglight.runs import Run
from seglight.stopping import SIGNALS, Stopped, handlers_put_back

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
SECONDS_TO_STOP = 25  # for a rank to save and leave; then it is killed


def launch(run: Run) -> None:
    """Trains the run: in this process where it is the only rank or one of those torchrun or srun started, else in N."""
    ranks = local_ranks(run.cfg.trainer)
    if ranks == 1 or started_by_others():
        from seglight.fit import fit

        fit(run)
        return
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what went wrong is said below
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(SECONDS_TO_STOP))
    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        run_id=run.path.name or "run",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.5,
    )
    with handlers_put_back(STOP_SIGNALS):  # torch's launcher leaves its own behind
        try:
            elastic_launch(settings, sys.executable)("-m", "seglight.fit", str(run.path))
        except ChildFailedError as error:
            number = error.get_first_failure()[1].exitcode - 128
            if number in SIGNALS:  # the ranks were told, not this process
                raise Stopped(number) from None
            raise RanksFailed(failure(error, run)) from None
        except SignalException as stop:  # the ranks got it too and have ended
            raise Stopped(stop.sigval) from None


class RanksFailed(ChildProcessError):
    """A rank ended badly; the others were stopped."""


def failure(error: Any, run: Run) -> str:
    """What to say of the first rank that failed: its own message, or the signal that ended it."""
    rank, first = error.get_first_failure()
    said = run.summary.get("error")
    if first.exitcode < 0:
        return f"rank {rank} was killed by signal {-first.exitcode}; the other ranks were stopped"
    return said or f"rank {rank} exited with code {first.exitcode}: {run.path / 'train.log'} says why"


def local_ranks(trainer: DictConfig) -> int:
    """How many processes `trainer.devices` asks for on this machine; under torchrun or srun how many there are."""
    ranks = asked_for(trainer)
    if started_by_others():
        there: int = world_size() // trainer.num_nodes
        if trainer.devices not in ("auto", -1) and ranks * trainer.num_nodes != world_size():
            raise ValueError(
                f"{world_size()} ranks were started, trainer.devices={trainer.devices} "
                f"trainer.num_nodes={trainer.num_nodes} asks for {ranks * trainer.num_nodes}: "
                f"trainer=ddp trainer.devices={there} would fit"
            )
        return there
    return ranks


def asked_for(trainer: DictConfig) -> int:
    """The number of devices that `trainer.devices` stands for."""
    devices = trainer.devices
    if devices in ("auto", -1):
        return max(gpus(trainer), 1)
    if isinstance(devices, int):
        if devices < 1:
            raise ValueError(f"trainer.devices={devices}: a number from 1, auto, -1 or a list of devices")
        return devices
    if isinstance(devices, str):
        return len([part for part in devices.split(",") if part.strip()])
    return len(devices)


def gpus(trainer: DictConfig) -> int:
    """How many GPUs the trainer's accelerator would see."""
    import torch

    return torch.cuda.device_count() if trainer.accelerator in ("auto", "gpu", "cuda") else 0
