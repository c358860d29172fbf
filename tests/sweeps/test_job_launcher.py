"""What all launchers refuse before a job is made."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from seglight.sweeps.processes import Processes
from seglight.sweeps.ray_jobs import RayJobs
from seglight.sweeps.slurm_jobs import SlurmJobs
from tests.conftest import REPO, Command


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("ray", ["hydra/launcher=ray"]),
        ("submitit", ["hydra/launcher=slurm"]),
        ("optuna", ["hydra/sweeper=optuna"]),
    ],
)
def test_a_missing_extra_is_one_line(package: str, arguments: list[str], command: Command, tmp_path: Path) -> None:
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('No module named {package}')")
    answer = command("train", "-m", *arguments, "seed=1,2", PYTHONPATH=f"{tmp_path}{os.pathsep}{REPO}")
    assert answer.returncode == 1
    extra = "slurm" if package == "submitit" else package
    assert f'pip install "seglight[{extra}]"' in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("launcher", "says"),
    [
        (Processes(n_jobs=0), "hydra.launcher.n_jobs=0"),
        (Processes(n_jobs="two"), "hydra.launcher.n_jobs=two"),  # type: ignore[arg-type]
        (RayJobs({}, cpus=0), "hydra.launcher.cpus=0"),
        (RayJobs({"num_gpus": -1}), "hydra.launcher.init.num_gpus=-1"),
        (SlurmJobs(poll=-1), "hydra.launcher.poll=-1"),
        (SlurmJobs(nodes=0), "hydra.launcher.nodes=0"),
        (SlurmJobs(mem_gb=0), "hydra.launcher.mem_gb=0"),
        (SlurmJobs(array_parallelism=0), "hydra.launcher.array_parallelism=0"),
        (SlurmJobs(timeout_min=1.5), "hydra.launcher.timeout_min=1.5"),
        (SlurmJobs(max_num_timeout=-1), "hydra.launcher.max_num_timeout=-1"),
    ],
)
def test_a_launchers_settings_are_checked_before_any_job_is_made(launcher: Any, says: str) -> None:
    context: Any = None
    with pytest.raises(SystemExit, match=rf"^error: {re.escape(says)}: a (whole )?number (above|from) .*is needed"):
        launcher.setup(hydra_context=context, task_function=print, config=OmegaConf.create())
