"""metrics.csv: what was logged, by step and epoch."""

from __future__ import annotations

import csv
from pathlib import Path

from seglight.training.fit import fit
from tests.conftest import new_run, rows


def test_metrics_csv_has_the_loss_and_the_scores(run_dir: Path) -> None:
    rows = list(csv.DictReader((run_dir / "metrics.csv").open()))
    assert len([row for row in rows if row["val/miou"]]) == 2
    assert {row["frozen_stages"] for row in rows} - {""} == {"0.0"}


def test_every_step_has_its_loss(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run", "data.train_images=12", "trainer.max_epochs=2")
    fit(run)
    assert [int(row["step"]) for row in rows(run, "train/loss")] == list(range(6))
