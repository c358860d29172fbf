"""metrics.csv: what was logged, by step and epoch."""

from __future__ import annotations

import csv
from pathlib import Path

import seglight
from seglight.config import resolve
from seglight.runs.run import Run
from seglight.training.fit import fit
from tests.conftest import QUICK


def test_metrics_csv_has_the_loss_and_the_scores(run_dir: Path) -> None:
    rows = list(csv.DictReader((run_dir / "metrics.csv").open()))
    assert len([row for row in rows if row["val/miou"]]) == 2
    assert {row["frozen_stages"] for row in rows} - {""} == {"0.0"}


def new_run(path: Path, *overrides: str) -> Run:
    return Run.create(path, resolve(seglight.compose(*QUICK, *overrides)), [])


def rows(run: Run, column: str) -> list[dict[str, str]]:
    """metrics.csv's rows that have a value there."""
    return [row for row in csv.DictReader((run.path / "metrics.csv").open()) if row.get(column)]


def test_every_step_has_its_loss(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", "data.train_images=12", "trainer.max_epochs=2")
    fit(run)
    assert [int(row["step"]) for row in rows(run, "train/loss")] == list(range(6))
