"""Sweeps: as many run directories as jobs, whatever dies; each launcher; how what did not end is run again."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import seglight
from seglight.callbacks.pruning import Pruning
from seglight.config import resolve
from seglight.runs.run import Run, sweep_runs
from seglight.sweeps.optuna_search import OptunaSearch
from seglight.sweeps.processes import Processes
from seglight.sweeps.ray_jobs import RayJobs
from seglight.sweeps.report import print_report
from seglight.sweeps.slurm_jobs import SlurmJobs
from tests.conftest import QUICK, REPO, TWO_RANKS, Command, processes, start, until, wait_for


def statuses(sweep: Path) -> list[str]:
    return [run.summary["status"] for run in sweep_runs(sweep)]


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
    assert process.returncode == 128 + signal.SIGINT
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


def jobs_of(sweep: Path, *overrides: list[str]) -> list[Run]:
    """A sweep's jobs as its launcher makes them, none of them started."""
    cfg = resolve(seglight.compose(*QUICK))
    runs = [Run.create(sweep / str(number), cfg, job) for number, job in enumerate(overrides)]
    for run in runs:
        run.update_summary(status="waiting")
    return runs


def test_the_report_says_why_a_job_failed_and_calls_no_other_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = jobs_of(tmp_path, *([f"skips={skips}", "optim.lr=0.1"] for skips in ("none", "add8", "add4", "concat")))
    runs[0].update_summary(status="completed", **{"val/miou": 0.25, "train_seconds": 1.5})
    runs[1].update_summary(status="failed", error="skips=add8 needs stride 8\nof which there is none")
    runs[2].update_summary(status="interrupted")
    assert print_report(tmp_path) == 3
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if "failed:" in line] == ["job 1 failed: skips=add8 needs stride 8"]
    assert "1 of 4 jobs failed, 1 interrupted, 1 not started." in out
    assert re.search(r"0 .* skips=none +│ completed +│ +0\.2500 +│ +1\.5", out)
    assert re.search(r"3 .* skips=concat +│ waiting", out)
    assert "all: optim.lr=0.1\n" in out
    assert out.splitlines()[-2:] == [f"python -m seglight.train resume_sweep={tmp_path}", f"sweep: {tmp_path}"]


def test_the_report_shows_each_key_once_as_it_is_now_and_no_constant_of_the_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = {"encoder": "resnet18", "encoder.channels": [8, 16], "skips": "none,add8"}
    OmegaConf.save(OmegaConf.create({"hydra": {"sweeper": {"params": study}}}), tmp_path / "multirun.yaml")
    job = ["encoder=resnet18", "encoder.channels=[8,16]", "trainer.max_epochs=3", "+note=1"]
    done, other = jobs_of(tmp_path, [*job, "skips=none"], [*job, "skips=add8", "trainer.max_epochs=60"])
    for run in (done, other):
        run.update_summary(status="completed")
    assert print_report(tmp_path) == 0
    out = capsys.readouterr().out
    assert "all: note=1\n" in out
    assert re.search(r"0 .* trainer\.max_epochs=3 skips=none ", out)
    assert re.search(r"1 .* trainer\.max_epochs=60 skips=add8 ", out)
    assert "resume_sweep" not in out
    assert out.splitlines()[-1] == f"sweep: {tmp_path}"


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


@pytest.mark.parametrize("numbers", [{"n_trials": 0}, {"n_jobs": 0}, {"n_jobs": -2}])
def test_a_search_needs_trials(numbers: dict[str, int]) -> None:
    search = OptunaSearch(None, None, **{"n_trials": 1, "n_jobs": 1, **numbers})
    context: Any = None
    ((key, value),) = numbers.items()
    with pytest.raises(SystemExit, match=f"^error: hydra.sweeper.{key}={value}: a whole number from 1 is needed"):
        search.setup(hydra_context=context, task_function=print, config=OmegaConf.create())


MKDIR = {"_target_": "os.mkdir", "path": "made"}


@pytest.mark.parametrize(
    "pruner",
    [
        MKDIR,
        {"_target_": "optuna.pruners.PatientPruner", "patience": 1, "wrapped_pruner": MKDIR},
        {"_target_": "optuna.pruners.PatientPruner", "_args_": [MKDIR, 1]},
        {"_target_": "optuna.pruners._median.os.mkdir", "path": "made"},
        {"_target_": "optuna.pruners.ThresholdPruner", "lower": "${oc.env:HOME}"},
    ],
)
def test_a_job_builds_nothing_but_optunas_from_its_sweeps_file(
    pruner: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    OmegaConf.save(OmegaConf.create({"hydra": {"sweeper": {"pruner": pruner}}}), tmp_path / "multirun.yaml")
    with pytest.raises(ValueError, match=r"multirun\.yaml: hydra\.sweeper\.pruner\.\S*="):
        Pruning(Run(tmp_path / "0"), str(tmp_path), 0)
    assert not (tmp_path / "made").exists()
