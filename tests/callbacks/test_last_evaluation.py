"""A run is evaluated where it ends."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from seglight.training.fit import fit
from tests.conftest import checkpoint, new_run, rows


def test_a_run_that_max_steps_ends_within_an_epoch_is_scored_in_that_epoch(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", "data.train_images=32", "trainer.max_epochs=30", "trainer.max_steps=3")
    with warnings.catch_warnings(record=True) as said:
        fit(run)
    assert not [str(w.message) for w in said if "ModelCheckpoint" in str(w.message)]
    assert (run.summary["best_epoch"], run.summary["steps"]) == (0, 3)
    assert [(row["epoch"], row["step"]) for row in rows(run, "val/miou")] == [("0", "2")]
    assert checkpoint(run, "best")["global_step"] == checkpoint(run, "last")["global_step"] == 3
    assert run.summary["val/miou"] == pytest.approx(float(rows(run, "val/miou")[0]["val/miou"]), abs=1e-6)


def test_the_last_epoch_is_evaluated_whatever_lies_between_evaluations(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", "trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2")
    fit(run)
    assert [row["epoch"] for row in rows(run, "val/miou")] == ["1", "2"]


def test_a_run_without_evaluation_keeps_its_last_weights(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", "trainer.limit_val_batches=0")
    fit(run)
    assert checkpoint(run, "best")["global_step"] == checkpoint(run, "last")["global_step"] == 2
    assert "val/miou" not in run.summary
