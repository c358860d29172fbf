"""In each epoch trains what the freeze policy says, and metrics.csv tells."""

from __future__ import annotations

import csv
from pathlib import Path

import seglight
from seglight.runs.run import Run
from seglight.training.fit import fit
from tests.conftest import QUICK

GRADUAL = ("model=unet", "encoder.channels=[8,16,16]", "freeze=gradual", "freeze.start=1", "freeze.every=1")


def test_a_gradual_run_thaws_a_stage_an_epoch_from_the_deepest_up(tmp_path: Path) -> None:
    cfg = seglight.compose(*QUICK, *GRADUAL, "trainer.max_epochs=3", "predictions=0")
    net = seglight.build_model(cfg)
    fit(Run.create(tmp_path / "run", cfg, []))
    rows = [row for row in csv.DictReader((tmp_path / "run" / "metrics.csv").open()) if row["frozen_stages"]]
    assert [float(row["frozen_stages"]) for row in rows] == [3, 2, 1]
    stages = [sum(p.numel() for p in stage.parameters()) for stage in net.encoder.stages]  # type: ignore[union-attr]
    every = sum(p.numel() for p in net.parameters())
    assert [float(row["trainable_params"]) for row in rows] == [every - sum(stages[:n]) for n in (3, 2, 1)]
