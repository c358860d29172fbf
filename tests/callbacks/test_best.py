"""The best epoch is the same in the summary, metrics.csv and the checkpoint."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

import seglight
from seglight.config import resolve
from seglight.runs.run import Run
from seglight.training.fit import fit
from tests.conftest import QUICK


def new_run(path: Path, *overrides: str) -> Run:
    return Run.create(path, resolve(seglight.compose(*QUICK, *overrides)), [])


def rows(run: Run, column: str) -> list[dict[str, str]]:
    """metrics.csv's rows that have a value there."""
    return [row for row in csv.DictReader((run.path / "metrics.csv").open()) if row.get(column)]


def checkpoint(run: Run, which: str) -> dict[str, Any]:
    return torch.load(run.checkpoint_path(which), weights_only=True)  # type: ignore[no-any-return]


def test_the_best_checkpoint_is_the_epoch_that_the_summary_names(tmp_path: Path) -> None:
    """Rates so high that the scores go up and down."""
    run = new_run(tmp_path / "run", "trainer.max_epochs=5", "optim.lr=0.05", "schedule=constant")
    fit(run)
    scores = [float(row["val/miou"]) for row in rows(run, "val/miou")]
    assert run.summary["best_epoch"] == scores.index(max(scores)) == checkpoint(run, "best")["epoch"]
    assert run.summary["val/miou"] == pytest.approx(max(scores), abs=1e-6)
