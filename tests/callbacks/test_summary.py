"""summary.json: what a run was, what it cost and how it scored."""

from __future__ import annotations

import csv
import json
import subprocess
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import seglight
from seglight.config import resolve
from seglight.runs.run import Run
from seglight.task import SegmentationTask
from seglight.training.fit import fit
from tests.conftest import QUICK, REPO

SCORES = ("val/miou", "val/pixel_acc", "val/mean_acc", "val/fw_iou")


def test_the_summary_says_what_the_run_was_and_cost(run_dir: Path) -> None:
    summary = json.loads((run_dir / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert summary["epochs"] == 2
    scored = [row for row in csv.DictReader((run_dir / "metrics.csv").open()) if row["val/miou"]]
    best = max(scored, key=lambda row: float(row["val/miou"]))
    assert summary["best_epoch"] == int(float(best["epoch"]))
    for name in SCORES:
        assert summary[name] == pytest.approx(float(best[name]), abs=1e-6)
    assert summary["seed"] == 0
    assert summary["device"] == "cpu"
    assert 0 < summary["train_seconds"] < 300
    assert summary["images_per_second"] == pytest.approx(2 * 8 / summary["train_seconds"], rel=0.01)
    net = seglight.build_model(seglight.compose(*QUICK))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(torch.zeros(1, 3, 512, 512))
    assert summary["gflops"] == pytest.approx(counter.get_total_flops() / 1e9, abs=1e-3)
    parameters = sum(p.numel() for p in net.parameters())
    assert summary["params"] == summary["trainable_params"] == parameters
    assert {name: version(name) for name in ("torch", "lightning", "hydra-core")}.items() <= summary["versions"].items()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPO, capture_output=True, text=True).stdout.strip()
    assert (summary["git_commit"] or "").removesuffix("-dirty") == head


def test_an_evaluation_within_an_epoch_is_no_training_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock on which a training step takes 1 second, an evaluation 100, and all else nothing."""
    now = 0.0

    def taking(seconds: float, step: Any) -> Any:
        def timed(*arguments: Any) -> Any:
            nonlocal now
            now += seconds
            return step(*arguments)

        return timed

    monkeypatch.setattr("seglight.callbacks.summary.time", SimpleNamespace(perf_counter=lambda: now))
    for name, seconds in (("training_step", 1), ("on_validation_epoch_start", 100)):
        monkeypatch.setattr(SegmentationTask, name, taking(seconds, getattr(SegmentationTask, name)))
    overrides = ["data.batch_size=2", "trainer.max_epochs=2", "+trainer.val_check_interval=1"]  # 4 steps an epoch
    run = Run.create(tmp_path / "run", resolve(seglight.compose(*QUICK, *overrides)), [])
    fit(run)
    assert now >= 8 * 100
    assert (run.summary["train_seconds"], run.summary["images_per_second"]) == (8, 2)
