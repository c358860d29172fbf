"""A trial that the study gives up ends early; what a job builds for it is Optuna's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import seglight
from seglight.callbacks.pruning import Pruning
from seglight.runs.run import Run
from tests.conftest import QUICK, Command, statuses


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
