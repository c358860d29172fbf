"""hydra/launcher=ray: a GPU for each job."""

from __future__ import annotations

from pathlib import Path

import pytest

from seglight.runs.run import sweep_runs
from tests.conftest import QUICK, Command


@pytest.mark.slow
def test_ray_gives_every_job_a_gpu_of_its_own(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    sweep = tmp_path / "sweep"
    launcher = ["hydra/launcher=ray", "hydra.launcher.init.num_gpus=2", "hydra.launcher.init.num_cpus=2"]  # believed
    answer = command("train", "-m", *launcher, *QUICK, "seed=1,2", f"hydra.sweep.dir={sweep}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    runs = sweep_runs(sweep)
    assert sorted(run.summary["cuda_visible_devices"] for run in runs) == ["0", "1"]
