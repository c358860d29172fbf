"""hydra/sweeper=optuna: the highest score is looked for and found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from seglight.runs.run import sweep_runs
from seglight.sweeps.optuna_search import OptunaSearch
from tests.conftest import QUICK, Command


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


@pytest.mark.parametrize("numbers", [{"n_trials": 0}, {"n_jobs": 0}, {"n_jobs": -2}])
def test_a_search_needs_trials(numbers: dict[str, int]) -> None:
    search = OptunaSearch(None, None, **{"n_trials": 1, "n_jobs": 1, **numbers})
    context: Any = None
    ((key, value),) = numbers.items()
    with pytest.raises(SystemExit, match=f"^error: hydra.sweeper.{key}={value}: a whole number from 1 is needed"):
        search.setup(hydra_context=context, task_function=print, config=OmegaConf.create())
