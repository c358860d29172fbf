"""A run that was stopped within an epoch goes on with the images that it has not seen, in batches of any size."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import seglight
from seglight.config import resolve
from seglight.ranks.signals import Stopped, handlers_put_back
from seglight.runs.run import Run
from seglight.task import SegmentationTask
from seglight.training.job import train_run
from tests.conftest import QUICK

IMAGES = 16
Seen = list[tuple[int, list[str]]]  # epoch and names of every batch
Train = Callable[..., Seen]
rates: list[float] = []  # the learning rate of every batch of the last call of `train`


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Train:
    """`train(run, stop_after=N)`: trains it, or gets a SIGTERM in its Nth batch; returns what it has seen."""
    step = SegmentationTask.training_step

    def run_to(run: Run, stop_after: int = 0) -> Seen:
        seen: Seen = []
        rates.clear()

        def watched(self: Any, batch: Any, batch_idx: int) -> Any:
            seen.append((self.current_epoch, list(batch["name"])))
            rates.append(self.trainer.optimizers[0].param_groups[-1]["lr"])
            if len(seen) == stop_after:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(self, batch, batch_idx)

        monkeypatch.setattr(SegmentationTask, "training_step", watched)
        with handlers_put_back([signal.SIGTERM, signal.SIGINT]):
            if stop_after:
                with pytest.raises(Stopped):
                    train_run(run)
            else:
                train_run(run)
        return seen

    return run_to


def new_run(path: Path, *options: str) -> Run:
    quick = (*QUICK, f"data.train_images={IMAGES}", "data.val_images=1", "data.size=32", "data.crop_size=32")
    overrides = [*quick, "trainer.max_epochs=2", "predictions=0", *options]
    return Run.create(path, resolve(seglight.compose(*overrides)), overrides)


def epoch(number: int, *parts: Seen) -> list[str]:
    return [name for seen in parts for at, names in seen if at == number for name in names]


@pytest.mark.parametrize(
    ("before", "stop_after", "after", "sizes"),
    [
        (["data.batch_size=2"], 3, ["data.batch_size=4"], [4, 3, 3]),  # 10 are left
        (["data.batch_size=4"], 1, ["data.batch_size=2"], [2] * 6),
        (["data.batch_size=2"], 6, ["data.batch_size=8"], [4]),
        (["data.batch_size=2", "trainer.accumulate_grad_batches=2"], 4, ["data.batch_size=4"], [4, 4]),
        (["data.batch_size=2"], 4, ["data.batch_size=2", "data.num_workers=2"], [2] * 4),
    ],
)
def test_every_image_is_seen_once(
    tmp_path: Path, train: Train, before: list[str], stop_after: int, after: list[str], sizes: list[int]
) -> None:
    first = train(new_run(tmp_path / "run", *before), stop_after)
    assert len(first) == stop_after
    second = train(Run.resume(tmp_path / "run", after))
    assert [len(names) for at, names in second if at == 0] == sizes
    everything = sorted(f"train_{number:04d}" for number in range(IMAGES))
    assert sorted(epoch(0, first, second)) == sorted(epoch(1, first, second)) == everything
    summary = Run(tmp_path / "run").summary
    assert (summary["status"], summary["epochs"]) == ("completed", 2)


def test_the_learning_rate_goes_on_from_the_same_share_of_the_run(tmp_path: Path, train: Train) -> None:
    options = ["schedule=poly", "schedule.power=1", "schedule.warmup=0", "optim=sgd", "optim.lr=0.001"]
    train(new_run(tmp_path / "run", "data.batch_size=2", *options), 9)  # the first of 8 steps in the second epoch
    run = Run.resume(tmp_path / "run", ["data.batch_size=4"])
    seen = train(run)
    images, total = 18, 2 * IMAGES
    for (_, names), rate in zip(seen, rates, strict=True):
        assert rate == pytest.approx(0.001 * (1 - images / total), abs=0.001 * 4 / total)
        images += len(names)


def test_a_whole_epoch_is_not_gone_on_with(tmp_path: Path, train: Train) -> None:
    """Of 4 batches that an epoch had, none counts in the next one's 16."""
    train(new_run(tmp_path / "run", "data.batch_size=4", "trainer.max_epochs=1"))
    seen = train(Run.resume(tmp_path / "run", ["data.batch_size=2", "trainer.max_epochs=2"]))
    assert [at for at, _ in seen] == [1] * 8
    assert len(set(epoch(1, seen))) == IMAGES
