"""hydra/launcher=slurm on a real SLURM: preempted jobs go on, cancelled ones are recorded. Skipped without one."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

import seglight
from tests.conftest import QUICK
from tests.test_ranks import TWO_RANKS, start
from tests.test_sweeps import statuses, wait_for


def slurm(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
def test_a_preempted_job_goes_on_and_a_cancelled_one_is_recorded(tmp_path: Path) -> None:
    if subprocess.run(["sh", "-c", "sinfo --noheader --states=idle | grep ."], capture_output=True).returncode:
        pytest.skip("no SLURM with an idle node")
    sweep = tmp_path / "sweep"
    jobs = [*(a for a in QUICK if "max_epochs" not in a), *TWO_RANKS, "trainer.max_epochs=30", "seed=1,2"]
    launcher = ["hydra/launcher=slurm", "hydra.launcher.array_parallelism=1", "hydra.launcher.poll=1"]
    process = start(tmp_path, "seglight.train", "-m", *launcher, *jobs, f"hydra.sweep.dir={sweep}")
    wait_for(sweep / "0" / "train.log", "epoch 3/", process)
    array = slurm("squeue", "--me", "--noheader", "--format=%A").split()[0]
    slurm("scancel", f"--signal={signal.SIGUSR2.value}", f"{array}_0")  # as before a time limit or a preemption
    wait_for(sweep / "0" / "train.log", "interrupted", process)
    wait_for(sweep / "1" / "train.log", "epoch 3/", process)
    slurm("scancel", f"{array}_1")
    deadline = time.monotonic() + 200
    while process.poll() is None:
        assert time.monotonic() < deadline
        for job in slurm("squeue", "--me", "--noheader", "--states=PENDING", "--format=%i").split():
            subprocess.run(
                ["scontrol", "update", f"jobid={job}", "StartTime=now"], capture_output=True
            )  # not in minutes
        time.sleep(1)
    out, err = process.communicate()
    assert process.returncode == 1, out + err
    assert statuses(sweep) == ["completed", "interrupted"]
    assert (sweep / "0" / "train.log").read_text().count("epoch 1/") == 1
    assert seglight.load_run(sweep / "0").summary["devices"] == 2
