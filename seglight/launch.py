"""How one job becomes N ranks: each is `python -m seglight.fit RUN`, which reads the run directory's config.

Lightning's own launcher would repeat this process's command line, which in a sweep starts the sweep in every rank.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from omegaconf import DictConfig

from seglight.runs import Run

RANK_VARIABLES = ("RANK", "SLURM_PROCID")


def launch(run: Run) -> None:
    """Trains the run: in this process where it is the only rank or one of those torchrun or srun started, else in N."""
    ranks = local_ranks(run.cfg.trainer)
    if ranks == 1 or started_by_others():
        from seglight.fit import fit

        fit(run)
        return
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

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
    try:
        elastic_launch(settings, sys.executable)("-m", "seglight.fit", str(run.path))
    except ChildFailedError as error:
        raise RanksFailed(failure(error, run)) from None


class RanksFailed(RuntimeError):
    """A rank ended badly; the others were stopped."""


def failure(error: Any, run: Run) -> str:
    """What to say of the first rank that failed: its own message, or the signal that ended it."""
    rank, first = error.get_first_failure()
    said = run.summary.get("error")
    if first.exitcode < 0:
        return f"rank {rank} was killed by signal {-first.exitcode}; the other ranks were stopped"
    return said or f"rank {rank} exited with code {first.exitcode}: {run.path / 'train.log'} says why"


def started_by_others() -> bool:
    """Whether torchrun or srun already made this process one of several."""
    torchrun = "TORCHELASTIC_RUN_ID" in os.environ or int(os.environ.get("WORLD_SIZE", 1)) > 1
    return torchrun or ("SLURM_STEP_ID" in os.environ and int(os.environ.get("SLURM_NTASKS", 1)) > 1)


def rank() -> int:
    """This process's number among a job's ranks."""
    return next((int(os.environ[name]) for name in RANK_VARIABLES if name in os.environ and started_by_others()), 0)


def local_ranks(trainer: DictConfig) -> int:
    """How many processes `trainer.devices` asks for on this machine."""
    devices = trainer.devices
    if isinstance(devices, int):
        if devices == -1:
            return max(gpus(trainer), 1)
        if devices < 1:
            raise ValueError(f"trainer.devices={devices}: a number from 1, auto, -1 or a list of devices")
        return devices
    if devices == "auto":
        return max(gpus(trainer), 1)
    if isinstance(devices, str):
        return len([part for part in devices.split(",") if part.strip()])
    return len(devices)


def gpus(trainer: DictConfig) -> int:
    """How many GPUs the trainer's accelerator would see."""
    import torch

    return torch.cuda.device_count() if trainer.accelerator in ("auto", "gpu", "cuda") else 0
