"""Who goes on in a halving sweep, to how many epochs, and what an interruption leaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import seglight
from seglight.runs.run import Run, sweep_runs
from seglight.sweeps.report import print_report
from seglight.sweeps.resume_sweep import ResumeSweep
from seglight.sweeps.rungs import Rungs, best, budgets, size
from tests.conftest import QUICK


class Launcher:
    """Trains nothing: a job ends with its score, or in the way `ends` has for it."""

    def __init__(self, scores: Sequence[float], **ends: dict[str, Any]) -> None:
        self.scores, self.ends = scores, ends
        self.trained: list[tuple[str, int]] = []

    def train(self, paths: Sequence[Path]) -> None:
        for path in paths:
            run = Run(path)
            epochs = int(run.cfg.trainer.max_epochs)
            self.trained.append((path.name, epochs))
            score = self.scores[int(path.name) % len(self.scores)]
            end = {"status": "completed", "epochs": epochs, "steps": 2 * epochs, "train_seconds": 1.0}
            run.update_summary(**{**end, "val/miou": score, **self.ends.pop(f"job_{path.name}_{epochs}", {})})


Sweep = Callable[..., Rungs]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Five jobs that have one epoch each to train, of four at most."""

    def make(launcher: Launcher, seeds: int = 1) -> Rungs:
        cfg = seglight.compose(*QUICK)
        for number in range(5):
            Run.create(tmp_path / str(number), cfg, [f"optim.lr={number}", "trainer.max_epochs=1"])
        rungs = Rungs(tmp_path, 2, 1, 4, seeds, [[str(number) for number in range(5)]])
        rungs.write()
        launcher.train([run.path for run in sweep_runs(tmp_path)])
        return rungs

    return make


def test_epochs_grow_by_eta_up_to_the_last_and_jobs_shrink_by_it() -> None:
    assert budgets(2, 18, 3) == [2, 6, 18]
    assert budgets(2, 20, 3) == [2, 6, 18, 20]
    assert [size(24, rung, 3) for rung in range(4)] == [24, 8, 3, 1]
    assert size(2, 5, 3) == 1
    assert best({"0": 0.1, "1": float("nan"), "2": 0.3, "3": 0.3}, 2) == ["2", "3"]


def test_the_best_go_on_in_their_folders_and_only_the_finalists_get_seeds(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launcher = Launcher([0.1, 0.5, 0.3, 0.4, 0.2])
    rungs = sweep(launcher, seeds=2)
    assert rungs.plan() == "halving: 5 to epoch 1, 3 to epoch 2, 2 to epoch 4; 20 of the full grid's 40 epochs (50%)"
    rungs.go_on(launcher)
    assert launcher.trained[5:] == [("1", 2), ("3", 2), ("2", 2), ("1", 4), ("3", 4), ("5", 4), ("6", 4)]
    seeds = [Run(tmp_path / name) for name in "56"]
    assert [(run.cfg.seed, run.cfg.data.seed, run.cfg.resume) for run in seeds] == [(1, 1, None)] * 2
    assert seeds[0].overrides == ["optim.lr=1", "trainer.max_epochs=1", *rise(2), *rise(4), "seed=1"]
    print_report(tmp_path)
    out = capsys.readouterr().out
    # 2 jobs of 1 epoch, 1 of 2, 2 of 4, 2 seeds of 4
    assert "halving: 20 of the full grid's 40 epochs (50%) were trained" in out
    assert re.search(r"2 +│ optim\.lr=2 +│ +1 │ +2 │ completed │ +0\.3000", out)
    assert re.search(r"5 +│ optim\.lr=1 seed=1 +│ +2 │ +4 │", out)


def rise(epochs: int) -> list[str]:
    """What a promotion adds to a job's overrides."""
    return [f"trainer.max_epochs={epochs}"]


def test_nothing_is_chosen_before_a_rung_is_done_and_a_choice_stands(sweep: Sweep, tmp_path: Path) -> None:
    launcher = Launcher([0.1, 0.5, 0.3, 0.4, 0.2], job_3_2={"status": "interrupted", "epochs": 1})
    rungs = sweep(launcher)
    rungs.go_on(launcher)
    stopped = Rungs.of(tmp_path)
    assert stopped is not None
    assert stopped.jobs[1:] == [["1", "3", "2"]]
    Run(tmp_path / "4").update_summary(**{"val/miou": 0.9})  # too late
    sweeper = ResumeSweep(changes=[])
    sweeper.config, sweeper.launcher = OmegaConf.create({"resume_sweep": str(tmp_path)}), launcher
    before = len(launcher.trained)
    sweeper.sweep([])
    assert launcher.trained[before:] == [("3", 2), ("1", 4), ("3", 4)]
    sweeper.sweep([])
    assert len(launcher.trained) == before + 3  # nothing is left


def test_a_failed_job_and_one_without_a_score_drop_out(sweep: Sweep) -> None:
    launcher = Launcher([0.1, 0.5, 0.3, float("nan"), 0.2], job_1_1={"status": "failed"})
    rungs = sweep(launcher)
    rungs.go_on(launcher)
    assert rungs.jobs[1:] == [["2", "4", "0"], ["2", "4"]]


def test_a_sweep_without_any_score_ends_after_its_first_rung(sweep: Sweep, caplog: pytest.LogCaptureFixture) -> None:
    launcher = Launcher([float("nan")])
    rungs = sweep(launcher)
    rungs.go_on(launcher)
    assert len(launcher.trained) == 5
    assert "no job has a val/miou after 1 epochs" in caplog.text


def test_the_epochs_of_a_halving_are_its_own(sweep: Sweep, tmp_path: Path) -> None:
    sweep(Launcher([0.1]))
    sweeper = ResumeSweep(changes=["trainer.max_epochs=9"])
    sweeper.config, sweeper.launcher = OmegaConf.create({"resume_sweep": str(tmp_path)}), Launcher([0.1])
    with pytest.raises(ValueError, match=r"trainer\.max_epochs: .*halving\.json says how many epochs"):
        sweeper.sweep([])
    (tmp_path / "halving.json").write_text("{")
    with pytest.raises(ValueError, match=r"halving\.json cannot be read"):
        Rungs.of(tmp_path)
