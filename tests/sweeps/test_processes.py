"""hydra/launcher=joblib: several jobs at a time."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import seglight
from tests.conftest import QUICK, processes, start, statuses, wait_for


@pytest.mark.slow
def test_a_killed_job_of_several_at_a_time_takes_no_other_with_it(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    three = [*(a for a in QUICK if "max_epochs" not in a), "trainer.max_epochs=100000,1,2"]
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    process = start(tmp_path, "seglight.train", "-m", *launcher, *three, f"hydra.sweep.dir={sweep}")
    wait_for(sweep / "0" / "train.log", "epoch 1/", process)
    os.kill(int(processes(f"seglight.sweeps.job_process {sweep}/0")[0]), signal.SIGKILL)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1, out + err
    assert statuses(sweep) == ["failed", "completed", "completed"]
    assert "killed by signal 9" in seglight.load_run(sweep / "0").summary["error"]
    assert "1 of 3 jobs failed" in out


@pytest.mark.slow
def test_a_stopped_sweep_leaves_no_job_behind(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    endless = [*(a for a in QUICK if "max_epochs" not in a), "trainer.max_epochs=100000", "seed=1,2,3"]
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=1"]
    process = start(tmp_path, "seglight.train", "-m", *launcher, *endless, f"hydra.sweep.dir={sweep}")
    wait_for(sweep / "0" / "train.log", "epoch 1/", process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGTERM, out + err
    assert not processes(f"seglight.sweeps.job_process {sweep}")
    assert statuses(sweep)[1:] == ["waiting", "waiting"]
