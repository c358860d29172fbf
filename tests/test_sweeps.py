"""Sweeps: as many run directories as jobs, whatever dies; each launcher; how what did not end is run again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

import seglight
from seglight.runs.run import sweep_runs
from tests.conftest import QUICK, REPO, Command
from tests.test_ranks import TWO_RANKS, processes, start, until


def statuses(sweep: Path) -> list[str]:
    return [run.summary["status"] for run in sweep_runs(sweep)]


def wait_for(path: Path, text: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not (path.is_file() and text in path.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{text} never came into {path}"
        time.sleep(0.1)


def test_a_sweep_of_two_rank_jobs_survives_a_killed_rank(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    epochs = [*(a for a in QUICK if "max_epochs" not in a), "trainer.max_epochs=100000,1,2,3"]
    process = start(tmp_path, "seglight.train", "-m", *epochs, *TWO_RANKS, f"hydra.sweep.dir={sweep}")
    until(process, "epoch 2/")
    ranks = processes(f"seglight.training.worker {sweep}/0")
    assert len(ranks) == 2
    os.kill(int(ranks[-1]), signal.SIGKILL)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1, out + err
    assert sorted(p.name for p in sweep.iterdir()) == ["0", "1", "2", "3", "multirun.yaml"]
    assert statuses(sweep) == ["failed", "completed", "completed", "completed"]
    assert "killed by signal 9" in seglight.load_run(sweep / "0").summary["error"]
    assert [len(list(p.path.rglob("*.log"))) for p in sweep_runs(sweep)] == [1, 1, 1, 1]
    assert [seglight.load_run(sweep / n).summary["devices"] for n in "123"] == [2, 2, 2]
    assert f"resume_sweep={sweep}" in out
    assert not processes(f"seglight.training.worker {sweep}")


@pytest.mark.slow
def test_a_stopped_sweep_goes_on_where_it_was(command: Command, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    two = [*(a for a in QUICK if "max_epochs" not in a), "trainer.max_epochs=30,1"]
    process = start(tmp_path, "seglight.train", "-m", *two, f"hydra.sweep.dir={sweep}")
    until(process, "epoch 2/")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode not in (0, None)
    assert "Traceback" not in out + err
    assert statuses(sweep) == ["interrupted", "waiting"]
    assert f"resume_sweep={sweep}" in out
    answer = command("train", f"resume_sweep={sweep}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert statuses(sweep) == ["completed", "completed"]
    assert len(re.findall("epoch 1/30", (sweep / "0" / "train.log").read_text())) == 1  # it did not begin anew
    assert len(list(sweep.iterdir())) == 3


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


@pytest.mark.slow
def test_ray_gives_every_job_a_gpu_of_its_own(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    sweep = tmp_path / "sweep"
    launcher = ["hydra/launcher=ray", "hydra.launcher.init.num_gpus=2", "hydra.launcher.init.num_cpus=2"]  # believed
    answer = command("train", "-m", *launcher, *QUICK, "seed=1,2", f"hydra.sweep.dir={sweep}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    runs = sweep_runs(sweep)
    assert sorted(run.summary["cuda_visible_devices"] for run in runs) == ["0", "1"]


def test_optuna_looks_for_the_highest_score(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    sweep = tmp_path / "sweep"
    search = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "optim.lr=tag(log,interval(1e-5,1e-1))"]
    answer = command("train", "-m", *QUICK, *search, f"hydra.sweep.dir={sweep}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    runs = sweep_runs(sweep)
    assert len({run.cfg.optim.lr for run in runs}) == 3
    best = max(runs, key=lambda run: run.summary["val/miou"])
    assert f"best: job {best.path.name}, val/miou {best.summary['val/miou']:.4f}" in answer.stdout


@pytest.mark.slow
def test_optuna_ends_a_job_that_it_gave_up(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    sweep = tmp_path / "sweep"
    pruner = ["hydra.sweeper.pruner._target_=optuna.pruners.ThresholdPruner", "+hydra.sweeper.pruner.lower=2"]
    pruner += ["~hydra.sweeper.pruner.n_startup_trials", "hydra.sweeper.pruner.n_warmup_steps=1"]  # none reaches 2
    search = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=1", "seed=1,2", "trainer.max_epochs=9"]
    answer = command("train", "-m", *QUICK, *search, *pruner, f"hydra.sweep.dir={sweep}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert statuses(sweep) == ["pruned"]
    assert seglight.load_run(sweep / "0").summary["epochs"] == 2


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
