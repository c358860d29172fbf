"""hydra/launcher=slurm: when a job has ended; on a real SLURM (skipped without one) preempted jobs go on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import seglight
from seglight.config import resolve
from seglight.runs.run import Run, sweep_runs
from seglight.sweeps.slurm_jobs import SlurmJobs
from tests.conftest import QUICK, TWO_RANKS, start, wait_for


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
    assert [run.summary["status"] for run in sweep_runs(sweep)] == ["completed", "interrupted"]
    assert (sweep / "0" / "train.log").read_text().count("epoch 1/") == 1
    assert seglight.load_run(sweep / "0").summary["devices"] == 2


@pytest.mark.parametrize(
    ("looks", "ends_as"),  # what squeue lists (`down`: SLURM does not answer) and what the run says, look by look
    [
        (["- waiting", "- running", "7_0 running", "- running"], "failed"),  # not listed yet, listed, lost
        (["- waiting", "7_0 running", "down completed", "- completed"], "completed"),
        (["- completed"], "completed"),  # over before the first look
    ],
)
def test_a_job_that_squeue_does_not_list_yet_has_not_ended(
    looks: list[str], ends_as: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "0", resolve(seglight.compose(*QUICK)), [])
    answers, squeue = tmp_path / "answers", tmp_path / "squeue"
    answers.write_text("".join(f"{look}\n" for look in looks))
    squeue.write_text(f"""#!/bin/sh
read -r listed status < {answers} || exit 9
sed -i 1d {answers}
sed -i "s/\\"status\\": \\"[a-z]*/\\"status\\": \\"$status/" {run.path}/summary.json
[ $listed = down ] && exit 1
echo $listed
""")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    waiting = {"7_0": run.path}
    SlurmJobs(poll=0.01).wait(waiting, tmp_path)
    assert waiting == {}
    assert answers.read_text() == ""  # it looked as often as the job was there, and not once more
    assert run.summary["status"] == ends_as
