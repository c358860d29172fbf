"""Ranks that torchrun or srun started: rank 0 alone makes the run's directory, the others take part in it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

PATIENCE = timedelta(minutes=30)  # for rank 0 to compose the run


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


class Meeting:
    """Where rank 0 tells the others which directory it made: torchrun's own store, or one that rank 0 opens."""

    def __init__(self) -> None:
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        ranks = environment()
        torchruns = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        port = ranks.main_port + (not torchruns)  # the port itself will be the process group's
        host = rank() == 0 and not torchruns
        self.store = TCPStore(ranks.main_address, port, None, host, PATIENCE, wait_for_workers=False)
        self.key = f"seglight/run/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
        self.said = False

    def say(self, run: Path | None) -> None:
        """Rank 0: the run's directory; None where there is none to take part in. The first word counts."""
        if not self.said:
            self.store.set(self.key, str(run.absolute()) if run else "")
            self.said = True

    def hear(self) -> Path | None:
        """The others: what rank 0 said, once it did."""
        said = self.store.get(self.key).decode()
        return Path(said) if said else None


def end_with_parent() -> None:
    """No orphans: the kernel ends this process when the one that started it is gone (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def stop_in_time(seconds: float) -> None:
    """Told to stop, this process is gone after so many seconds, also where it waits for a rank that is dead.

    A thread sees to it: Python's own handlers wait for the call that waits.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def watch() -> None:
        while os.read(read, 1)[0] not in (signal.SIGTERM, signal.SIGINT):
            pass
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
