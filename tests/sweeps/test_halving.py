"""hydra/sweeper=halving: a grid that spends its epochs on the best, from the command line to the table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import seglight
from seglight.runs.run import sweep_runs
from seglight.sweeps.halving import Halving, max_epochs
from tests.conftest import QUICK, Command, rows

pytestmark = pytest.mark.slow


def test_the_best_job_trains_on_at_the_full_rate_and_a_folder_is_not_halved_twice(
    command: Command, tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    given = [*(text for text in QUICK if "max_epochs" not in text), "schedule=wsd", "schedule.warmup=0"]
    given += ["schedule.decay=0.5", "predictions=0", "trainer.max_epochs=2", "hydra/sweeper=halving"]
    given += ["optim.lr=0.01,0.001", "hydra.sweeper.eta=2", f"hydra.sweep.dir={sweep}"]
    answer = command("train", "-m", *given)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "halving: 3 of the full grid's 4 epochs (75%) were trained" in answer.stdout
    runs = sweep_runs(sweep)
    cut, whole = sorted(runs, key=lambda run: run.summary["epochs"])
    assert (cut.summary["epochs"], whole.summary["epochs"]) == (1, 2)
    rates = [float(row["lr"]) / whole.cfg.optim.lr for row in rows(whole, "lr")]
    # an epoch has two steps; one run of two epochs would have 1, 1, 1, 0.29
    assert rates == pytest.approx([1, 1, 1, 1 - 0.5**0.5], abs=1e-4)
    again = command("train", "-m", *given)
    assert again.returncode == 1
    assert f"resume_sweep={sweep}" in again.stderr
    assert "Traceback" not in again.stderr


@pytest.mark.parametrize(
    ("jobs", "says"),
    [
        ([[]], "no key has several values to choose from"),
        ([["trainer.max_steps=9"], []], "leave trainer.max_steps=9 out and set trainer.max_epochs"),
        ([["trainer.max_time=60"], []], "leave trainer.max_time=60 out"),
        ([[], ["data.name=others"]], "scores on others, shapes cannot be compared"),
        ([["trainer.max_epochs=8"], ["trainer.max_epochs=9"]], "trainer.max_epochs=8,9: .* one number is needed"),
        ([["trainer.max_epochs=-1"]] * 2, "trainer.max_epochs=-1: a whole number from 1 is needed"),
        ([["trainer.max_epochs=2"]] * 2, "min_epochs=2: fewer epochs than trainer.max_epochs=2 are needed"),
        ([["seed=0"], ["seed=1"]], "seed=0,1: hydra.sweeper.seeds=3 chooses the seeds itself"),
    ],
)
def test_a_grid_that_cannot_be_halved_is_refused(jobs: list[list[str]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        max_epochs([seglight.compose("data=shapes", *job) for job in jobs], least=2, seeds=3)


@pytest.mark.parametrize("numbers", [{"eta": 1}, {"min_epochs": 0}, {"seeds": 0}, {"eta": 2.5}])
def test_settings_are_checked_before_any_job_is_made(numbers: dict[str, Any]) -> None:
    sweeper = Halving(**{"eta": 3, "min_epochs": 1, "seeds": 1, **numbers})
    context: Any = None
    ((key, value),) = numbers.items()
    with pytest.raises(ValueError, match=re.escape(f"hydra.sweeper.{key}={value}: a whole number from")):
        sweeper.setup(hydra_context=context, task_function=print, config=OmegaConf.create())
