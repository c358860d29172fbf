"""resume=RUN key=value: the key changes, with everything that follows from it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

import seglight
from seglight.config import resolve
from seglight.runs.checkpoint import read_checkpoint
from seglight.runs.run import Run
from seglight.training.fit import fit
from tests.conftest import QUICK, Command

OPTIONS = (*QUICK, "schedule=constant", "optim=sgd", "predictions=0")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run.create(tmp_path / "run", resolve(seglight.compose(*OPTIONS)), list(OPTIONS))
    fit(made)
    return Run(made.path)


def test_a_changed_rate_counts_from_the_next_step_on(run: Run) -> None:
    before = read_checkpoint(run.checkpoint_path("last"))["optimizer_states"][0]["param_groups"][0]
    resumed = Run.resume(run.path, ["optim.lr=1e-5", "optim.weight_decay=0.5", "trainer.max_epochs=2"])
    fit(resumed)
    checkpoint = read_checkpoint(run.checkpoint_path("last"))
    after = checkpoint["optimizer_states"][0]["param_groups"][0]
    assert checkpoint["epoch"] == 1
    assert before["lr"] != 1e-5
    assert (after["lr"], after["weight_decay"]) == (1e-5, 0.5)


def test_what_was_derived_from_a_key_changes_with_it(run: Run) -> None:
    resumed = Run.resume(run.path, ["data.crop_size=48"])
    assert resumed.cfg.data.augment.transforms[0].size == resumed.cfg.augment.transforms[0].size == 48
    assert resumed.cfg.trainer.max_epochs == 1
    assert Run(run.path).cfg == resumed.cfg
    back = Run.resume(run.path, ["data.crop_size=64"])
    assert back.cfg.data.augment.transforms[0].size == back.cfg.data.crop_size == 64


def test_the_command_line_changes_a_key_of_a_run_and_of_a_sweep(run: Run, command: Command) -> None:
    answer = command("train", f"resume={run.path}", "trainer.max_epochs=2")
    assert answer.returncode == 0, answer.stderr
    assert Run(run.path).summary["epochs"] == 2
    run.update_summary(status="failed")
    answer = command("train", f"resume_sweep={run.path.parent}", "trainer.max_epochs=3")
    assert answer.returncode == 0, answer.stderr
    assert Run(run.path).summary["epochs"] == 3


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("optim=adamw", "a resumed run keeps its optim"),
        ("model=fcn8s", "a resumed run keeps its model"),
        ("seed=3", "a resumed run keeps its seed"),
        ("encoder.channels=[8,8]", "a resumed run keeps its network"),
        ("optim.leaning_rate=1", "optim.leaning_rate"),
    ],
)
def test_what_cannot_change_is_refused_and_nothing_is_written(override: str, says: str, run: Run) -> None:
    before = (run.path / "config.yaml").read_text()
    with pytest.raises(ValueError, match=says):
        Run.resume(run.path, [override])
    assert (run.path / "config.yaml").read_text() == before


def test_resume_is_of_one_run_and_secrets_are_refused_before_a_folder_is_made(command: Command, tmp_path: Path) -> None:
    answer = command("train", "-m", f"resume={tmp_path / 'run'}", "seed=1,2")
    assert (answer.returncode, answer.stderr.count("\n")) == (1, 1)
    assert "resume_sweep=FOLDER" in answer.stderr
    answer = command("train", "-m", *QUICK, "+data.password=12345678", "seed=1,2")
    assert answer.returncode == 1
    assert "data.password holds a key or password" in answer.stderr
    assert not (tmp_path / "multirun").exists()
