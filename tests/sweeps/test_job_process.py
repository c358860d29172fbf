"""A job in a process of its own: a killed rank ends its job and no other, and a refused job no run."""

from __future__ import annotations

import logging
import multiprocessing
import os
import select
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

import seglight
from seglight.config import resolve
from seglight.runs import status
from seglight.runs.run import Run, sweep_runs
from seglight.sweeps.job_process import ended, try_run
from tests.conftest import QUICK, TWO_RANKS, processes, start, statuses, until, wait_for


@pytest.mark.slow
def test_a_sweep_of_two_rank_jobs_survives_a_killed_rank(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    epochs = [*(a for a in QUICK if "max_epochs" not in a), "trainer.max_epochs=100000,1,2"]
    process = start(tmp_path, "seglight.train", "-m", *epochs, *TWO_RANKS, f"hydra.sweep.dir={sweep}")
    until(process, "epoch 2/")
    ranks = processes(f"seglight.training.worker {sweep}/0")
    assert len(ranks) == 2
    os.kill(int(ranks[-1]), signal.SIGKILL)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1, out + err
    assert sorted(p.name for p in sweep.iterdir()) == ["0", "1", "2", "multirun.yaml"]
    assert statuses(sweep) == ["failed", "completed", "completed"]
    assert "killed by signal 9" in seglight.load_run(sweep / "0").summary["error"]
    assert [len(list(p.path.rglob("*.log"))) for p in sweep_runs(sweep)] == [1, 1, 1]
    assert [seglight.load_run(sweep / n).summary["devices"] for n in "12"] == [2, 2]
    assert f"resume_sweep={sweep}" in out
    assert not processes(f"seglight.training.worker {sweep}")


@pytest.mark.slow
def test_jobs_do_not_outlive_a_launcher_that_was_killed(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    endless = ["data.num_workers=1", "trainer.max_epochs=100000"]
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", f"hydra.sweep.dir={sweep}"]
    process = start(tmp_path, "seglight.train", "-m", *QUICK, "seed=0,1", *endless, *launcher)
    for name in "01":
        wait_for(sweep / name / "train.log", "epoch 2/", process)
    jobs = [os.pidfd_open(int(job)) for job in processes(f"seglight.sweeps.job_process {sweep}")]
    assert len(jobs) >= 4  # and what loads their data
    process.kill()
    process.communicate(timeout=60)  # the process that they are forked from holds the pipe
    for job in jobs:
        assert select.select([job], [], [], 60)[0], "a job goes on"


@pytest.mark.slow
def test_a_signal_to_the_whole_group_lets_jobs_save(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", f"hydra.sweep.dir={sweep}"]
    process = start(tmp_path, "seglight.train", "-m", *QUICK, "seed=0,1", "trainer.max_epochs=100000", *launcher)
    for name in "01":
        wait_for(sweep / name / "train.log", "epoch 2/", process)
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, out + err
    assert statuses(sweep) == ["interrupted", "interrupted"]
    assert [seglight.load_run(sweep / name, "last").summary["status"] for name in "01"] == ["interrupted"] * 2


def trains(run: Run, steps: Connection) -> None:
    """A process that trains the run: it says when it has begun, and ends when it is told to."""
    with run.locked(), status.job(run):
        steps.send("begun")
        steps.recv()


def test_a_job_that_another_process_trains_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Run.create(tmp_path / "3", resolve(seglight.compose(*QUICK)), [])
    here, there = multiprocessing.Pipe()
    other = multiprocessing.get_context("fork").Process(target=trains, args=(run, there), daemon=True)
    other.start()
    assert here.recv() == "begun"
    with caplog.at_level(logging.INFO):
        try_run(run)
    assert caplog.messages == [f"left alone: {run.path} is being trained by another process"]
    assert ended(run.path, "exit code 1") == "3: left alone: another process trains it"
    assert run.summary["status"] == "running"
    here.send("end")
    other.join()
    assert (other.exitcode, run.summary["status"], run.summary["error"]) == (0, "completed", None)
    run.update_summary(status="running")  # as a process leaves it that was killed
    assert ended(run.path, "its process was killed by signal 9") == "3: failed  its process was killed by signal 9"
