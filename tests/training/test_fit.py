"""What a run leaves of its course: where it is evaluated, which evaluation is best, what each checkpoint holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seglight.runs import status
from seglight.runs.run import Run
from seglight.training.fit import fit
from seglight.training.job import train_run
from tests.conftest import checkpoint, new_run


def test_a_run_that_max_steps_ended_goes_on_with_the_rest_of_its_epoch(tmp_path: Path) -> None:
    longer = new_run(tmp_path / "longer", "data.train_images=32", "trainer.max_steps=7", "schedule=constant")
    fit(longer)
    short = new_run(tmp_path / "short", "data.train_images=32", "trainer.max_steps=3", "schedule=constant")
    fit(short)
    fit(Run.resume(short.path, ["trainer.max_steps=7"]))
    ends = [checkpoint(run, "last")["state_dict"] for run in (longer, short)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("compile=quickly", "compile=quickly: one of true, false"),
        ("trainer.max_epochs=one", "trainer.max_epochs=one: a whole number"),
        ("trainer.max_epochs=-2", "trainer.max_epochs=-2: a whole number"),
        ("trainer.max_epochs=-1", "trainer.max_epochs=-1: the run would never end"),
        ("trainer.max_epochs=0", "trainer.max_epochs=0: nothing would be trained"),
        ("trainer.accumulate_grad_batches=0", "trainer.accumulate_grad_batches=0: a whole number from 1"),
        ("trainer.limit_val_batches=-1", "trainer.limit_val_batches=-1: a whole number of batches from 0"),
        ("trainer.gradient_clip_val=-1", "trainer.gradient_clip_val=-1: a number above 0"),
        ("trainer.precision=banana", "trainer.precision=banana: one of auto, 32-true"),
        ("trainer.accelerator=quantum", "trainer.accelerator=quantum: one of auto, cpu"),
        pytest.param(
            "trainer.accelerator=gpu", "trainer.accelerator=gpu: torch sees no GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
        ("trainer.devices=0", "trainer.devices=0"),
        ("trainer.early_stopping=0", "trainer.early_stopping=0: a whole number from 1"),
        ("trainer.max_time=soon", "trainer.max_time=soon: seconds, or DD:HH:MM:SS"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_before_anything_is_built(tmp_path: Path, override: str, says: str) -> None:
    run = new_run(tmp_path / "run", override)
    with pytest.raises(ValueError, match=f"^{says}".replace("(", r"\(")):
        train_run(run)
    assert run.summary["status"] == "failed"
    assert run.summary["error"].startswith(says)
    assert {path.name for path in run.path.iterdir()} <= {
        ".lock", ".summary.lock", "checkpoints", "config.yaml", "composed.yaml", "overrides.yaml", "summary.json",
    }  # fmt: skip


def test_endless_epochs_end_with_max_steps(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", "trainer.max_epochs=-1", "trainer.max_steps=5", "data.train_images=8")
    fit(run)
    assert (run.summary["steps"], run.summary["best_epoch"] >= 0) == (5, True)


def test_the_first_word_on_how_a_run_ended_counts(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")

    def rank() -> None:
        with status.ending(run):
            raise ValueError("rank 1 has no memory left")

    def job() -> None:
        with status.job(run):
            assert run.summary["status"] == "running"
            with pytest.raises(ValueError, match="rank 1"):
                rank()
            raise KeyboardInterrupt  # what the launcher makes of it

    with pytest.raises(KeyboardInterrupt):
        job()
    assert (run.summary["status"], run.summary["error"]) == ("failed", "rank 1 has no memory left")
    with status.job(run):
        assert run.summary["error"] is None
    assert run.summary["status"] == "completed"
