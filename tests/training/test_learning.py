"""What a user sees while a run learns: rates, mean losses, curves, advice, and how a run ends before its last epoch."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

import seglight
from seglight.callbacks.advice import Advice
from seglight.callbacks.time_limit import TimeLimit
from seglight.results.curves import read_curves
from seglight.runs.run import Run
from seglight.schedule import OneCycle
from seglight.training.fit import fit
from tests.conftest import new_run


def column(run: Run, name: str) -> list[float]:
    return [float(row[name]) for row in csv.DictReader((run.path / "metrics.csv").open()) if row.get(name)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two epochs of two steps."""
    made = new_run(tmp_path_factory.mktemp("learning") / "run", "trainer.max_epochs=2", "augment=none")
    fit(made)
    return made


def test_the_rate_of_each_step_is_in_metrics_csv(run: Run) -> None:
    factor = OneCycle().factor
    lr = run.cfg.optim.lr
    assert column(run, "lr") == pytest.approx([lr * factor(step / 4) for step in range(4)], rel=1e-6)


def test_the_mean_loss_is_that_of_the_epochs_steps(run: Run) -> None:
    losses = column(run, "train/loss")
    assert column(run, "train/mean_loss") == pytest.approx([sum(losses[:2]) / 2, sum(losses[2:]) / 2], rel=1e-5)


def test_the_validation_loss_is_the_mean_over_its_pixels(run: Run) -> None:
    loaded = seglight.load_run(run.path, "last")
    data = seglight.config.build(loaded.cfg, "data")
    batch = next(iter(data.eval_dataloader("val")))
    with torch.inference_mode():
        loss = torch.nn.functional.cross_entropy(loaded.net(batch["image"]), batch["mask"].long(), ignore_index=255)
    assert len(batch["image"]) == 4
    assert column(run, "val/loss")[-1] == pytest.approx(float(loss), rel=0.02)  # bfloat16, where the CPU has it


def test_the_curves_are_drawn(run: Run) -> None:
    assert set(read_curves(run.path / "metrics.csv")) >= {"lr", "train/loss", "train/mean_loss", "val/loss", "val/miou"}
    assert Image.open(run.path / "curves.png").size == (1650, 440)  # three panels


def test_a_run_whose_score_does_not_rise_ends_early(tmp_path: Path) -> None:
    stays = ("optim=sgd", "optim.lr=0", "freeze=norms", "encoder=resnet18", "trainer.max_epochs=9")
    run = new_run(tmp_path / "run", *stays, "trainer.early_stopping=2")
    fit(run)
    assert (run.summary["epochs"], run.summary["best_epoch"]) == (3, 0)


def test_a_run_ends_when_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each look at the clock is a second later."""
    seconds = iter(range(1, 100))
    monkeypatch.setattr(TimeLimit, "time_elapsed", lambda self, stage="train": float(next(seconds)))
    monkeypatch.setattr(TimeLimit, "time_remaining", lambda self, stage="train": 10.0 - next(seconds))
    timed = ("trainer.max_epochs=-1", "trainer.max_time=10", "data.train_images=80")
    run = new_run(tmp_path / "run", *timed, "average=swa", "average.start=0.6")
    with caplog.at_level(logging.INFO):
        fit(run)
    rates = column(run, "lr")
    assert f"trainer.max_time=10 is used up: the run ends after {run.summary['steps']} steps" in caplog.text
    assert 3 <= run.summary["steps"] <= 6
    assert run.summary["best_epoch"] == 0
    assert rates[-1] < 0.5 * max(rates)  # the cycle has come down by then
    averaged = torch.load(run.checkpoint_path("last"), weights_only=True)["averaging_state"]["n_averaged"]
    assert 1 < averaged < run.summary["steps"]  # of the last 40% of the time


def test_advice_names_what_is_never_found_and_a_loss_that_stays(caplog: pytest.LogCaptureFixture) -> None:
    trainer = SimpleNamespace(
        sanity_checking=False, is_global_zero=True, state=SimpleNamespace(fn="fit"),
        callback_metrics={"train/mean_loss": torch.tensor(1.0)},
        optimizers=[torch.optim.SGD([torch.zeros(1)], lr=0.1)],
    )  # fmt: skip
    task = SimpleNamespace(
        scores={"val/iou/road": 0.7, "val/iou/pole": 0.0, "val/iou/absent": float("nan"), "val/iou/guessed": 0.0},
        metrics=SimpleNamespace(
            classes=["road", "pole", "absent", "guessed"],
            compute=lambda: torch.tensor([[9, 0, 0, 1], [5, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
        ),
        recipe=SimpleNamespace(lr=0.3),
        progress=lambda: 0.6,
    )
    advice = Advice()
    with caplog.at_level(logging.WARNING):
        for _ in range(8):
            advice.on_train_epoch_end(trainer, task)  # type: ignore[arg-type]
            advice.on_validation_end(trainer, task)  # type: ignore[arg-type]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "IoU is still 0 for pole." in told[0]
    assert "has not fallen for 5 epochs" in told[1]
    assert "optim.lr=0.1" in told[1]
