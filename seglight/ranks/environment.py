"""Which rank this process is, of how many, and who started them: torchrun, srun or seglight itself."""

from __future__ import annotations

import os
from typing import Any


def started_by_others() -> bool:
    """Whether torchrun or srun already made this process one of several."""
    return by_torchrun() or int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1


def by_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ or int(os.environ.get("WORLD_SIZE", 1)) > 1


def rank() -> int:
    """This process's number among a job's ranks."""
    if by_torchrun():
        return int(os.environ["RANK"])
    return int(os.environ["SLURM_PROCID"]) if started_by_others() else 0


def world_size() -> int:
    """How many ranks there are over all machines."""
    if by_torchrun():
        return int(os.environ["WORLD_SIZE"])
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))


def environment() -> Any:
    """What Lightning reads ranks from; said outright, for it would guess from variables that a sweep's job inherits."""
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    if not started_by_others():
        return LightningEnvironment()
    if not by_torchrun():
        os.environ.update(variables_of_srun())
    return TorchElasticEnvironment()


def variables_of_srun() -> dict[str, str]:
    """torchrun's variables in a task of srun's; Lightning's own reader of them refuses `srun -n`."""
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

    slurm = {name.removeprefix("SLURM_"): value for name, value in os.environ.items() if name.startswith("SLURM_")}
    step = int(slurm["JOB_ID"]) + 97 * int(slurm["STEP_ID"])  # jobs that share a machine differ in their ports
    first = SLURMEnvironment.resolve_root_node_address(slurm["STEP_NODELIST"])
    return {
        "RANK": slurm["PROCID"],
        "LOCAL_RANK": slurm["LOCALID"],
        "WORLD_SIZE": slurm["STEP_NUM_TASKS"],
        "MASTER_ADDR": os.environ.get("MASTER_ADDR", first if int(slurm["STEP_NUM_NODES"]) > 1 else "127.0.0.1"),
        "MASTER_PORT": os.environ.get("MASTER_PORT", str(15000 + 2 * (step % 8000))),
    }
