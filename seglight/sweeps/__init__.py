"""A sweep: its launchers and sweepers, its jobs, its report."""

from __future__ import annotations

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins


def register() -> None:
    """Makes them known to Hydra, and `InTurn` its default launcher in this program.

    Hydra takes launchers from a package called hydra_plugins alone; under that name the configs ask for these.
    """
    from seglight.sweeps.halving import Halving
    from seglight.sweeps.in_turn import InTurn
    from seglight.sweeps.optuna_search import OptunaSearch
    from seglight.sweeps.processes import Processes
    from seglight.sweeps.ray_jobs import RayJobs
    from seglight.sweeps.resume_sweep import ResumeSweep
    from seglight.sweeps.slurm_jobs import SlurmJobs

    known = Plugins.instance().class_name_to_class
    for kind in (Halving, InTurn, OptunaSearch, Processes, RayJobs, ResumeSweep, SlurmJobs):
        known[f"hydra_plugins.seglight.{kind.__name__}"] = kind
    node = {"_target_": "hydra_plugins.seglight.InTurn"}
    ConfigStore.instance().store(group="hydra/launcher", name="basic", node=node, provider="seglight")
